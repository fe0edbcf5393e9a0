"""The run configuration of each job, as the Launchpad offers it. All of it is optional.

This is all that a run can set: the resources take no configuration from runs. The Launchpad is filled with the
defaults, which a browser keeps for weeks. Therefore none of them is a value of the configuration: an old tab would set
the old value again.
"""

import enum
from datetime import datetime

import dagster as dg
from pydantic import Field

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.times import parse_time
from hyve_pipeline.core.settings.limits import Limit
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.context import LATEST
from hyve_pipeline.operations.retention import KeepRules
from hyve_pipeline.orchestration.common.names import Names

# The limits, and the job that can accept a plan that the limit refused.
_LIMITS = {"max_deletes": "delete", "max_overwrites": "copy"}

# The limits of what a plan is estimated to take, which both jobs can accept.
_ESTIMATES = ("max_cost", "max_duration")

_EXAMPLE_PLAN = "000004-20261122T213214610Z-79c1bd01"

# Values that set nothing. Null does not either.
_AS_CONFIGURED = "as configured"
_AS_PLANNED = "as planned"
_NO_SAMPLE = "0%"
_NOW = "now"
_NEWEST = "newest"


class Compare(enum.Enum):
    """By which rule an object is modified; the Launchpad offers these names."""

    as_configured = "as_configured"
    last_modified = "last_modified"
    size = "size"
    etag = "etag"
    content = "content"


class InventoriesConfig(dg.Config):
    """Of which time the inventories are."""

    as_of: str | None = Field(
        default=_NOW,
        description="The source as it was at this time, by the versions that it keeps, such as 2026-11-01T00:00:00Z; "
        "now is as it is. Nothing is deleted by a plan of an earlier time.",
        examples=["2026-11-01T00:00:00Z"],
    )
    inventory_date: str | None = Field(
        default=_NEWEST,
        description="The date of the S3 Inventory reports to read, such as 2026-11-01, where the sync has some; newest "
        "is the newest complete ones.",
        examples=["2026-11-01"],
    )

    def time(self) -> datetime | None:
        """The earlier time; None for now.

        Raises:
            ConfigurationError: it is not a time.
        """
        if self.as_of in (None, _NOW):
            return None
        try:
            return parse_time(self.as_of)
        except ValueError as error:
            raise ConfigurationError(f"as_of: {error}") from None

    def date(self) -> str | None:
        """The date of the reports; None for the newest."""
        return None if self.inventory_date == _NEWEST else self.inventory_date


class DryrunConfig(dg.Config):
    """Options of one dryrun; what is left as it is comes from the configuration."""

    compare: Compare | None = Field(
        default=Compare.as_configured,
        description="The rule by which an object is modified: last_modified (its size differs, or the source is "
        "newer), size, etag, content (checksums or the contents themselves), or as_configured.",
        examples=["etag"],
    )
    include: list[str] | None = Field(
        default=[],
        description="Only keys that match one of these globs take part, such as '*.jpg' or 'albums/*'. A glob is "
        "matched against the whole key below the prefix, and * matches / too. Without any, as configured.",
        examples=[["*.jpg", "albums/*"]],
    )
    exclude: list[str] | None = Field(
        default=[],
        description="Keys that match one of these globs, such as 'tmp/*', take no part, even if included: they are "
        "neither copied nor deleted. Without any, as configured.",
        examples=[["tmp/*"]],
    )
    max_deletes: str | None = Field(
        default=_AS_CONFIGURED,
        description="Refuse more deletes than this: a number such as 500, or a share of the store's objects such as "
        "10%; not more than the configuration allows.",
        examples=["5%"],
    )
    max_overwrites: str | None = Field(
        default=_AS_CONFIGURED,
        description="Refuse more overwrites than this: a number such as 500, or a share such as 10%; not more than the "
        "configuration allows.",
        examples=["500"],
    )

    def options(self) -> dict[str, object]:
        """The options by name, as the settings take them; None for what comes from the configuration."""
        compare = None if self.compare in (None, Compare.as_configured) else self.compare.value
        limits = {name: self._limit(name) for name in _LIMITS}
        return {"compare": compare, "include": self.include or None, "exclude": self.exclude or None, **limits}

    def _limit(self, name: str) -> str | None:
        given: str | None = getattr(self, name)
        return None if given == _AS_CONFIGURED else given

    def check_limits(self, configured: Options, store_objects: int) -> None:
        """Check that no limit is raised: to accept more, the user must first see the plan, and there is none yet.

        Args:
            configured: the options of the configuration.
            store_objects: how many objects the store has, of which limits may be shares.

        Raises:
            ConfigurationError: a limit is raised, or is none.
        """
        for name in _LIMITS:
            given, limit = self._limit(name), getattr(configured, name)
            if given is None or limit is None:
                continue
            try:
                wanted = Limit.parse(given)
            except ValueError as error:
                raise ConfigurationError(f"{name}: {error}") from None
            if wanted.most(store_objects) > limit.most(store_objects):
                raise ConfigurationError(
                    f"{name}: {given} is more than the configuration's {limit}, and a dryrun can only lower it: accept "
                    f"the refused plan, by its id, in the Launchpad of the {_LIMITS[name]} job"
                )


class PlanConfig(dg.Config):
    """Which plan a run is about."""

    plan: str | None = Field(
        default=LATEST,
        description=f"The plan's id, such as {_EXAMPLE_PLAN}, or its beginning; latest is the newest plan.",
        examples=[_EXAMPLE_PLAN],
    )


class ShardConfig(PlanConfig):
    """How a plan is applied. A run of a partition does that shard, and one without a partition all unfinished ones."""

    plan: str | None = Field(
        default=LATEST,
        description=f"The plan's id, such as {_EXAMPLE_PLAN}, for a run without a partition; latest is the newest "
        "plan. A partition names its plan itself.",
        examples=[_EXAMPLE_PLAN],
    )
    concurrency: int | None = Field(
        default=0,
        description="Requests in flight at once, such as 32: from 1 to 4096; 0 means as many as the plan's options "
        "say.",
        examples=[32],
    )
    max_cost: str | None = Field(
        default=_AS_PLANNED,
        description="Accept this many US dollars for the plan, though the configured limit refuses its estimate, such "
        "as 25.50. Needs the plan's id beside it, and is kept with the plan.",
        examples=["25.50"],
    )
    max_duration: str | None = Field(
        default=_AS_PLANNED,
        description="Accept this time for the plan, such as 8 h, though the configured limit refuses its estimate. "
        "Needs the plan's id beside it, and is kept with the plan.",
        examples=["8 h"],
    )

    def accepted(self) -> dict[str, str | None]:
        """The limits that are given, by name.

        Raises:
            ConfigurationError: one is given without a plan: only a plan that exists can be accepted.
        """
        limits: dict[str, str | None] = {name: getattr(self, name, None) for name in (*_LIMITS, *_ESTIMATES)}
        limits = {name: None if limit == _AS_PLANNED else limit for name, limit in limits.items()}
        given = [name for name, limit in limits.items() if limit is not None]
        if given and self.plan in (None, LATEST):
            raise ConfigurationError(
                f"{given[0]} accepts what the limit refuses in one plan: set 'plan' to that plan's id too"
            )
        return limits


class CopyConfig(ShardConfig):
    """How the copies of a plan are made."""

    max_overwrites: str | None = Field(
        default=_AS_PLANNED,
        description="Accept this many overwrites of the plan, though the configured limit refuses them: a number such "
        "as 500, or a share such as 10%. Needs the plan's id beside it, and is kept with the plan.",
        examples=["500"],
    )


class DeleteConfig(ShardConfig):
    """How the deletes of a plan are made."""

    max_deletes: str | None = Field(
        default=_AS_PLANNED,
        description="Accept this many deletes of the plan, though the configured limit refuses them: a number such as "
        "500, or a share of the store's objects such as 10%. Needs the plan's id beside it, and is kept with the plan.",
        examples=["20%"],
    )


class VerifyConfig(PlanConfig):
    """Which plan to verify, and how."""

    list_again: bool = Field(
        default=True,
        description="Whether to list the store again even if the plan had nothing to do, so that its own listing shows "
        "what is there.",
    )
    content: str | None = Field(
        default=_NO_SAMPLE,
        description="Compare the content too, of this share of the objects, such as 1% or 100%: by checksum where both "
        "sides know the same one, else by reading both. 0% compares none.",
        examples=["1%"],
    )

    def sample(self) -> str | None:
        """The share of the objects whose content is compared; None if none is."""
        return None if self.content == _NO_SAMPLE else self.content


def op_config(names: Names, op: str, **config: object) -> dict[str, object]:
    """The run configuration of a run with one op; `config` as in the op's class of this module."""
    return {"ops": {names.op(op): {"config": config}}}


class UndoConfig(dg.Config):
    """Which plan is to be undone."""

    plan: str = Field(
        default="",
        description=f"The plan's id, such as {_EXAMPLE_PLAN}, or its beginning. It must be set.",
        examples=[_EXAMPLE_PLAN],
    )

    def named(self) -> str:
        """The plan.

        Raises:
            ConfigurationError: none is named.
        """
        if not self.plan.strip():
            raise ConfigurationError("plan: set it to the id of the plan to undo, such as " + _EXAMPLE_PLAN)
        return self.plan


class RetentionConfig(dg.Config):
    """Which plans are kept; what is left as it is comes from the configuration, unless the other is set."""

    keep_plans: int | None = Field(
        default=0, description="Keep this many of the newest plans; 0 means as configured.", examples=[30]
    )
    keep_days: int | None = Field(
        default=0, description="Keep plans for this many days; 0 means as configured.", examples=[90]
    )
    keep_event_plans: int | None = Field(
        default=0, description="Keep this many of the newest plans of events; 0 means as configured.", examples=[2000]
    )

    def rules(self, configured: KeepRules) -> KeepRules:
        """The rules to keep by: those of the run if it sets one, else the configured ones."""
        given = KeepRules(self.keep_plans or None, self.keep_days or None, self.keep_event_plans or None)
        return given if given.are_set else configured
