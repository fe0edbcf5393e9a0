"""Adds the shards of a plan to Dagster's dynamic partitions, and finds those to delete."""

from collections.abc import Collection, Iterator, Sequence

import dagster as dg

from hyve_pipeline.core.model.plan import Plan, plan_of_partition
from hyve_pipeline.core.model.safety_rules import ACTIONS, Refusal
from hyve_pipeline.orchestration.common.names import Names

# Dagster puts all keys of a call into one SQL statement, and a database limits the number of its parameters:
# https://github.com/dagster-io/dagster/issues/16260
_KEYS_AT_ONCE = 1_000


def register_shards(instance: dg.DagsterInstance, names: Names, plan: Plan, refusals: Collection[Refusal]) -> None:
    """Add a plan's shards to the partitions of the two jobs and of the store.

    Only shards that the safety rules allow become partitions, so that refused ones can't be launched.
    """
    for partitions, keys in shards_to_register(names, plan, refusals):
        instance.add_dynamic_partitions(partitions, keys)


def shards_to_register(names: Names, plan: Plan, refusals: Collection[Refusal]) -> Iterator[tuple[str, Sequence[str]]]:
    """Names of partition sets, each with keys to add to it, in chunks that Dagster accepts."""
    refused = {refusal.action for refusal in refusals}
    for action in ACTIONS:
        keys = [] if action in refused else plan.partition_keys(action)
        for partitions in (names.shard_set(action), names.store_shard_set):
            for start in range(0, len(keys), _KEYS_AT_ONCE):
                yield partitions, keys[start : start + _KEYS_AT_ONCE]


def lost_shards(instance: dg.DagsterInstance, names: Names, kept: Collection[str]) -> dict[str, list[str]]:
    """The keys in each of the sync's partition sets that belong to no plan with one of these ids."""
    return {
        partitions: [key for key in instance.get_dynamic_partitions(partitions) if plan_of_partition(key) not in kept]
        for partitions in names.partition_sets
    }
