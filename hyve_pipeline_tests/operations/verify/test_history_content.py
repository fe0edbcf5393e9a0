"""Comparing the content of all versions: each with that of its place, by checksum or by reading both."""

import pytest

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline.state.parquet import ParquetReader
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.histories import histories, put_in_a_part
from hyve_pipeline_tests.operations.applying import copied_plan, planned
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import MakePair, Pair

pytestmark = pytest.mark.xdist_group("versions")


@pytest.fixture
def pair(make_pair: MakePair, through: FaultyServer, version_endpoint: str) -> Pair:
    pair = make_pair(endpoint_url=version_endpoint, through=through, versioned=True, prefixes=("in/", ""))
    for content in (b"one", b"two"):
        pair.source.put({"in/a": content, "in/b": content})
    put_in_a_part(pair.source, "in/a", b"three")
    pair.source.delete("in/b")
    pair.source.put({"in/b": b"four"})
    pair.source.delete("in/gone")
    return pair


@pytest.fixture
def copied(pair: Pair) -> tuple[SyncContext, Plan]:
    """A plan that is done."""
    context = pair.context(versions="all")
    plan = copied_plan(context)
    return context, plan


def test_each_version_is_compared(pair: Pair, copied: tuple[SyncContext, Plan], through: FaultyServer) -> None:
    context, plan = copied
    # What is newer than the plan does not count.
    pair.source.put({"in/a": b"later"})
    through.received.clear()
    verification = verify_plan(context, plan, content="100%")
    assert verification.verified
    found = verification.content
    assert found is not None
    assert (found.objects, found.bytes, found.skipped) == (6, 3 * 4 + 5 + 4, {})
    read = {
        (received.path.split("/")[1], received.query["versionId"])
        for received in through.received
        if received.method in ("GET", "HEAD") and "versionId" in received.query
    }
    wanted = {
        (bucket.name, name)
        for bucket in (pair.source, pair.store)
        for history in histories(bucket).values()
        for name, content in history
        if content not in (None, b"later")
    }
    assert read == wanted
    assert found.file is not None
    rows = [row for table in ParquetReader(context.state, found.file).tables() for row in table.to_pylist()]
    assert [(row["key"], row["place"]) for row in rows] == [
        ("a", None), ("a", 1), ("a", 2), ("a", 3), ("b", None), ("b", 1), ("b", 2), ("b", 4), ("gone", None),
    ]  # fmt: skip
    # What is remembered is of keys, not of versions.
    after = planned(context)
    assert {name: after.count(name).objects for name in (ChangeSet.MODIFIED, ChangeSet.UNCHANGED)} == {
        ChangeSet.MODIFIED: 1,
        ChangeSet.UNCHANGED: 2,
    }


def test_another_content_of_an_old_version_is_found(
    pair: Pair, copied: tuple[SyncContext, Plan], through: FaultyServer
) -> None:
    oldest = histories(pair.store)["b"][0][0]

    def fault(received: Received) -> Answer | None:
        """The servers keep no checksums, and one has damaged a version."""
        if "versionId" not in received.query:
            return None
        answer = through.forward(received)
        kept = {name: value for name, value in answer.headers.items() if "checksum" not in name.lower()}
        is_damaged = received.method == "GET" and received.query["versionId"] == oldest
        return Answer(b"ONE" if is_damaged else answer.body, answer.status, kept)

    through.fault = fault
    verification = verify_plan(*copied, content="100%")
    assert [(kind.value, key) for kind, key in verification.examples] == [("content", "b")]
    assert verification.content is not None
    # Of each pair both sides are read; after the damaged version no other one of its key.
    assert (verification.content.objects, verification.content.gets) == (4, 8)
    assert verification.objects == 2


def test_versions_that_were_removed_since_are_no_difference_of_content(
    pair: Pair, copied: tuple[SyncContext, Plan]
) -> None:
    context, plan = copied
    where = {"Bucket": pair.source.name, "Key": "in/b"}
    pair.source.client.delete_object(**where, VersionId=histories(pair.source)["in/b"][0][0])
    found = verify_plan(context, plan, content="100%").content
    assert found is not None
    assert (found.objects, found.skipped) == (3, {"changed since the plan": 1})
