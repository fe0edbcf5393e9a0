"""The progress of a plan, computed from its journal."""

from collections import Counter
from datetime import datetime

from pydantic import Field

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.journal import UNREADABLE, ShardState, Tally
from hyve_pipeline.core.model.plan import Plan, Shard
from hyve_pipeline.core.model.safety_rules import Action, Refusal
from hyve_pipeline.core.model.server_lack import ServerLack, merged


class ShardStatus(Frozen):
    """The progress of one shard.

    Attributes:
        shard: the shard.
        state: its state.
        tally: numbers of its objects by outcome so far.
        failures, skips: how many objects failed or were skipped, by code.
        run_id: the run of its last completed attempt.
        ended: when that attempt ended.
        attempt: the number of that attempt, from 1; 0 when none has completed.
        without: how many copies lack something that the store refuses, by what that is.
        lacks: features that the servers were found to lack in that attempt.
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
    """The progress of a plan.

    Attributes:
        plan: the plan.
        shards: every shard, in order.
        refusals: what the safety rules refuse, under the approval if there is one.
    """

    plan: Plan
    shards: tuple[ShardStatus, ...]
    refusals: tuple[Refusal, ...]

    def tally(self, action: Action) -> Tally:
        """Numbers of all objects of one action by outcome so far."""
        return sum((status.tally for status in self.shards if status.shard.action == action), start=Tally())

    @property
    def attempts(self) -> int:
        """How many attempts have completed; the number grows with every attempt."""
        return sum(status.attempt for status in self.shards)

    def has_begun(self, action: Action) -> bool:
        """Whether any shard of an action had an attempt."""
        return any(status.shard.action == action and status.state is not ShardState.PENDING for status in self.shards)

    def unfinished(self, action: Action) -> list[Shard]:
        """The shards of one action that are not finished."""
        return [
            status.shard
            for status in self.shards
            if status.shard.action == action and status.state is not ShardState.FINISHED
        ]

    @property
    def finished(self) -> dict[int, ShardStatus]:
        """The finished shards by number; they stay finished, so their journals need not be read again."""
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
        """Features that the servers were found to lack."""
        return merged(lack for status in self.shards for lack in status.lacks)

    @property
    def without(self) -> dict[str, int]:
        """How many copies lack something that the store refuses, by what that is."""
        totals: Counter[str] = Counter()
        for status in self.shards:
            totals.update(status.without)
        return dict(totals)

    def refusal(self, action: Action) -> Refusal | None:
        """The refusal of `action`, or None."""
        return next((refusal for refusal in self.refusals if refusal.action == action), None)

    @property
    def state(self) -> str:
        """The state of the whole plan.

        ``empty`` (nothing to do), ``planned``, ``started``, ``failed``, ``copied`` (only deletes are left),
        ``refused`` (a safety rule refuses what is left) or ``finished``.
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
