"""An undo of a plan of all versions removes what the plan added, and nothing else."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import RefusedError
from hyve_pipeline.operations.undo import undo_plan
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.histories import Histories, contents, histories, put_in_a_part
from hyve_pipeline_tests.operations.applying import apply, copied_plan, planned, rows_of
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import Bucket, Hyve, MakePair, Pair, new_pair
from hyve_pipeline_tests.tally import THOROUGHNESS, counts

pytestmark = pytest.mark.xdist_group("versions")


def synced(hyve: Hyve) -> str:
    finished = hyve("sync", "--json")
    assert finished.code == 0, finished.err
    return str(finished.document["plan"])


def remove(bucket: Bucket, key: str, place: int) -> None:
    """Remove one version of a key for good."""
    found = histories(bucket)[key][place][0]
    bucket.client.delete_object(Bucket=bucket.name, Key=key, VersionId=found)


def two_plans(pair: Pair, hyve: Hyve) -> tuple[list[str], list[Histories]]:
    """Plans of which the second continues what the first began, and the store's histories before each."""
    plans: list[str] = []
    before: list[Histories] = []
    for contents_of in ({"a": b"1", "b": b"1", "gone": b"1"}, {"a": b"2", "new": b"1"}):
        before.append(histories(pair.store))
        pair.source.put(contents_of)
        if plans:
            put_in_a_part(pair.source, "a", b"3")
            pair.source.delete("gone")
        plans.append(synced(hyve))
    return plans, before


def test_a_range_of_plans_is_undone_and_copied_again(make_pair: MakePair, version_endpoint: str, hyve: Hyve) -> None:
    pair = make_pair(endpoint_url=version_endpoint, versioned=True, versions="all", prefixes=("", "to/"))
    plans, before = two_plans(pair, hyve)
    undone = hyve("undo", "--since", plans[0], "--json")
    assert (undone.code, [step["state"] for step in undone.document["plans"]]) == (0, ["undone", "undone"]), undone
    assert [(step["restored"], step["skipped"]) for step in undone.document["plans"]] == [(3, 0), (3, 0)]
    assert histories(pair.store) == before[0] == {}
    # Later syncs copy again what the source has still; then the newest plan alone is undone.
    synced(hyve)
    source = contents(pair.source)
    assert contents(pair.store) == {f"to/{key}": history for key, history in source.items()}
    left = histories(pair.store)
    pair.source.put({"a": b"4"})
    newest = synced(hyve)
    said = hyve("undo", newest)
    assert (said.code, "the versions that it added are removed" in said.out) == (0, True), said
    assert histories(pair.store) == left


def test_what_is_not_the_plans_own_and_what_only_the_store_has_stays(
    make_pair: MakePair, version_endpoint: str, hyve: Hyve
) -> None:
    pair = make_pair(endpoint_url=version_endpoint, versioned=True, versions="all")
    keys = ["written later", "lost before", "only copy", "hidden", "fine"]
    pair.source.put(dict.fromkeys(keys, b"1"))
    synced(hyve)
    pair.source.put(dict.fromkeys(keys, b"2"))
    pair.source.put({"not ours": b"1"})
    pair.source.delete("hidden")
    assert hyve("dryrun").code == 0
    # As if another program had copied it: the plan finds it done.
    pair.store.put({"not ours": b"1"})
    plan = str(hyve("copy", "--json").document["plan"])
    pair.store.put({"written later": b"3"})
    remove(pair.store, "lost before", 0)
    remove(pair.source, "only copy", 1)
    before = contents(pair.store)
    undone = hyve("undo", plan, "--json")
    assert (undone.code, undone.document["restored"], undone.document["skipped"]) == (1, 2, 3)
    assert undone.document["reasons"] == {"ChangedSincePlan": 2, "OnlyCopy": 1}
    assert contents(pair.store) == before | {"fine": [b"1"], "hidden": [b"1"]}
    # What is done stays done.
    assert hyve("undo", plan, "--json").document["restored"] == 2


def test_an_undo_that_was_cut_short_goes_on(
    make_pair: MakePair, through: FaultyServer, version_endpoint: str, hyve: Hyve
) -> None:
    pair = make_pair(endpoint_url=version_endpoint, through=through, versioned=True, versions="all")
    pair.source.put({"a": b"1"})
    synced(hyve)
    before = histories(pair.store)
    for content in (b"2", b"3", b"4"):
        pair.source.put({"a": content})
    plan = synced(hyve)
    left = [1]

    def fault(received: Received) -> Answer | None:
        if received.method != "DELETE":
            return None
        left[0] -= 1
        return None if left[0] >= 0 else Answer(status=403)

    through.fault = fault
    cut_short = hyve("undo", plan, "--json")
    assert (cut_short.code, cut_short.document["failed"]) == (1, 1)
    # Newest first.
    assert contents(pair.store) == {"a": [b"1", b"2", b"3"]}
    through.fault = lambda _: None
    assert hyve("undo", plan).code == 0
    assert histories(pair.store) == before


_KEYS = ["a", "b é"]
_EDITS = st.lists(
    st.tuples(st.sampled_from(["put", "part", "delete"]), st.sampled_from(_KEYS), st.sampled_from(b"xy")), max_size=6
)


@settings(max_examples=4 * THOROUGHNESS, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=_EDITS, second=_EDITS, lost=st.integers(0, 8), of_theirs=st.booleans(), removed=st.booleans())
def test_only_what_the_journal_names_is_removed(
    make_place: MakePlace,
    version_endpoint: str,
    through: FaultyServer,
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[str, str, int]],
    second: list[tuple[str, str, int]],
    lost: int,
    of_theirs: bool,
    removed: bool,
) -> None:
    """Whatever happened before, each version that an undo removes was written by the plan, and is in the source."""
    through.fault = lambda _: None
    home: Path = tmp_path_factory.mktemp("home")
    pair = new_pair(make_place, home, endpoint_url=version_endpoint, through=through, versioned=True)
    context = pair.context(versions="all", patience_seconds=0, concurrency=1)
    _edit(pair.source, first)
    copied_plan(context)
    _edit(pair.source, second)
    plan = planned(context)
    writes = [0]

    def fault(received: Received) -> Answer | None:
        """The answer of one write is lost."""
        if received.method not in ("PUT", "DELETE") or not received.path.startswith(f"/{pair.store.name}/"):
            return None
        writes[0] += 1
        if writes[0] != lost:
            return None
        through.forward(received)
        return Answer(status=500)

    through.fault = fault
    apply(context, plan, "copy")
    through.fault = lambda _: None
    if of_theirs:
        pair.store.put({_KEYS[0]: b"theirs"})
    source = histories(pair.source)
    if removed and source.get(_KEYS[0]):
        remove(pair.source, _KEYS[0], -1)
    source_ids = {name for history in histories(pair.source).values() for name, _ in history}
    before = histories(pair.store)
    with suppress(RefusedError):
        undo_plan(context, plan, "a run")
    after = histories(pair.store)
    gone = [version for key, history in before.items() for version in history if version not in after.get(key, [])]
    written = {pair["store"]: pair["source"] for row in rows_of(context, plan).values() for pair in row.written or ()}
    for name, content in gone:
        assert name in written
        assert content is None or written[name] in source_ids
    for key, history in after.items():
        assert history == before[key][: len(history)]
    if not (lost or of_theirs or removed):
        assert len(gone) == len(written)
    counts["undone versions"] += len(gone)
    _settle(context, pair, is_disturbed=of_theirs or removed)


def _settle(context: Any, pair: Pair, *, is_disturbed: bool) -> None:
    """A sync after an undo copies again what was removed."""
    if not is_disturbed:
        copied_plan(context)
        assert contents(pair.store) == contents(pair.source)


def _edit(bucket: Bucket, edits: list[tuple[str, str, int]]) -> None:
    for kind, key, content in edits:
        if kind == "put":
            bucket.put({key: bytes([content])})
        elif kind == "part":
            put_in_a_part(bucket, key, bytes([content]))
        else:
            bucket.delete(key)
