"""Adds the shards of a plan to Dagster's dynamic partitions, and finds those to delete.

An asset without partitions is shown as if all of them were materialized: the store would look copied before anything
ever ran. Therefore its partitions have a placeholder until the first plan, which stays missing.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

import dagster as dg

from hyve_pipeline.core.model.plan import Plan, plan_of_partition
from hyve_pipeline.core.model.safety_rules import ACTIONS, Refusal
from hyve_pipeline.orchestration.common.names import Names

# Dagster puts all keys of a call into one SQL statement, and a database limits the number of its parameters:
# https://github.com/dagster-io/dagster/issues/16260
_KEYS_AT_ONCE = 1_000

# The partition of the store that stands for those of the first plan.
PLACEHOLDER = "no-plan-yet"


def register_shards(instance: dg.DagsterInstance, names: Names, plan: Plan, refusals: Collection[Refusal]) -> None:
    """Add a plan's shards to the partitions of the two jobs and of the store.

    Only shards that the safety rules allow become partitions, so that refused ones can't be launched.
    """
    for partitions, keys in shards_to_register(names, plan, refusals):
        instance.add_dynamic_partitions(partitions, keys)
    apply_changes(instance, placeholder_change(instance, names, plan))


PartitionsChange = dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest


def placeholder_change(instance: dg.DagsterInstance, names: Names, newest: Plan | None) -> list[PartitionsChange]:
    """What to do for the store to have its placeholder exactly as long as nothing ran.

    Args:
        instance: the instance.
        names: the sync's names.
        newest: the sync's newest plan; None if there is none yet.
    """
    partitions = names.store_shard_set
    is_there = instance.has_dynamic_partition(partitions, PLACEHOLDER)
    if newest is None:
        # Those of dropped plans are deleted only after these.
        is_needed = is_there or not instance.get_dynamic_partitions(partitions)
    else:
        # A refused plan has objects to copy or delete, but no partitions until it is accepted.
        is_needed = is_there and not newest.is_empty and instance.get_dynamic_partitions(partitions) == [PLACEHOLDER]
    if is_needed == is_there:
        return []
    request = dg.AddDynamicPartitionsRequest if is_needed else dg.DeleteDynamicPartitionsRequest
    return [request(partitions, [PLACEHOLDER])]


def apply_changes(instance: dg.DagsterInstance, changes: Iterable[PartitionsChange]) -> None:
    """Do what a sensor would ask its daemon to do."""
    for change in changes:
        if isinstance(change, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions(change.partitions_def_name, change.partition_keys)
            continue
        for key in change.partition_keys:
            instance.delete_dynamic_partition(change.partitions_def_name, key)


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
        partitions: [
            key
            for key in instance.get_dynamic_partitions(partitions)
            if key != PLACEHOLDER and plan_of_partition(key) not in kept
        ]
        for partitions in names.partition_sets
    }
