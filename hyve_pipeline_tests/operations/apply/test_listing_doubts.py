"""Objects that are not as the source lists them: changed since the plan, or listed wrongly."""

import re

import pytest

from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import apply, copied_plan, planned, rows_of
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import MakePair, Pair

_KEYS = ("a", "b c", "d")


@pytest.fixture
def pair(faulty: FaultyServer, make_pair: MakePair) -> Pair:
    found = make_pair(through=faulty)
    found.source.put(dict.fromkeys(_KEYS, b"content"))
    return found


def _is_of(pair: Pair, received: Received) -> bool:
    return received.path.startswith(f"/{pair.source.name}") or received.headers.get("x-amz-copy-source", "").lstrip(
        "/"
    ).startswith(pair.source.name)


def _lists_other_etags(pair: Pair, faulty: FaultyServer) -> None:
    """Let the source list ETags that no object of it has."""

    def fault(received: Received) -> Answer | None:
        if "list-type" not in received.query or not _is_of(pair, received):
            return None
        return Answer(re.sub(rb"<ETag>[^<]*", b"<ETag>0123456789abcdef", faulty.forward(received).body))

    faulty.fault = fault


@pytest.mark.parametrize("way", ["stream", "server"])
def test_other_etags_in_the_listing_are_said(pair: Pair, faulty: FaultyServer, way: str) -> None:
    _lists_other_etags(pair, faulty)
    context = pair.context(transfer=way)
    plan = copied_plan(context)
    status = plan_status(context, plan)
    assert status.reasons() == {"ChangedSincePlan": len(_KEYS)}
    assert [lack.described for lack in status.lacks if not lack.is_minor] == [
        f"s3://{pair.source.name}: the server lists other ETags than its objects have: they are skipped as changed, by "
        "every plan anew, until its listing is mended, or endpoint_url names the server itself where a proxy is "
        "between"
    ]
    details = {row.detail or "" for row in rows_of(context, plan).values()}
    assert all(
        "; the server still lists the key with the ETag '0123456789abcdef', and has an object with the ETag '9a0364b9"
        in detail
        for detail in details
    )


def test_keys_that_have_no_object_are_said(pair: Pair, faulty: FaultyServer) -> None:
    def fault(received: Received) -> Answer | None:
        is_read = _is_of(pair, received) and received.path.endswith("/d")
        return error_answer(404, "NoSuchKey") if is_read else None

    faulty.fault = fault
    context = pair.context(transfer="stream")
    plan = copied_plan(context)
    status = plan_status(context, plan)
    assert (status.tally("copy").done, status.reasons()) == (2, {"ChangedSincePlan": 1})
    assert [lack.lack for lack in status.lacks if not lack.is_minor] == ["has no object for keys that it lists"]
    assert (rows_of(context, plan)["d"].detail or "").endswith("and has no object")


def test_what_has_really_changed_is_no_fault_of_the_listing(pair: Pair) -> None:
    context = pair.context(transfer="stream")
    plan = planned(context)
    pair.source.put({"a": b"other content"})
    pair.source.client.delete_object(Bucket=pair.source.name, Key="d")
    apply(context, plan, "copy")
    status = plan_status(context, plan)
    assert (status.tally("copy").done, status.reasons()) == (1, {"ChangedSincePlan": 2})
    assert [lack for lack in status.lacks if not lack.is_minor] == []
