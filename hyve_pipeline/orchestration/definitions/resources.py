"""What Dagster shows of a sync's configuration: buckets, profile names and options, never a key."""

import json
import socket
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.settings.mapping import MappingRule
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import SETTINGS_ORIGIN, BucketSettings, Place
from hyve_pipeline.operations.context import Home, RunSign, SyncContext
from hyve_pipeline.operations.plan.freeze import choose_plan
from hyve_pipeline.orchestration.common.failures import as_failure
from hyve_pipeline.orchestration.common.io_manager import shown_values
from hyve_pipeline.orchestration.common.names import PLAN_TAG, Names
from hyve_pipeline.orchestration.definitions.s3_resource import Borrowed, complete_sync


class BucketResource(dg.ConfigurableResource):
    """One bucket, and the name of the AWS profile that may use it."""

    bucket: str = Field(description="The bucket's name.")
    prefix: str = Field(default="", description="Only keys below this prefix count.")
    profile: str | None = Field(default=None, description="An AWS profile; without one, the default chain is used.")
    role_arn: str | None = Field(default=None, description="A role that is assumed with these credentials.")
    external_id: str | None = Field(default=None, description="What the role's trust policy requires besides.")
    anonymous: bool = Field(default=False, description="Requests are not signed.")
    region: str | None = Field(default=None, description="The bucket's region.")
    endpoint_url: str | None = Field(
        default=None,
        description="An S3-compatible server; without one, that of the environment or the profile.",
    )
    resource: str | None = Field(
        default=None, description="The key of the S3Resource that has the credentials, and all that is not set here."
    )
    requester_pays: bool = Field(default=False, description="The requester pays for requests to the bucket.")
    accelerate: bool = Field(default=False, description="Requests go to AWS's endpoint for Transfer Acceleration.")
    dual_stack: bool = Field(default=False, description="Requests go to AWS's endpoint for IPv6 and IPv4.")
    addressing_style: str = Field(default="auto", description="Where in the URL the bucket is: auto, path or virtual.")
    inventory: str | None = Field(default=None, description="The reports of S3 Inventory that are read, not listed.")

    @classmethod
    def of(cls, place: BucketSettings) -> "BucketResource":
        """The resource for a place of the settings."""
        values = place.model_dump(include=set(cls.model_fields))
        if isinstance(place, Place) and place.endpoint_origin != SETTINGS_ORIGIN:
            values["endpoint_url"] = None  # a run reads its own environment
        return cls(**values)

    def place(self) -> BucketSettings:
        """The place that this resource stands for."""
        return BucketSettings.model_validate({name: getattr(self, name) for name in BucketSettings.model_fields})


class SyncResource(dg.ConfigurableResource):
    """One sync: its two buckets and its options."""

    name: str = Field(description="The sync's name.")
    home: str = Field(description="The folder that holds all state.")
    source: BucketResource = Field(description="Where objects come from; never written.")
    store: BucketResource = Field(description="What becomes an exact copy.")
    options: dict[str, Any] = Field(description="How the sync compares, limits and does its work.")
    mapping: list[dict[str, Any]] = Field(default=[], description="The rules by which keys get other names.")

    # The values of the resources that source and store name; they are known only in a run.
    _borrowed: dict[str, Borrowed] = PrivateAttr(default_factory=dict)
    _definition: dg.ResourceDefinition | None = PrivateAttr(default=None)
    _run_id: str | None = PrivateAttr(default=None)

    # Kept as long as the run is in progress in this process.
    _sign: RunSign | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, home: Home, sync: SyncSettings) -> "SyncResource":
        """The resource for a sync of the settings."""
        return cls(
            name=sync.name,
            home=str(home.path),
            source=BucketResource.of(sync.source),
            store=BucketResource.of(sync.store),
            options=sync.options.model_dump(mode="json", exclude_none=True),
            mapping=[rule.model_dump(mode="json") for rule in sync.mapping],
        )

    def get_resource_definition(self) -> Any:
        """The definition: no run can set any of it, and the resources come first that source and store name."""
        if self._definition is None:
            open_to_runs = super().get_resource_definition()
            self._definition = dg.ResourceDefinition(
                resource_fn=open_to_runs.resource_fn,
                config_schema={},
                description=f"{type(self).__doc__}\n\n{shown_values(self.model_dump(mode='json', exclude_none=True))}",
                required_resource_keys=open_to_runs.required_resource_keys | self._lenders,
            )
        # Dagster requires the same object each time.
        return self._definition

    @property
    def _lenders(self) -> frozenset[str]:
        return frozenset(side.resource for side in (self.source, self.store) if side.resource is not None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Read the values that the run needs from the other resources, and start its sign of life.

        Raises:
            dg.Failure: one of them can't be used, or the state can't be written.
        """
        self._run_id = None if context.run is None else context.run.run_id
        # The resources themselves, not the objects that ops get: for an `S3Resource` that is a client.
        resources = context.resources.original_resource_dict if self._lenders else {}
        with as_failure():
            self._borrowed = {key: Borrowed.of(key, resources[key]) for key in self._lenders}
            if context.run is not None and context.instance is not None:
                self._begin_sign(context.run, context.instance)
        if context.log is not None:
            context.log.info("sync %s on %s", self.name, socket.gethostname())

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """End the sign of life."""
        if self._sign is not None:
            self._sign.end()
            self._sign = None

    def _begin_sign(self, run: dg.DagsterRun, instance: dg.DagsterInstance) -> None:
        home = Home(Path(self.home))
        # A run of assets that were selected in the UI belongs to no job of the sync, and has none of its tags.
        tags = Names(self.name, home.id).job_tags
        instance.add_run_tags(run.run_id, {name: value for name, value in tags.items() if name not in run.tags})
        sign = RunSign(home.state(self.name), run.run_id)
        sign.begin()
        self._sign = sign

    def context(self) -> SyncContext:
        """The context that the operations require.

        Raises:
            ConfigurationError: with the values of other resources, the settings are wrong.
        """
        settings = SyncSettings(
            name=self.name,
            source=self.source.place(),
            store=self.store.place(),
            options=Options.model_validate_json(json.dumps(self.options)),
            mapping=tuple(MappingRule.model_validate(rule) for rule in self.mapping),
        )
        keys = {key: borrowed.keys for key, borrowed in self._borrowed.items()}
        sync = SyncContext(Home(Path(self.home)), complete_sync(settings, self._borrowed), keys)
        return sync if self._run_id is None else sync.acting_as(Actor.of_run(self._run_id))


_RunContext = dg.OpExecutionContext | dg.AssetExecutionContext


def sync_of_run(context: _RunContext, names: Names) -> SyncContext:
    """The sync of a run.

    Raises:
        ConfigurationError: with the values of other resources, the settings are wrong.
    """
    resource: SyncResource = getattr(context.resources, names.resource)
    return resource.context()


def plan_of_run(context: _RunContext, names: Names, plan_id: str | None) -> tuple[SyncContext, Plan]:
    """The sync of a run and the plan that the run is about, by default the newest; the run gets the plan's tag.

    Raises:
        ConfigurationError: there is no such plan, or it was made for other buckets than the configuration names now.
    """
    sync = sync_of_run(context, names)
    plan = choose_plan(sync, plan_id)
    context.instance.add_run_tags(context.run.run_id, {PLAN_TAG: plan.id})
    return sync, plan
