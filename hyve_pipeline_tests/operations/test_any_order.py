"""Any order of writes, plans, copies, deletes and crashes, against a plain model of what must hold."""

import hashlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hyve_pipeline.core.base.errors import RefusedError
from hyve_pipeline.core.model.journal import JournalRow, Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.planned_object import PlannedObject, planned_objects
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.plan.freeze import read_shard
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline.state.journals import AttemptWriter, ShardJournal
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.operations.applying import apply, planned, rows_of
from hyve_pipeline_tests.syncs import Bucket, Pair, new_pair
from hyve_pipeline_tests.tally import THOROUGHNESS, counts

_KEYS = st.sampled_from(["a", "a/", "a//b", "b", "dir/c", "é", "e\u0301", "z z", "\U0001f600"])
_CONTENTS = st.sampled_from([b"", b"1", b"22", b"33"])
_SIDES = st.sampled_from(["source", "store"])

Content = dict[str, bytes]


class _Crash(BaseException):
    """The end of a process that nobody asked."""


@contextmanager
def _crash_after(rows: int | None) -> Iterator[None]:
    """Lose whatever the journal holds once it is given one more row than this, and go no further."""
    if rows is None:
        yield
        return
    left = rows

    def append(writer: AttemptWriter, row: JournalRow) -> None:
        nonlocal left
        if left == 0:
            raise _Crash
        left -= 1
        keep(writer, row)

    def leave(writer: AttemptWriter, kind: type[BaseException] | None, *more: Any) -> None:
        if kind is _Crash:
            writer._thread.shutdown()
        else:
            end(writer, kind, *more)

    keep, end = AttemptWriter.append, AttemptWriter.__exit__
    with patch.object(AttemptWriter, "append", append), patch.object(AttemptWriter, "__exit__", leave):
        yield


class _Syncs(RuleBasedStateMachine):
    """Two buckets and whoever works on them."""

    make_place: MakePlace
    folders: Iterator[Path]

    @initialize(
        source=st.dictionaries(_KEYS, _CONTENTS, min_size=3), store=st.dictionaries(_KEYS, _CONTENTS, min_size=3)
    )
    def begin(self, source: Content, store: Content) -> None:
        self.pair: Pair = new_pair(self.make_place, next(self.folders))
        # What somebody else wrote in the store would be kept otherwise, as altered.
        self.context = self.pair.context(
            compare="etag", altered="overwrite", max_deletes="100%", shard_objects=3, concurrency=4
        )
        self.model: dict[str, Content] = {"source": source, "store": store}
        self.pair.source.put(source)
        self.pair.store.put(store)
        self.plan: Plan | None = None
        # Keys whose last copy was cut short: the next plan copies them again, whatever is in the store.
        self.half_done: set[str] = set()

    def _bucket(self, side: str) -> Bucket:
        return self.pair.source if side == "source" else self.pair.store

    @rule(side=_SIDES, objects=st.dictionaries(_KEYS, _CONTENTS, min_size=1, max_size=4))
    def put(self, side: str, objects: Content) -> None:
        self._bucket(side).put(objects)
        self.model[side] |= objects

    @rule(side=_SIDES, keys=st.sets(_KEYS, min_size=1, max_size=4))
    def delete(self, side: str, keys: set[str]) -> None:
        self._bucket(side).delete(*keys)
        for key in keys:
            self.model[side].pop(key, None)

    @rule()
    def dryrun(self) -> None:
        self._take_plan()

    @rule(crash=st.integers(0, 3))
    def sync_that_crashes(self, crash: int) -> None:
        self._take_plan()
        self._do("copy", crash)
        self._do("copy", None)
        self._do("delete", crash)

    def _take_plan(self) -> None:
        self.plan = planned(self.context)
        source, store = self.model["source"], self.model["store"]
        differing = {key for key in source if store.get(key) != source[key]}
        assert self._planned_keys("copy") == differing | (self.half_done & source.keys() & store.keys())
        assert self._planned_keys("delete") == {key for key in store if key not in source}

    @precondition(lambda self: self.plan is not None)
    @rule(action=st.sampled_from(["copy", "delete"]), crash=st.none() | st.integers(0, 4))
    def do(self, action: Action, crash: int | None) -> None:
        self._do(action, crash)

    def _do(self, action: Action, crash: int | None) -> None:
        plan = self._newest()
        settled = {key for key, row in rows_of(self.context, plan).items() if row.outcome is not Outcome.FAILED}
        expected = self._expected(plan, action, settled)
        try:
            with _crash_after(crash):
                apply(self.context, plan, action)
        except RefusedError as error:
            self._check_refusal(error.rule, plan, action)
            return
        except _Crash:
            counts["crashes in any order"] += 1
            store = self.pair.store.read()
            for key in store.keys() | expected.keys() | self.model["store"].keys():
                assert store.get(key) in (expected.get(key), self.model["store"].get(key))
            self.model["store"] = store
            return
        finally:
            self._note_half_done(plan)
        self.model["store"] = dict(expected)

    def _note_half_done(self, plan: Plan) -> None:
        """Add the keys without an outcome of the copy shards that were begun, and remove those that are done."""
        for entry in plan_status(self.context, plan).shards:
            if entry.state == "pending":
                continue
            rows = ShardJournal(self.context.state, plan.id, entry.shard).last_rows()
            self.half_done -= {key for key, row in rows.items() if row.outcome is Outcome.DONE}
            if entry.shard.action == "copy":
                self.half_done |= set(read_shard(self.context, plan, entry.shard)["key"].to_pylist()) - rows.keys()

    def _check_refusal(self, refused_by: str, plan: Plan, action: Action) -> None:
        """A delete may be refused, since copies are not done or since the source was empty; nothing else."""
        copies = [shard.state for shard in plan_status(self.context, plan).shards if shard.shard.action == "copy"]
        is_unfinished = any(state != "finished" for state in copies)
        assert (action, refused_by) == ("delete", "copies_first" if is_unfinished else "empty_source")

    @rule()
    def sync(self) -> None:
        self.plan = planned(self.context)
        before = self.pair.store.listing()
        equal = {key for key, content in self.model["source"].items() if self.model["store"].get(key) == content}
        unchanged = equal - self.half_done
        apply(self.context, self.plan, "copy")
        self._note_half_done(self.plan)
        if self.model["source"]:
            apply(self.context, self.plan, "delete")
            self._note_half_done(self.plan)
            self.model["store"] = dict(self.model["source"])
            assert verify_plan(self.context, self.plan).verified
        after = self.pair.store.listing()
        assert {key: after[key] for key in unchanged} == {key: before[key] for key in unchanged}

    @invariant()
    def both_buckets_are_as_the_model_has_them(self) -> None:
        if hasattr(self, "pair"):
            counts["steps in any order"] += 1
            counts["objects compared in any order"] += sum(map(len, self.model.values()))
            assert self.pair.source.read() == self.model["source"]
            assert self.pair.store.read() == self.model["store"]

    def _newest(self) -> Plan:
        assert self.plan is not None
        return self.plan

    def _objects(self, plan: Plan, action: Action) -> list[PlannedObject]:
        return [
            row for shard in plan.shards_of(action) for row in planned_objects(read_shard(self.context, plan, shard))
        ]

    def _planned_keys(self, action: Action) -> set[str]:
        return {row.key for row in self._objects(self._newest(), action)}

    def _expected(self, plan: Plan, action: Action, settled: set[str]) -> Content:
        """What the store has when all that is left of a plan was done, as far as nothing has changed since."""
        source, store = self.model["source"], dict(self.model["store"])
        for row in self._objects(plan, action):
            if row.key in settled:
                continue
            is_planned = _etag(store.get(row.key)) in (row.store_etag, row.source_etag)
            if action == "copy" and _etag(source.get(row.key)) == row.source_etag and is_planned:
                store[row.key] = source[row.key]
            if action == "delete" and row.key not in source and _etag(store.get(row.key)) == row.store_etag:
                store.pop(row.key, None)
        return store


def _etag(content: bytes | None) -> str | None:
    return None if content is None else hashlib.md5(content).hexdigest()


@pytest.mark.timeout(180 * THOROUGHNESS)
def test_any_order(make_place: MakePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    with TemporaryDirectory() as folder:
        folders = (Path(folder) / str(number) for number in itertools.count())
        monkeypatch.setattr(_Syncs, "make_place", staticmethod(make_place), raising=False)
        monkeypatch.setattr(_Syncs, "folders", folders, raising=False)
        run_state_machine_as_test(
            _Syncs,
            settings=settings(
                max_examples=3 * THOROUGHNESS,
                stateful_step_count=16,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
