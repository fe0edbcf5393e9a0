"""A sync of all versions leaves the store with the source's versions and delete markers, in their order, once each."""

import hashlib
import itertools
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.planned_object import PlannedObject
from hyve_pipeline.operations.apply import history as history_module
from hyve_pipeline.operations.apply import shard as shard_module
from hyve_pipeline.operations.apply.history import HistoryCopier
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline.s3.listing.version_pages import ListedVersion
from hyve_pipeline.s3.objects import pinned_write
from hyve_pipeline_tests.conditions import ConditionalStore
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.histories import contents, histories, put_in_a_part
from hyve_pipeline_tests.operations.applying import apply, planned, rows_of
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import Bucket, Hyve, MakePair, Pair, new_pair
from hyve_pipeline_tests.tally import THOROUGHNESS, counts

pytestmark = pytest.mark.xdist_group("versions")


class _KilledError(Exception):
    """The process ends here."""


class _Killer(HistoryCopier):
    """Ends the process before or after one of its writes; nothing is written after that."""

    left = -1
    is_after = False

    async def _write(
        self, row: PlannedObject, version: ListedVersion, newest: ListedVersion | None, progress: Any
    ) -> ListedVersion:
        cls = type(self)
        if cls.left == 0 and not cls.is_after:
            raise _KilledError
        written = await super()._write(row, version, newest, progress)
        if cls.left == 0:
            raise _KilledError
        cls.left -= 1
        return written


def _forget_newest_rows(context: SyncContext, plan: Plan) -> None:
    """As if the process had been killed before its rows were on the disk."""
    folder = context.state.local_path
    assert folder is not None
    for shard in plan.shards:
        attempts = sorted((folder / f"journals/{plan.id}/{shard.number:04d}").glob("[0-9]*"))
        if attempts and not (attempts[-1] / "summary.json").exists():
            for file in attempts[-1].glob("*.parquet"):
                file.unlink()


_KEYS = ["a", "a+b", "é x"]
_EDITS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put in a part", "delete"]), st.sampled_from(_KEYS), st.sampled_from(b"xy")
    ),
    min_size=2,
    max_size=8,
)
# What befalls the writes of a sync, by the number of the write: it is lost on its way there or back, or the process
# ends before or after it; and whether rows of the journal are lost then.
_KINDS = ("lost there", "lost back", "hang up", "killed before", "killed after")
_FATES = st.sampled_from([None, None, *itertools.product(_KINDS, range(3), (False, True))])
_STEPS = st.lists(st.tuples(_EDITS, _FATES, st.booleans()), min_size=1, max_size=3)


@settings(max_examples=5 * THOROUGHNESS, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=_STEPS,
    transfer=st.sampled_from(["server", "stream"]),
    keep_parts=st.booleans(),
    page=st.sampled_from([2, 1000]),
)
def test_random_histories_with_kills_and_lost_answers(
    make_place: MakePlace,
    version_endpoint: str,
    through: FaultyServer,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[tuple[list[tuple[str, str, int]], tuple[str, int, bool] | None, bool]],
    transfer: str,
    keep_parts: bool,
    page: int,
) -> None:
    monkeypatch.setattr(shard_module, "HistoryCopier", _Killer)
    _Killer.left = -1
    through.page_keys = page
    with tempfile.TemporaryDirectory() as home:
        pair = new_pair(make_place, Path(home), endpoint_url=version_endpoint, through=through, versioned=True)
        context = pair.context(
            versions="all", transfer=transfer, keep_parts=keep_parts, patience_seconds=0, shard_objects=2, concurrency=1
        )
        for edits, fate, is_resumed in steps:
            for kind, key, content in edits:
                edit(pair.source, kind, key, bytes([content]))
            plan = planned(context)
            befall(through, pair, fate)
            try:
                apply(context, plan, "copy")
            except _KilledError:
                counts["kills of syncs of versions"] += 1
                if fate is not None and fate[2]:
                    _forget_newest_rows(context, plan)
            finally:
                befall(through, pair, None)
            assert_is_beginning(pair)
            if is_resumed:
                apply(context, plan, "copy")
                assert contents(pair.store) == contents(pair.source)
        plan = planned(context)
        assert plan.count(ChangeSet.ALTERED).objects == plan.count(ChangeSet.SKIPPED).objects == 0
        apply(context, plan, "copy")
        assert contents(pair.store) == contents(pair.source)
        assert_mapped(context, pair, plan)
        assert verify_plan(context, plan).verified
        assert planned(context).is_empty
        counts["histories of all versions"] += len(contents(pair.source))


def edit(bucket: Bucket, kind: str, key: str, content: bytes) -> None:
    if kind == "put":
        bucket.put({key: content})
    elif kind == "delete":
        bucket.delete(key)
    else:
        put_in_a_part(bucket, key, content)


def befall(server: FaultyServer, pair: Pair, fate: tuple[str, int, bool] | None) -> None:
    """Let something befall one of the writes to the store from now on."""
    _Killer.left, _Killer.is_after = -1, False
    left = [0]

    def fault(received: Received) -> Answer | None:
        is_write = received.method in ("PUT", "DELETE", "POST") and received.path.startswith(f"/{pair.store.name}/")
        if not is_write or fate is None:
            return None
        left[0] += 1
        if left[0] != fate[1] + 1:
            return None
        if fate[0] != "lost there":
            server.forward(received)
        return Answer(hang_up=True) if fate[0] == "hang up" else Answer(status=500)

    if fate is not None and fate[0].startswith("killed"):
        _Killer.left, _Killer.is_after = fate[1], fate[0] == "killed after"
    server.fault = (lambda _: None) if fate is None or fate[0].startswith("killed") else fault


def assert_is_beginning(pair: Pair) -> None:
    """Whatever happened, the store has nothing but the first versions of the source."""
    source = contents(pair.source)
    for key, history in contents(pair.store).items():
        assert history == source[key][: len(history)], key


def assert_mapped(context: SyncContext, pair: Pair, plan: Plan) -> None:
    """The journal has the ids of all versions of the keys that it is about."""
    source, store = histories(pair.source), histories(pair.store)
    for key, row in rows_of(context, plan).items():
        ids = zip([name for name, _ in source[key]], [name for name, _ in store[key]], strict=True)
        assert row.versions == [{"source": one, "store": other} for one, other in ids]


def test_null_versions_archived_ones_and_what_objects_carry(
    make_pair: MakePair, version_endpoint: str, hyve: Hyve
) -> None:
    pair = make_pair(endpoint_url=version_endpoint, versions="all", prefixes=("in/", "out/"))
    pair.source.put({"in/a": b"null", "out of it": b"x"}, Metadata={"n": "0"})
    for bucket in (pair.source, pair.store):
        bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    pair.source.put({"in/a": b"1"}, ContentType="image/png", Metadata={"n": "1"}, Tagging="t=1")
    pair.source.delete("in/a")
    pair.source.put({"in/cold": b"1"})
    pair.source.put({"in/cold": b"2"}, StorageClass="DEEP_ARCHIVE")
    pair.source.put({"in/cold": b"3"})
    planned = hyve("dryrun", "--json").document
    assert (planned["new"], planned["skipped"]["objects"]) == ({"objects": 1, "bytes": 5}, 1)
    assert hyve("sync").code == 0
    source, store = histories(pair.source, "in/a")["in/a"], histories(pair.store)["out/a"]
    assert [content for _, content in store] == [b"null", b"1", None]
    assert source[0][0] == "null"
    carried = pair.store.client.get_object(Bucket=pair.store.name, Key="out/a", VersionId=store[1][0])
    assert (carried["ContentType"], carried["Metadata"], carried["TagCount"]) == ("image/png", {"n": "1"}, 1)
    assert "out/cold" not in histories(pair.store)


def test_more_versions_than_a_page_has(
    make_pair: MakePair, through: FaultyServer, version_endpoint: str, hyve: Hyve
) -> None:
    pair = make_pair(endpoint_url=version_endpoint, through=through, versioned=True, versions="all")
    through.page_keys = 3
    for number in range(10):
        pair.source.put({"a": b"%d" % number, "ab": b"x"})
        if number % 3 == 1:
            pair.source.delete("a")
    assert hyve("sync").code == 0
    assert contents(pair.store) == contents(pair.source)
    assert [len(history) for history in contents(pair.store).values()] == [13, 10]


def test_each_write_that_may_make_a_version_is_sent_once(
    make_pair: MakePair, through: FaultyServer, version_endpoint: str, hyve: Hyve
) -> None:
    pair = make_pair(endpoint_url=version_endpoint, through=through, versioned=True, versions="all", patience_seconds=9)
    for _ in range(2):
        pair.source.put({"a": b"the same"})
        pair.source.delete("a")
    writes: list[Received] = []

    def fault(received: Received) -> Answer | None:
        if received.method not in ("PUT", "DELETE") or not received.path.startswith(f"/{pair.store.name}/"):
            return None
        writes.append(received)
        through.forward(received)
        return Answer(status=503)

    through.fault = fault
    finished = hyve("sync")
    assert finished.code == 0, finished.err
    assert [received.method for received in writes] == ["PUT", "DELETE", "PUT", "DELETE"]
    assert contents(pair.store) == {"a": [b"the same", None, b"the same", None]}


@pytest.mark.parametrize("transfer", ["server", "stream"])
def test_any_key(make_pair: MakePair, version_endpoint: str, hyve: Hyve, transfer: str) -> None:
    pair = make_pair(endpoint_url=version_endpoint, versioned=True, versions="all", transfer=transfer)
    keys = [
        "100%41",
        "a&b<c>",
        "a\nb",
        "+",
        "a b",
        "a//b",
        "dir/",
        " lead",
        "\U0001f600",
        "e\u0301",
        "%2B+%20 ",
        "a",
        "a/b",
    ]
    for content in (b"1", b"2"):
        pair.source.put(dict.fromkeys(keys, content))
    pair.source.delete(*keys[::2])
    finished = hyve("sync")
    assert finished.code == 0, finished.err
    assert contents(pair.store) == contents(pair.source)
    assert len(contents(pair.store)) == len(keys)


def test_on_aws_each_version_says_what_it_follows(
    make_pair: MakePair,
    through: FaultyServer,
    version_endpoint: str,
    hyve: Hyve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = make_pair(endpoint_url=version_endpoint, through=through, versioned=True, versions="all", patience_seconds=9)
    server = pair.context().located("store").server
    for module in (history_module, pinned_write):
        monkeypatch.setattr(module, "AWS", server)
    for content in (b"same", b"same", None, b"b"):
        if content is None:
            pair.source.delete("a")
        else:
            pair.source.put({"a": content, "theirs": content})
    aws = ConditionalStore(through, pair.store.name)
    # The answer of the first write is lost; and somebody else is as fast as the second one to the other key.
    aws.lost = 1
    is_theirs = [False]

    def before(received: Received) -> None:
        if received.path.endswith("/theirs") and "if-match" in received.headers and not is_theirs[0]:
            is_theirs[0] = True
            pair.store.put({"theirs": b"x"})

    aws.before = before
    finished = hyve("sync", "--json")
    assert (finished.code, finished.document["copied"], finished.document["copy_skipped"]) == (1, 1, 1)
    same = hashlib.md5(b"same", usedforsecurity=False).hexdigest()
    sent = [condition for _, path, condition, _ in aws.writes if path.endswith("/a")]
    assert sent == [("if-none-match", "*"), ("if-match", f'"{same}"'), ("if-none-match", "*")]
    assert contents(pair.store) == {"a": [b"same", b"same", None, b"b"], "theirs": [b"same", b"x"]}
