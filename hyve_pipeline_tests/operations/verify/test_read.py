"""Which verification counts, and whether it is still true, whatever clocks said."""

from datetime import UTC, datetime, timedelta

import pytest

from hyve_pipeline.operations.apply.shard import apply_shard
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.verify.read import is_verified, latest_verification
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline_tests.operations.applying import planned
from hyve_pipeline_tests.syncs import Pair


@pytest.mark.parametrize("days", [-9, 0, 9])
def test_a_verification_counts_until_something_more_is_done(pair: Pair, days: int) -> None:
    context = pair.context(shard_objects=1)
    pair.source.put({"a": b"1", "b": b"2"})
    plan = planned(context)
    apply_shard(context, plan, plan.shards[0], "a run")
    assert not is_verified(context, plan_status(context, plan))
    verification = verify_plan(context, plan)
    # As a clock would have it that was so far off.
    moved = verification.model_copy(update={"ended": datetime.now(UTC) + timedelta(days=days)})
    name = verification.file.rpartition("/")[2].replace(".parquet", ".json")
    context.state.write_manifest(f"verifications/{plan.id}/{name}", moved)
    assert latest_verification(context, plan) == moved
    assert is_verified(context, plan_status(context, plan))
    apply_shard(context, plan, plan.shards[1], "a run")
    assert not is_verified(context, plan_status(context, plan))
