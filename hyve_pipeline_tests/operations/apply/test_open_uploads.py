"""Uploads in parts that were cut short: gone on with, or aborted, and never forgotten."""

from dataclasses import replace
from typing import Any

import pytest

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.state.uploads import uploads_left_by_others
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import apply, copied_plan, outcomes, planned, put_in_parts
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import MakePair, Pair, next_second

PARTS = 4
BODY = bytes(range(256)) * (PARTS * 5 * MIB // 256)
IN_PARTS: dict[str, Any] = {"multipart_threshold": 5 * MIB, "multipart_part_size": 5 * MIB}


@pytest.fixture
def pair(faulty: FaultyServer, make_pair: MakePair) -> Pair:
    pair = make_pair(through=faulty)
    pair.source.put({"large": BODY})
    return pair


def open_uploads(pair: Pair) -> list[str]:
    return [
        entry["Key"] for entry in pair.store.client.list_multipart_uploads(Bucket=pair.store.name).get("Uploads", [])
    ]


def sent_parts(received: list[Received]) -> list[str]:
    return [one.query["partNumber"] for one in received if one.method == "PUT" and "partNumber" in one.query]


def fail_part(faulty: FaultyServer, number: str, answer: Answer) -> None:
    def fault(received: Received) -> Answer | None:
        is_part = received.method == "PUT" and received.query.get("partNumber") == number
        return answer if is_part else None

    faulty.fault = fault


def cut_short(faulty: FaultyServer, context: SyncContext) -> Plan:
    """An attempt whose third part does not come, for a reason that passes."""
    plan = planned(context)
    fail_part(faulty, "3", error_answer(500, "InternalError"))
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"large": ("failed", "InternalError")}
    faulty.fault = lambda _: None
    faulty.received.clear()
    return plan


@pytest.mark.parametrize("transfer", ["server", "stream"])
@pytest.mark.both_states
def test_the_next_attempt_goes_on_with_the_parts_that_are_there(
    pair: Pair, faulty: FaultyServer, transfer: str
) -> None:
    if transfer == "stream":
        put_in_parts(pair.source, "large", [5 * MIB] * PARTS)
    context = pair.context(transfer=transfer, **IN_PARTS)
    plan = cut_short(faulty, context)
    assert open_uploads(pair) == ["large"]
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"large": ("done", None)}
    assert sent_parts(faulty.received) == ["3"]
    assert pair.store.read() == pair.source.read()
    assert open_uploads(pair) == []
    assert list(uploads_left_by_others(context.state, "")) == []


def test_a_whole_whose_md5_must_be_computed_is_sent_again(pair: Pair, faulty: FaultyServer) -> None:
    # 70 MiB of one PUT: only its MD5 proves what was read, and that takes every byte.
    pair.source.put({"large": b"x" * (70 * MIB)})
    context = pair.context(transfer="stream")
    plan = cut_short(faulty, context)
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"large": ("done", None)}
    assert sorted(sent_parts(faulty.received)) == ["1", "2", "3", "4", "5"]
    assert pair.store.read() == pair.source.read()
    assert open_uploads(pair) == []


def test_what_can_never_work_is_aborted_at_once(pair: Pair, faulty: FaultyServer) -> None:
    context = pair.context(**IN_PARTS)
    plan = planned(context)
    fail_part(faulty, "3", error_answer(403, "AccessDenied"))
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"large": ("failed", "AccessDenied")}
    assert open_uploads(pair) == []


def test_an_upload_of_an_object_that_changed_is_aborted(pair: Pair, faulty: FaultyServer) -> None:
    context = pair.context(**IN_PARTS)
    plan = cut_short(faulty, context)
    pair.source.put({"large": BODY[::-1]})
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"large": ("skipped", "ChangedSincePlan")}
    assert open_uploads(pair) == []


@pytest.mark.both_states
def test_the_next_plan_aborts_what_the_last_one_left(pair: Pair, faulty: FaultyServer) -> None:
    context = pair.context(**IN_PARTS)
    cut_short(faulty, context)
    pair.source.delete("large")
    pair.source.put({"other": b"x"})
    next_second()
    newer = copied_plan(context)
    assert outcomes(context, newer) == {"other": ("done", None)}
    assert open_uploads(pair) == []
    assert list(uploads_left_by_others(context.state, newer.id)) == []


@pytest.mark.parametrize("by_whom", ["somebody", "nobody"])
def test_an_upload_that_is_gone_is_begun_anew(pair: Pair, faulty: FaultyServer, by_whom: str) -> None:
    context = pair.context(**IN_PARTS)
    plan = cut_short(faulty, context)
    if by_whom == "somebody":
        (upload,) = pair.store.client.list_multipart_uploads(Bucket=pair.store.name)["Uploads"]
        pair.store.client.abort_multipart_upload(Bucket=pair.store.name, Key="large", UploadId=upload["UploadId"])
    else:
        faulty.fault = lambda received: (
            error_answer(404, "NoSuchUpload") if received.method == "GET" and "uploadId" in received.query else None
        )
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"large": ("done", None)}
    assert sorted(sent_parts(faulty.received)) == ["1", "2", "3", "4"]
    assert pair.store.read() == pair.source.read()


def test_parts_of_two_objects_are_never_made_one(pair: Pair, faulty: FaultyServer) -> None:
    """Some servers do not know the condition that each part is pinned by."""
    context = pair.context(**IN_PARTS)
    plan = planned(context)
    others: list[bytes] = [BODY[::-1]]

    def fault(received: Received) -> Answer | None:
        if "partNumber" not in received.query:
            return None
        headers = {name: value for name, value in received.headers.items() if name != "x-amz-copy-source-if-match"}
        answer = faulty.forward(replace(received, headers=headers))
        if others:
            pair.source.put({"large": others.pop()})
        return answer

    faulty.fault = fault
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"large": ("skipped", "ChangedSincePlan")}
    assert pair.store.keys() == open_uploads(pair) == []


def test_an_upload_whose_last_answer_was_lost_is_done(pair: Pair, faulty: FaultyServer) -> None:
    """The server knows nothing of it any more when it is asked again."""
    lost: list[Answer] = []

    def fault(received: Received) -> Answer | None:
        if received.method != "POST" or "uploadId" not in received.query:
            return None
        if lost:
            return error_answer(404, "NoSuchUpload")
        lost.append(faulty.forward(received))
        return Answer(hang_up=True)

    faulty.fault = fault
    context = pair.context(**IN_PARTS)
    plan = copied_plan(context)
    assert outcomes(context, plan) == {"large": ("done", None)}
    assert pair.store.read() == pair.source.read()
    assert lost
