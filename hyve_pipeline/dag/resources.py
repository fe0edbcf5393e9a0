"""What Dagster shows of a sync's configuration: buckets, profile names and options, never a key."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from hyve_pipeline.core.plan import Plan
from hyve_pipeline.core.settings import BucketSettings, Options, SyncSettings
from hyve_pipeline.dag.names import PLAN_TAG, Names
from hyve_pipeline.flow.context import Home, SyncContext
from hyve_pipeline.flow.plan import choose_plan


class BucketResource(dg.ConfigurableResource):
    """One bucket, and the name of the AWS profile that may use it."""

    bucket: str = Field(description="The bucket's name.")
    prefix: str = Field(default="", description="Only keys below this prefix count.")
    profile: str | None = Field(default=None, description="An AWS profile; without one, the default chain is used.")
    region: str | None = Field(default=None, description="The bucket's region.")
    endpoint_url: str | None = Field(default=None, description="An S3-compatible server; without one, AWS.")

    @classmethod
    def of(cls, place: BucketSettings) -> "BucketResource":
        """The resource for a place of the settings."""
        return cls(**place.model_dump())

    def place(self) -> BucketSettings:
        """The place that this resource stands for."""
        return BucketSettings(
            bucket=self.bucket,
            prefix=self.prefix,
            profile=self.profile,
            region=self.region,
            endpoint_url=self.endpoint_url,
        )


class SyncResource(dg.ConfigurableResource):
    """One sync: its two buckets and its options."""

    name: str = Field(description="The sync's name.")
    home: str = Field(description="The folder that holds all state.")
    source: BucketResource = Field(description="Where objects come from; never written.")
    store: BucketResource = Field(description="What becomes an exact copy.")
    options: dict[str, Any] = Field(description="How the sync compares, limits and does its work.")

    @classmethod
    def of(cls, home: Home, sync: SyncSettings) -> "SyncResource":
        """The resource for a sync of the settings."""
        return cls(
            name=sync.name,
            home=str(home.path),
            source=BucketResource.of(sync.source),
            store=BucketResource.of(sync.store),
            options=sync.options.model_dump(mode="json", exclude_none=True),
        )

    def context(self) -> SyncContext:
        """What the verbs need."""
        settings = SyncSettings(
            name=self.name,
            source=self.source.place(),
            store=self.store.place(),
            options=Options.model_validate_json(json.dumps(self.options)),
        )
        return SyncContext(Home(Path(self.home)), settings)


class PlanConfig(dg.Config):
    """Which plan a run is about."""

    plan: str | None = Field(default=None, description="The plan's id; without one, the newest plan.")


def plan_of_run(
    context: dg.OpExecutionContext | dg.AssetExecutionContext, names: Names, plan_id: str | None
) -> tuple[SyncContext, Plan]:
    """The sync of a run and the plan that the run is about, by default the newest; the run gets the plan's tag.

    Raises:
        ConfigurationError: there is no such plan, or it was made for other buckets than the configuration names now.
    """
    resource: SyncResource = getattr(context.resources, names.resource)
    sync = resource.context()
    plan = choose_plan(sync, plan_id)
    context.instance.add_run_tags(context.run.run_id, {PLAN_TAG: plan.id})
    return sync, plan
