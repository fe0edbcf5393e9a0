"""The figures of syncs for monitoring, as a document and in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field

from hyve_pipeline.core.base.manifest import Count, Frozen
from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Those of `PlanStatus.state`, in the order in which a plan may go through them.
PLAN_STATES = ("empty", "planned", "started", "failed", "copied", "refused", "finished")


class WorkTotals(Frozen):
    """What was done for one action of some plans.

    Attributes:
        objects: objects copied or deleted.
        bytes: their bytes.
        skipped: objects that had changed since the plan, or could not be read.
        failures: objects that failed, counted again with each attempt in which they failed.
        requests: requests made.
        retries: how often one was sent again, as far as the transport reports it.
        seconds: the time of all attempts, added up; those of several processes overlap.
    """

    objects: int = 0
    bytes: int = 0
    skipped: int = 0
    failures: int = 0
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0

    def __add__(self, other: "WorkTotals") -> "WorkTotals":
        return WorkTotals(**{name: getattr(self, name) + getattr(other, name) for name in WorkTotals.model_fields})


class DroppedTotals(Frozen):
    """The totals of plans that retention dropped, so that no counter goes down.

    Attributes:
        plans: those of the plans that may still be there, as a retention that was interrupted leaves them.
        totals: the totals of all, by action.
    """

    plans: tuple[str, ...] = ()
    totals: dict[Action, WorkTotals] = Field(default_factory=dict)


class InventoryFigures(Frozen):
    """The newest inventory of one side: when it was begun, its size, how long it took, and the pages that were read."""

    taken: datetime
    objects: int
    bytes: int
    seconds: float
    pages: int


class PlanFigures(Frozen):
    """The newest plan: its state, its sets, and what is left to do by action."""

    plan: str
    created: datetime
    state: str
    sets: dict[str, Count]
    left: dict[Action, int]


class VerificationFigures(Frozen):
    """The last verification of the newest plan."""

    at: datetime
    verified: bool
    differences: int


class SyncMetrics(Frozen):
    """The figures of one sync.

    Attributes:
        sync: its name.
        problem: why its state can't be read; None if it can. Without it there are no figures.
        plans: the number of plans that are kept.
        totals: what was done since the sync exists, by action.
        newest: the newest plan.
        inventories: the newest inventories.
        verification: the last verification of the newest plan.
        synced: the time as of which the store was last made equal to the source: the beginning of the listing of the
            newest plan that was applied completely, or had nothing to do.
        lag_seconds: how long ago that was.
    """

    sync: str
    problem: str | None = None
    plans: int = 0
    totals: dict[Action, WorkTotals] = Field(default_factory=dict)
    newest: PlanFigures | None = None
    inventories: dict[Side, InventoryFigures] = Field(default_factory=dict)
    verification: VerificationFigures | None = None
    synced: datetime | None = None
    lag_seconds: float | None = None


# One value with its labels.
_Sample = tuple[Mapping[str, str], float]


@dataclass(frozen=True)
class _Family:
    """A metric: its name, its type, what it means, and its values of one sync."""

    name: str
    kind: str
    meaning: str
    samples: Callable[[SyncMetrics], Iterable[_Sample]]


def _by_action(name: str) -> Callable[[SyncMetrics], Iterable[_Sample]]:
    return lambda of: (({"action": action}, getattr(totals, name)) for action, totals in of.totals.items())


def _of_action(action: Action, name: str) -> Callable[[SyncMetrics], Iterable[_Sample]]:
    return lambda of: [({}, getattr(of.totals[action], name))] if action in of.totals else []


def _one(value: Callable[[SyncMetrics], float | None]) -> Callable[[SyncMetrics], Iterable[_Sample]]:
    def samples(of: SyncMetrics) -> Iterator[_Sample]:
        found = None if of.problem is not None else value(of)
        if found is not None:
            yield {}, found

    return samples


def _by_side(name: str) -> Callable[[SyncMetrics], Iterable[_Sample]]:
    def value(figures: InventoryFigures) -> float:
        return figures.taken.timestamp() if name == "taken" else getattr(figures, name)

    return lambda of: (({"side": side}, value(figures)) for side, figures in of.inventories.items())


def _by_set(name: str) -> Callable[[SyncMetrics], Iterable[_Sample]]:
    return lambda of: (
        ({"set": set_name}, getattr(count, name)) for set_name, count in (of.newest.sets if of.newest else {}).items()
    )


def _plan_states(of: SyncMetrics) -> Iterable[_Sample]:
    newest = of.newest
    return [] if newest is None else [({"state": state}, float(state == newest.state)) for state in PLAN_STATES]


def _left(of: SyncMetrics) -> Iterable[_Sample]:
    return [] if of.newest is None else [({"action": action}, left) for action, left in of.newest.left.items()]


_FAMILIES: Sequence[_Family] = (
    _Family("hyve_state_readable", "gauge", "1 if the sync's state can be read", lambda of: [({}, of.problem is None)]),
    _Family("hyve_objects_copied_total", "counter", "Objects copied", _of_action("copy", "objects")),
    _Family("hyve_bytes_copied_total", "counter", "Bytes of the objects copied", _of_action("copy", "bytes")),
    _Family("hyve_objects_deleted_total", "counter", "Objects deleted", _of_action("delete", "objects")),
    _Family("hyve_bytes_deleted_total", "counter", "Bytes of the objects deleted", _of_action("delete", "bytes")),
    _Family(
        "hyve_objects_skipped_total",
        "counter",
        "Objects skipped: changed since the plan, or unreadable",
        _by_action("skipped"),
    ),
    _Family(
        "hyve_object_failures_total",
        "counter",
        "Objects that failed, counted in each attempt that they failed in",
        _by_action("failures"),
    ),
    _Family("hyve_requests_total", "counter", "Requests made to apply plans", _by_action("requests")),
    _Family("hyve_retries_total", "counter", "How often one of these was sent again", _by_action("retries")),
    _Family("hyve_apply_seconds_total", "counter", "Seconds spent on shards of plans", _by_action("seconds")),
    _Family(
        "hyve_lag_seconds",
        "gauge",
        "Seconds since the source was listed for the newest plan that is applied completely",
        _one(lambda of: of.lag_seconds),
    ),
    _Family(
        "hyve_synced_timestamp_seconds",
        "gauge",
        "When the source was listed for the newest plan that is applied completely",
        _one(lambda of: of.synced.timestamp() if of.synced is not None else None),
    ),
    _Family("hyve_plans", "gauge", "Plans that are kept", _one(lambda of: of.plans)),
    _Family("hyve_plan_state", "gauge", "1 for the state of the newest plan, 0 for the others", _plan_states),
    _Family(
        "hyve_plan_created_timestamp_seconds",
        "gauge",
        "When the newest plan was made",
        _one(lambda of: of.newest.created.timestamp() if of.newest is not None else None),
    ),
    _Family("hyve_plan_objects", "gauge", "Objects in each set of the newest plan", _by_set("objects")),
    _Family("hyve_plan_bytes", "gauge", "Bytes in each set of the newest plan", _by_set("bytes")),
    _Family("hyve_plan_objects_left", "gauge", "Objects of the newest plan that are still to do", _left),
    _Family("hyve_inventory_objects", "gauge", "Objects in the newest inventory", _by_side("objects")),
    _Family("hyve_inventory_bytes", "gauge", "Bytes in the newest inventory", _by_side("bytes")),
    _Family("hyve_inventory_pages", "gauge", "Pages read for the newest inventory", _by_side("pages")),
    _Family("hyve_inventory_duration_seconds", "gauge", "Seconds that the listing took", _by_side("seconds")),
    _Family("hyve_inventory_timestamp_seconds", "gauge", "When the newest listing was begun", _by_side("taken")),
    _Family(
        "hyve_verified",
        "gauge",
        "1 if the last verification of the newest plan found the store as planned, else 0",
        _one(lambda of: of.verification.verified if of.verification is not None else None),
    ),
    _Family(
        "hyve_verification_differences",
        "gauge",
        "Objects that the last verification of the newest plan found to differ",
        _one(lambda of: of.verification.differences if of.verification is not None else None),
    ),
    _Family(
        "hyve_verification_timestamp_seconds",
        "gauge",
        "When the newest plan was verified last",
        _one(lambda of: of.verification.at.timestamp() if of.verification is not None else None),
    ),
)


def exposition(syncs: Sequence[SyncMetrics], version: str) -> str:
    """All figures in the text format of Prometheus.

    Args:
        syncs: the syncs.
        version: that of Hyve.
    """
    lines = [
        "# HELP hyve_build_info The version of Hyve",
        "# TYPE hyve_build_info gauge",
        f"hyve_build_info{_labels({'version': version})} 1",
    ]
    for family in _FAMILIES:
        samples = [({"sync": of.sync, **labels}, value) for of in syncs for labels, value in family.samples(of)]
        if samples:
            lines += [f"# HELP {family.name} {family.meaning}", f"# TYPE {family.name} {family.kind}"]
            lines += [f"{family.name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "".join(f"{line}\n" for line in lines)


def document(metrics: SyncMetrics) -> dict[str, Any]:
    """The figures of one sync as JSON has them."""
    return metrics.model_dump(mode="json")


def no_work() -> dict[Action, WorkTotals]:
    """The totals of a sync that has done nothing yet."""
    return {action: WorkTotals() for action in ACTIONS}


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.3f}"


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
