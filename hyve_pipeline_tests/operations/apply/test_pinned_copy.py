"""Copies into a store that other programs write to: nothing that the plan has not seen is overwritten."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.undo import undo_plan
from hyve_pipeline_tests.conditions import ConditionalStore, operation_of
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import (
    CONTENT,
    apply,
    copied_plan,
    outcomes,
    planned,
    put_in_parts,
    rows_of,
)
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import MakePair, Pair, next_second

WAYS = pytest.mark.parametrize("way", ["stream", "server"])
KEEPS = pytest.mark.parametrize("keeps", [True, False])

SMALL, LARGE = b"planned", CONTENT[: 9 * MIB]
SKIPPED = ("skipped", "ChangedSincePlan")
DONE = ("done", None)


@pytest.fixture
def pair(faulty: FaultyServer, make_pair: MakePair) -> Pair:
    return make_pair(through=faulty)


@pytest.fixture
def aws(pair: Pair, faulty: FaultyServer) -> ConditionalStore:
    return ConditionalStore(faulty, pair.store.name)


def _context(pair: Pair, way: str, **options: Any) -> SyncContext:
    return pair.context(transfer=way, stream_memory=32 * MIB, multipart_threshold=8 * MIB, **options)


def _filled(pair: Pair, context: SyncContext) -> Plan:
    """Plan objects of each kind, in one request and in parts, new and modified."""
    pair.store.put({"old": b"old", "old large": b"old"})
    next_second()
    pair.source.put({"old": SMALL, "new": SMALL})
    for key in ("old large", "new large"):
        put_in_parts(pair.source, key, [5 * MIB, 4 * MIB])
    return planned(context)


# What another program puts under all keys of the plan.
THEIRS: dict[str, bytes] = dict.fromkeys(("old", "old large", "new", "new large"), b"theirs")


def _ignored(aws: ConditionalStore, *, keeps: bool) -> None:
    if not keeps:
        aws.keeps.clear()


@WAYS
@KEEPS
def test_what_another_program_wrote_after_the_plan_stays(
    pair: Pair, aws: ConditionalStore, way: str, keeps: bool
) -> None:
    _ignored(aws, keeps=keeps)
    context = _context(pair, way)
    plan = _filled(pair, context)
    pair.store.put(THEIRS)
    apply(context, plan, "copy")
    assert outcomes(context, plan) == dict.fromkeys(THEIRS, SKIPPED)
    assert pair.store.read() == THEIRS
    for row in rows_of(context, plan).values():
        assert row.detail is not None
        assert pair.store.name in row.detail
        assert "the store has an object with the ETag" in row.detail
    assert pair.store.client.list_multipart_uploads(Bucket=pair.store.name).get("Uploads", []) == []


@WAYS
def test_what_another_program_writes_in_the_last_moment_stays(pair: Pair, aws: ConditionalStore, way: str) -> None:
    """Between any look and the write: only the condition can hold this back."""
    context = _context(pair, way)
    plan = _filled(pair, context)

    def write(received: Received) -> None:
        if operation_of(received) == "CompleteMultipartUpload" or "large" not in received.path:
            pair.store.put({received.path.split("/", 2)[2].replace("%20", " "): b"theirs"})

    aws.before = write
    apply(context, plan, "copy")
    assert outcomes(context, plan) == dict.fromkeys(THEIRS, SKIPPED)
    assert pair.store.read() == THEIRS


@WAYS
@KEEPS
def test_an_object_that_was_deleted_in_the_store_is_changed_too(
    pair: Pair, aws: ConditionalStore, way: str, keeps: bool
) -> None:
    _ignored(aws, keeps=keeps)
    context = _context(pair, way)
    plan = _filled(pair, context)
    pair.store.delete("old", "old large")
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"old": SKIPPED, "old large": SKIPPED, "new": DONE, "new large": DONE}
    assert pair.store.keys() == ["new", "new large"]


@WAYS
@pytest.mark.parametrize("keep_parts", [True, False])
def test_a_lost_answer_is_no_change(pair: Pair, aws: ConditionalStore, way: str, keep_parts: bool) -> None:
    """The write is sent again, and refused because of the first."""
    context = _context(pair, way, keep_parts=keep_parts)
    plan = _filled(pair, context)
    aws.lost = 4
    apply(context, plan, "copy")
    assert {row.outcome.value for row in rows_of(context, plan).values()} == {"done"}
    assert pair.store.read() == pair.source.read()
    assert aws.lost == 0


def _done_and_denied(faulty: FaultyServer, aws: ConditionalStore) -> Callable[[Received], Answer | None]:
    """Each write is done, and its answer is a failure: as if the process were killed before the journal has it."""

    def fault(received: Received) -> Answer | None:
        answer = aws(received)
        is_done = answer is not None and answer.status == 200 and operation_of(received) is not None
        return error_answer(403, "AccessDenied") if is_done else answer

    return fault


@pytest.mark.parametrize(
    ("way", "keeps", "keep_parts", "pause"),
    # Any three of the four in each combination.
    [
        (way, keeps, keep_parts, pause)
        for way, keeps, keep_parts, pause in product(("stream", "server"), *[(True, False)] * 3)
        if [way == "stream", keeps, keep_parts, pause].count(True) % 2 == 0
    ],
)
def test_what_an_earlier_attempt_has_written_is_no_change(
    pair: Pair, faulty: FaultyServer, aws: ConditionalStore, way: str, keeps: bool, keep_parts: bool, pause: bool
) -> None:
    _ignored(aws, keeps=keeps)
    context = _context(pair, way, keep_parts=keep_parts)
    plan = _filled(pair, context)
    if pause:
        next_second()  # otherwise the times leave it in doubt
    faulty.fault = _done_and_denied(faulty, aws)
    apply(context, plan, "copy")
    assert {row.outcome.value for row in rows_of(context, plan).values()} == {"failed"}
    assert len(pair.store.keys()) == 4
    faulty.fault = aws
    apply(context, plan, "copy")
    assert {row.outcome.value for row in rows_of(context, plan).values()} == {"done"}
    assert pair.store.read() == pair.source.read()


@KEEPS
def test_other_bytes_than_were_sent_are_overwritten(
    pair: Pair, faulty: FaultyServer, aws: ConditionalStore, keeps: bool
) -> None:
    """Those that a server has stored without a check: by the same attempt, or by the next."""
    _ignored(aws, keeps=keeps)
    context = _context(pair, "stream")
    pair.source.put({"k": LARGE[: 2 * MIB]})
    plan = planned(context)

    def fault(received: Received) -> Answer | None:
        return aws(replace(received, body=b"!" + received.body[1:]) if operation_of(received) else received)

    faulty.fault = fault
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"k": ("failed", "InvalidResponse")}
    assert pair.store.listing()["k"][1] != pair.source.listing()["k"][1]
    faulty.fault = aws
    apply(context, plan, "copy")
    assert outcomes(context, plan) == {"k": DONE}
    assert pair.store.read() == pair.source.read()


@WAYS
def test_a_bucket_whose_policy_demands_conditions(make_pair: MakePair, faulty: FaultyServer, way: str) -> None:
    """Copies, the trash in the same bucket, repairs and an undo."""
    pair = make_pair(through=faulty, prefixes=("", "live/"))
    aws = ConditionalStore(faulty, pair.store.name, demands=True)
    trash = f"s3://{pair.store.name}/trash/"
    context = _context(pair, way, trash=trash, compare_properties=True, max_deletes="100%")
    pair.source.put({"drifted": SMALL})
    next_second()
    pair.store.put({"live/drifted": SMALL}, ContentType="text/other")
    pair.store.put({"live/old": b"old", "live/old large": b"old", "live/gone": b"gone", "trash/old": b"older"})
    before = {key: body for key, body in pair.store.read().items() if key.startswith("live/")}
    next_second()
    pair.source.put({"old": SMALL, "new": SMALL})
    for key in ("old large", "new large"):
        put_in_parts(pair.source, key, [5 * MIB, 4 * MIB])
    plan = planned(context)
    assert plan.count("drifted").objects == 1  # pyright: ignore[reportArgumentType]
    apply(context, plan, "copy", "delete")
    assert {row.outcome.value for row in rows_of(context, plan).values()} == {"done"}
    written = pair.store.read()
    assert {key[5:]: body for key, body in written.items() if key.startswith("live/")} == pair.source.read()
    assert {key: body for key, body in written.items() if key.startswith("trash/")} == {
        "trash/old": b"old",
        "trash/old large": b"old",
        "trash/gone": b"gone",
    }
    summary = undo_plan(context, plan, "an undo")
    assert (summary.failed, summary.restored) == (0, 3)
    assert pair.store.read().items() >= {key: body for key, body in before.items() if key != "live/drifted"}.items()
    # Nothing was refused but the first copies to the trash.
    refused = [path for _, path, _, status in aws.writes if status == 403]
    assert 0 < len(refused) == sum("/trash/" in path for path in refused)


def _overwritten(pair: Pair) -> tuple[SyncContext, Plan]:
    """An object that a plan has overwritten, and that is in the trash."""
    context = _context(pair, "server", trash=f"s3://{pair.source.name}-trash/")
    pair.source.client.create_bucket(Bucket=f"{pair.source.name}-trash")
    pair.store.put({"k": b"old"})
    next_second()
    pair.source.put({"k": SMALL})
    plan = copied_plan(context)
    return context, plan


def test_an_undo_does_not_overwrite_what_came_in_the_last_moment(pair: Pair, aws: ConditionalStore) -> None:
    context, plan = _overwritten(pair)
    aws.before = lambda _: pair.store.put({"k": b"theirs"})
    summary = undo_plan(context, plan, "an undo")
    assert summary.restored == 0
    assert pair.store.read() == {"k": b"theirs"}


def test_an_undo_whose_answer_is_lost_is_done(pair: Pair, aws: ConditionalStore) -> None:
    context, plan = _overwritten(pair)
    aws.lost = 1
    summary = undo_plan(context, plan, "an undo")
    assert (summary.restored, aws.lost) == (1, 0)
    assert pair.store.read() == {"k": b"old"}
