"""How far a plan came: what its journal adds up to."""

from collections import Counter
from datetime import datetime

from pydantic import Field

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.journal import UNREADABLE, ShardState, Tally
from hyve_pipeline.core.model.plan import Plan, Shard
from hyve_pipeline.core.model.safety_rules import Action, Refusal
from hyve_pipeline.core.model.server_lack import ServerLack, merged


class ShardStatus(Frozen):
    """How far one shard came.

    Attributes:
        shard: the shard.
        state: how far it came.
        tally: what became of its objects so far.
        failures, skips: how many objects failed or were skipped, by code.
        run_id: the run of its last attempt that came to its end.
        ended: when that was.
        attempt: which attempt that was, from 1; 0 when none came to its end.
        without: how many copies have to do without something that the store refuses, by what that is.
        lacks: what the servers turned out to lack, as that attempt found.
    """

    shard: Shard
    state: ShardState
    tally: Tally
    failures: dict[str, int]
    skips: dict[str, int]
    run_id: str | None
    ended: datetime | None = None
    attempt: int = 0
    without: dict[str, int] = Field(default_factory=dict)
    lacks: tuple[ServerLack, ...] = ()


class PlanStatus(Frozen):
    """How far a plan came.

    Attributes:
        plan: the plan.
        shards: every shard, in order.
        refusals: what the safety rules forbid, a person's approval taken into account.
    """

    plan: Plan
    shards: tuple[ShardStatus, ...]
    refusals: tuple[Refusal, ...]

    def tally(self, action: Action) -> Tally:
        """What became of all objects of one action so far."""
        return sum((status.tally for status in self.shards if status.shard.action == action), start=Tally())

    @property
    def attempts(self) -> int:
        """How many attempts there were until now; it grows with all that is done."""
        return sum(status.attempt for status in self.shards)

    def has_begun(self, action: Action) -> bool:
        """Whether any shard of an action was ever tried."""
        return any(status.shard.action == action and status.state is not ShardState.PENDING for status in self.shards)

    def unfinished(self, action: Action) -> list[Shard]:
        """The shards of one action that still have something to do."""
        return [
            status.shard
            for status in self.shards
            if status.shard.action == action and status.state is not ShardState.FINISHED
        ]

    @property
    def finished(self) -> dict[int, ShardStatus]:
        """The shards that are finished, by their numbers: they stay so, and need not be read again."""
        return {status.shard.number: status for status in self.shards if status.state is ShardState.FINISHED}

    def changed(self, action: Action) -> int:
        """How many objects of one action were skipped because they changed since the plan."""
        skips = [status.skips for status in self.shards if status.shard.action == action]
        return sum(count for codes in skips for code, count in codes.items() if code not in UNREADABLE)

    def reasons(self) -> dict[str, int]:
        """How many objects failed or were skipped, by code."""
        totals: dict[str, int] = {}
        for status in self.shards:
            for codes in (status.failures, status.skips):
                for code, count in codes.items():
                    totals[code] = totals.get(code, 0) + count
        return totals

    @property
    def lacks(self) -> tuple[ServerLack, ...]:
        """What the servers turned out to lack."""
        return merged(lack for status in self.shards for lack in status.lacks)

    @property
    def without(self) -> dict[str, int]:
        """How many copies have to do without something that the store refuses, by what that is."""
        totals: Counter[str] = Counter()
        for status in self.shards:
            totals.update(status.without)
        return dict(totals)

    def refusal(self, action: Action) -> Refusal | None:
        """What forbids `action`, or None."""
        return next((refusal for refusal in self.refusals if refusal.action == action), None)

    @property
    def state(self) -> str:
        """One word for the whole plan.

        ``empty`` (nothing to do), ``planned``, ``started``, ``failed``, ``copied`` (only deletes are left),
        ``refused`` (a safety rule forbids what is left) or ``finished``.
        """
        states = {status.state for status in self.shards}
        if not states:
            return "empty"
        if states == {ShardState.FINISHED}:
            return "finished"
        if ShardState.FAILED in states:
            return "failed"
        if self.refusals:
            return "refused"
        if states == {ShardState.PENDING}:
            return "planned"
        return "copied" if self.has_begun("copy") and not self.unfinished("copy") else "started"
