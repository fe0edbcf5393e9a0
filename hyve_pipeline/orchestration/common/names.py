"""Every name that Dagster sees, in one place. All carry the sync's name, so that several live in one project."""

from dataclasses import dataclass

import dagster as dg

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action

# Tags of runs.
PLAN_TAG = "hyve/plan"
SYNC_TAG = "hyve/sync"
HOME_TAG = "hyve/home"
HOST_TAG = "hyve/host"
ATTEMPT_TAG = "hyve/attempt"
GIVEN_UP_TAG = "hyve/given_up"

# Dagster's own: the partition of a run, and how often the instance's settings retry a failed run.
PARTITION_TAG = "dagster/partition"
RETRIES_TAG = "dagster/max_retries"

LOCATION = "hyve_pipeline"
DEFINITIONS_MODULE = "hyve_pipeline.definitions"


@dataclass(frozen=True)
class Names:
    """The names of one sync's definitions.

    Attributes:
        sync: the sync's name.
        home: the id of its home: two homes on one instance may each have a sync of the same name.
    """

    sync: str
    home: str

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the sync's runs, by which they are found."""
        return {SYNC_TAG: self.sync, HOME_TAG: self.home}

    @property
    def job_tags(self) -> dict[str, str]:
        """The tags of the sync's jobs.

        Dagster never retries a failed run, whatever its instance's settings are: it would repeat what was
        refused. The apply sensor retries shards.
        """
        return {**self.tags, RETRIES_TAG: "0"}

    def asset(self, name: str) -> dg.AssetKey:
        """The key of one of the sync's assets, prefixed with the sync's name."""
        return dg.AssetKey([self.sync, name])

    def bucket(self, side: Side) -> dg.AssetKey:
        """The external asset that stands for a bucket."""
        return self.asset(side)

    def inventory(self, side: Side) -> dg.AssetKey:
        """The inventory of a bucket."""
        return self.asset(f"{side}_inventory")

    def change_set(self, name: ChangeSet) -> dg.AssetKey:
        """One of the sets in which the buckets differ, named like its list."""
        return self.asset("duplicate_stores" if name is ChangeSet.DUPLICATE else name.value)

    @property
    def plan(self) -> dg.AssetKey:
        """The plan."""
        return self.asset("plan")

    @property
    def verification(self) -> dg.AssetKey:
        """The comparison of the store with the plan."""
        return self.asset("verification")

    @property
    def journal(self) -> dg.AssetKey:
        """What happened to each object of a plan."""
        return self.asset("journal")

    @property
    def dryrun_job(self) -> str:
        """The asset job that makes a plan."""
        return f"{self.sync}_dryrun"

    @property
    def verify_job(self) -> str:
        """The asset job that verifies a plan."""
        return f"{self.sync}_verify"

    def shard_job(self, action: Action) -> str:
        """The op job that does one shard."""
        return f"{self.sync}_{action}"

    @property
    def applying_jobs(self) -> list[str]:
        """The jobs that apply a plan, in their order."""
        return [*map(self.shard_job, ACTIONS), self.verify_job]

    def job_shards(self, action: Action) -> dg.DynamicPartitionsDefinition:
        """The partitions of the op job of one action: its shards, of all plans."""
        return dg.DynamicPartitionsDefinition(name=self.shard_set(action))

    def shard_set(self, action: Action) -> str:
        """The name of this set of partitions."""
        return f"{self.sync}_{action}_shards_{self.home}"

    @property
    def store_shards(self) -> dg.DynamicPartitionsDefinition:
        """The partitions of the asset `store`: the shards of both actions."""
        return dg.DynamicPartitionsDefinition(name=self.store_shard_set)

    @property
    def store_shard_set(self) -> str:
        """The name of this set of partitions."""
        # Not `SYNC_shards`: a sync `images_copy` would share it with the copy job of a sync `images`.
        return f"{self.sync}_store_shards_{self.home}"

    @property
    def partition_sets(self) -> list[str]:
        """The names of all sets of partitions."""
        return [*map(self.shard_set, ACTIONS), self.store_shard_set]

    @property
    def resource(self) -> str:
        """The resource that holds the sync's settings."""
        return f"{self.sync}_sync"

    @property
    def undo_job(self) -> str:
        """The op job that undoes a plan."""
        return f"{self.sync}_undo"

    @property
    def io_manager(self) -> str:
        """The IO manager of the sync's tables."""
        return f"{self.sync}_parquet"

    @property
    def schedule(self) -> str:
        """The schedule that takes dryruns."""
        return f"{self.sync}_dryrun_schedule"

    @property
    def apply_sensor(self) -> str:
        """The sensor that applies plans."""
        return f"{self.sync}_apply_sensor"

    @property
    def alert_sensor(self) -> str:
        """The sensor that sends alerts about refusals and failures."""
        return f"{self.sync}_alert_sensor"

    @property
    def record_sensor(self) -> str:
        """The sensor that reports what was done outside of Dagster."""
        return f"{self.sync}_record_sensor"

    @property
    def retention_sensor(self) -> str:
        """The sensor that requests the run that drops old plans."""
        return f"{self.sync}_retention_sensor"

    @property
    def retention_job(self) -> str:
        """The op job that drops old plans."""
        return f"{self.sync}_retention"
