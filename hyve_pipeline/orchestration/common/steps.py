"""The steps of a sync that Dagster runs, each an op, and what a component may change of them and of the assets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, wraps
from inspect import isgenerator
from typing import Annotated, Any, Literal

import dagster as dg
from pydantic import Field

from hyve_pipeline.core.settings.field_checks import JsonSchema
from hyve_pipeline.core.settings.fields import SyncName
from hyve_pipeline.core.settings.table import SettingsTable
from hyve_pipeline.orchestration.common.names import Names

AssetStep = Literal["inventories", "diff", "plan", "verification", "journal"]
StepName = Literal[AssetStep, "copy", "delete", "ask_restores", "undo_plan", "drop_plans", "follow"]

# What a step yields.
StepEvent = Any

StepContext = dg.AssetExecutionContext | dg.OpExecutionContext


@dataclass(frozen=True)
class SyncAsset:
    """An asset of a sync, before it is translated.

    Attributes:
        sync: the sync's name.
        name: the asset's name in the sync, such as ``plan`` or ``store_inventory``, the last part of its default key.
        spec: its default spec, with key, group, description, owners, tags, kinds and metadata.
    """

    sync: str
    name: str
    spec: dg.AssetSpec


@dataclass(frozen=True)
class Step:
    """A step that a run of Dagster is about to do.

    Attributes:
        sync: the sync's name.
        name: which step.
        run: does it; yields what Dagster is to store.
    """

    sync: str
    name: StepName
    run: Callable[[], Iterator[StepEvent]]


class OpSettings(SettingsTable):
    """What all ops of a sync have, as in Dagster's `OpSpec`.

    It has no backfill policy: no asset that a run materializes is partitioned.
    """

    name: SyncName | None = Field(
        default=None,
        description="The first part of the names of all ops; by default the sync's name.",
    )
    tags: Annotated[dict[str, Any], JsonSchema(examples=[{"team": "media"}])] = Field(
        default={},
        description="Tags of the ops, which executors read, such as `dagster-k8s/config`.",
    )
    description: Annotated[str, JsonSchema(examples=["Runs on the archive's own machines."])] | None = Field(
        default=None,
        description="The description of the ops, instead of their own.",
    )
    pool: Annotated[str, Field(min_length=1), JsonSchema(examples=["s3"])] | None = Field(
        default=None,
        description="The concurrency pool of the ops.",
    )


_NO_OP_SETTINGS = OpSettings()


def _run_step(_: StepContext, step: Step) -> Iterator[StepEvent]:
    yield from step.run()


@dataclass(frozen=True)
class Customization:
    """What a component changes of the definitions of its sync.

    Attributes:
        translate: the spec of each asset, instead of its default one; None changes none.
        execute: does a step, and may do something before and after it.
        op: what all ops have.
    """

    translate: Callable[[SyncAsset], dg.AssetSpec] | None = None
    execute: Callable[[StepContext, Step], Iterator[StepEvent]] = _run_step
    op: OpSettings = _NO_OP_SETTINGS


class Steps:
    """Builds the ops of a sync.

    Args:
        names: the sync's names.
        custom: what a component changes.
    """

    def __init__(self, names: Names, custom: Customization) -> None:
        self._names = names
        self._custom = custom

    def op(self, step: StepName) -> dict[str, Any]:
        """The arguments of ``@multi_asset`` that define the op of an asset."""
        op = self._custom.op
        return {"name": self._names.op(step), "op_tags": op.tags, "description": op.description, "pool": op.pool}

    def op_of_job(self, step: StepName, description: str) -> dict[str, Any]:
        """The arguments of ``@op`` that define the op of a job without assets."""
        op = self._custom.op
        return {
            "name": self._names.op(step),
            "description": op.description or description,
            "tags": op.tags,
            "pool": op.pool,
        }

    def around(self, step: StepName) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A decorator that makes the function of an op go through the component's `execute`."""
        custom, sync = self._custom, self._names.sync

        def decorate(compute: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(compute)
            def run(context: StepContext, *args: Any, **kwargs: Any) -> Iterator[StepEvent]:
                work = partial(compute, context, *args, **kwargs)
                yield from custom.execute(context, Step(sync, step, lambda: _events(work()))) or ()

            return run

        return decorate


def _events(result: Any) -> Iterator[StepEvent]:
    """What a function returned or yields."""
    if isgenerator(result):
        yield from result
    elif result is not None:
        yield result
