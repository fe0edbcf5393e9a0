"""Makes the shards of a plan known to Dagster."""

from collections.abc import Collection

import dagster as dg

from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import ACTIONS, Refusal
from hyve_pipeline.orchestration.common.names import Names


def register_shards(instance: dg.DagsterInstance, names: Names, plan: Plan, refusals: Collection[Refusal]) -> None:
    """Add a plan's shards to the partitions of the two jobs and of the store.

    Only what the safety rules allow becomes a partition: what they refuse can't even be launched.
    """
    refused = {refusal.action for refusal in refusals}
    for action in ACTIONS:
        keys = plan.partition_keys(action)
        if keys and action not in refused:
            for partitions in (names.shard_set(action), names.store_shard_set):
                instance.add_dynamic_partitions(partitions, keys)
