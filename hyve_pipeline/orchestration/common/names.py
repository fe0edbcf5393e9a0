"""Every name that Dagster sees, in one place. All carry the sync's name, so that several live in one project."""

from collections.abc import Mapping

import dagster as dg

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action

# Tags of runs that are shown.
PLAN_TAG = "hyve/plan"
SYNC_TAG = "hyve/sync"
ATTEMPT_TAG = "hyve/attempt"
GIVEN_UP_TAG = "hyve/given_up"

# The UI hides tags that begin like this one; the other is that of runs of versions which showed it.
HOME_TAG = ".dagster/hyve_home"
HOME_TAG_BEFORE = "hyve/home"

# Dagster's own: the partition of a run, and how often the instance's settings retry a failed run.
PARTITION_TAG = "dagster/partition"
RETRIES_TAG = "dagster/max_retries"

LOCATION = "hyve_pipeline"


class Names:
    """The names of one sync's definitions.

    Args:
        sync: the sync's name.
        home: the id of its home: two homes on one instance may each have a sync of the same name.
        keys: the keys of assets that a component translates, by their default keys.
        ops: the first part of the names of all ops; by default the sync's name.

    Attributes:
        tags: the tags of the sync's runs, by which they are found.
        job_tags: the tags of its jobs. Dagster never retries a failed run, whatever its instance's settings are: it
            would repeat what was refused. The apply sensor retries shards.
        plan, verification, journal: the keys of these assets.
        dryrun_job, verify_job: the asset jobs.
        undo_job, restore_job, retention_job, events_job: the op jobs without partitions.
        applying_jobs: the jobs that apply a plan, in their order.
        store_shard_set, store_shards: the partitions of the asset `store`, by name and as a definition: the shards of
            both actions.
        partition_sets: the names of all sets of partitions.
        resource: the resource that holds the sync's settings.
        io_manager: the IO manager of the sync's tables.
        schedule: the schedule that launches dryruns.
        apply_sensor, alert_sensor, record_sensor, retention_sensor, events_sensor: the sensors.
    """

    def __init__(
        self, sync: str, home: str, keys: Mapping[dg.AssetKey, dg.AssetKey] | None = None, ops: str | None = None
    ) -> None:
        self.sync = sync
        self.home = home
        self._keys = keys or {}
        self._ops = ops or sync
        self.tags = {SYNC_TAG: sync, HOME_TAG: home}
        self.job_tags = {**self.tags, RETRIES_TAG: "0"}
        self.plan = self.asset("plan")
        self.verification = self.asset("verification")
        self.journal = self.asset("journal")
        self.dryrun_job = f"{sync}_dryrun"
        self.verify_job = f"{sync}_verify"
        self.undo_job = f"{sync}_undo"
        self.restore_job = f"{sync}_restore"
        self.retention_job = f"{sync}_retention"
        self.events_job = f"{sync}_events"
        self.applying_jobs = [*map(self.shard_job, ACTIONS), self.verify_job]
        # Not `SYNC_shards`: a sync `images_copy` would share it with the copy job of a sync `images`.
        self.store_shard_set = f"{sync}_store_shards_{home}"
        self.store_shards = dg.DynamicPartitionsDefinition(name=self.store_shard_set)
        self.partition_sets = [*map(self.shard_set, ACTIONS), self.store_shard_set]
        self.resource = f"{sync}_sync"
        self.io_manager = f"{sync}_parquet"
        self.schedule = f"{sync}_dryrun_schedule"
        self.apply_sensor = f"{sync}_apply_sensor"
        self.alert_sensor = f"{sync}_alert_sensor"
        self.record_sensor = f"{sync}_record_sensor"
        self.retention_sensor = f"{sync}_retention_sensor"
        self.events_sensor = f"{sync}_events_sensor"

    def asset(self, name: str) -> dg.AssetKey:
        """The key of one of the sync's assets, by default its name after the sync's."""
        key = dg.AssetKey([self.sync, name])
        return self._keys.get(key, key)

    def op(self, step: str) -> str:
        """The name of the op of a step; the two that do shards have `shard` in it."""
        return f"{self._ops}_{step}{'_shard' if step in ACTIONS else ''}"

    def bucket(self, side: Side) -> dg.AssetKey:
        """The external asset that stands for a bucket."""
        return self.asset(side)

    def inventory(self, side: Side) -> dg.AssetKey:
        """The inventory of a bucket."""
        return self.asset(f"{side}_inventory")

    def change_set(self, name: ChangeSet) -> dg.AssetKey:
        """One of the sets in which the buckets differ, named like its list."""
        return self.asset("duplicate_stores" if name is ChangeSet.DUPLICATE else name.value)

    def shard_job(self, action: Action) -> str:
        """The op job that does shards of one action."""
        return f"{self.sync}_{action}"

    def shard_set(self, action: Action) -> str:
        """The name of the partitions of the op job of one action: its shards, of all plans."""
        return f"{self.sync}_{action}_shards_{self.home}"
