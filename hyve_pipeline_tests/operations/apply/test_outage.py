"""A server that is lost in the middle of a shard is noticed, and not tried once more for each object that is left."""

from itertools import count

import pytest

from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.operations.apply.loop import apply_plan
from hyve_pipeline.operations.apply.shard import apply_shard
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import is_copy_of, outcomes, planned
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import MakePair

_JUNK = Answer(b"<html>welcome to this network</html>")


@pytest.mark.parametrize(
    ("answer", "code"),
    [(_JUNK, "InvalidResponse"), (Answer(hang_up=True), "ConnectionError")],
    ids=["junk", "no answer"],
)
def test_a_lost_server_ends_the_work(answer: Answer, code: str, make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number:03d}": b"1" for number in range(60)})
    context = pair.context(concurrency=4, shard_objects=30, processes=1)
    plan = planned(context)
    copies = count(1)
    lost: list[bool] = []

    def turn(received: Received) -> Answer | None:
        if is_copy_of(received, "") and next(copies) > 6:
            lost.append(True)
        return answer if lost else None

    faulty.fault = turn
    with pytest.raises(BucketError, match=f"^s3://{pair.source.name}/: "):
        apply_plan(context, plan, "copy")
    ended = outcomes(context, plan)
    # The second shard was not begun.
    assert ended.keys() == {f"{number:03d}" for number in range(30)}
    failed = [code for outcome, code in ended.values() if outcome == "failed"]
    assert set(failed) == {code, "NotTried"}
    assert failed.count(code) < 20
    assert failed.count("NotTried") > 5

    faulty.fault = lambda _: None
    assert apply_plan(context, plan, "copy").tally("copy").done == 60
    assert pair.store.read() == pair.source.read()


def test_objects_that_fail_for_reasons_of_their_own_do_not_end_it(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({f"{number:03d}": b"1" for number in range(40)})
    context = pair.context(concurrency=4)
    plan = planned(context)
    bad = tuple(f"/{number:03d}" for number in range(30))
    faulty.fault = lambda received: error_answer(403, "AccessDenied") if is_copy_of(received, *bad) else None
    summary = apply_shard(context, plan, plan.shards[0], "a run")
    assert (summary.tally.done, summary.tally.failed, summary.failures) == (10, 30, {"AccessDenied": 30})
