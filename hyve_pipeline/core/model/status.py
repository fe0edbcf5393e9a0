"""The progress of a plan, computed from its journal."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from hyve_pipeline.core.model.journal import UNREADABLE, AttemptSummary, Outcomes, ShardState, Tally
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import Action, Refusal
from hyve_pipeline.core.model.server_lack import ServerLack, merged
from hyve_pipeline.core.model.shards import Shard

_NO_TALLY = Tally()


def _nothing(_shard: Shard, _attempt: int) -> Outcomes:
    return Outcomes(tally=_NO_TALLY, failures={}, skips={})


@dataclass(frozen=True)
class ShardStatus:
    """The progress of one shard.

    Details of the journal are read when they are first used; any of those attributes may raise StateError.

    Attributes:
        shard: the shard.
        state: its state.
        tally: numbers of its objects by outcome so far.
        begun: the number of its newest attempt, from 1; 0 when there is none.
        attempt: the number of its last completed attempt, if no other has begun since; else 0.
        ended: when that attempt ended, to a second or so.
        has_details: whether there are reasons of failures and skips, or something that copies or servers lack.
        is_marked: whether the marker of that attempt was found, so that the event of its end is written.
        read: reads the details of a shard and an attempt: its summary, or the totals of a journal without one.
    """

    shard: Shard
    state: ShardState
    tally: Tally = _NO_TALLY
    begun: int = 0
    attempt: int = 0
    ended: datetime | None = field(default=None, compare=False)
    has_details: bool = False
    is_marked: bool = field(default=False, compare=False)
    read: Callable[[Shard, int], Outcomes] = field(default=_nothing, repr=False, compare=False)

    @cached_property
    def _outcomes(self) -> Outcomes:
        return self.read(self.shard, self.attempt)

    @property
    def details(self) -> Outcomes | None:
        """The details; None where there are none."""
        return self._outcomes if self.has_details else None

    @property
    def run_id(self) -> str | None:
        """The run of the last completed attempt."""
        found = self._outcomes if self.attempt else None
        return found.run_id if isinstance(found, AttemptSummary) else None


@dataclass(frozen=True)
class PlanStatus:
    """The progress of a plan.

    Attributes:
        plan: the plan.
        shards: every shard, in order.
        refusals: what the safety rules refuse, under the approval if there is one.
    """

    plan: Plan
    shards: tuple[ShardStatus, ...]
    refusals: tuple[Refusal, ...]

    def of(self, action: Action) -> list[ShardStatus]:
        """The shards of one action, in order."""
        return [status for status in self.shards if status.shard.action == action]

    def tally(self, action: Action) -> Tally:
        """Numbers of all objects of one action by outcome so far."""
        return sum((status.tally for status in self.of(action)), start=_NO_TALLY)

    @property
    def attempts(self) -> int:
        """How many attempts have completed; the number grows with every attempt."""
        return sum(status.attempt for status in self.shards)

    def has_begun(self, action: Action) -> bool:
        """Whether any shard of an action had an attempt."""
        return any(status.state is not ShardState.PENDING for status in self.of(action))

    def left(self, action: Action) -> list[ShardStatus]:
        """The shards of one action that are not finished."""
        return [status for status in self.of(action) if status.state is not ShardState.FINISHED]

    def unfinished(self, action: Action) -> list[Shard]:
        """The same, without their status."""
        return [status.shard for status in self.left(action)]

    @property
    def finished(self) -> dict[int, ShardStatus]:
        """The finished shards by number; they stay finished, so their journals need not be read again."""
        return {status.shard.number: status for status in self.shards if status.state is ShardState.FINISHED}

    def changed(self, action: Action) -> int:
        """How many objects of one action were skipped because they changed since the plan."""
        skips = [details.skips for status in self.of(action) if status.tally.skipped and (details := status.details)]
        return sum(count for codes in skips for code, count in codes.items() if code not in UNREADABLE)

    def reasons(self) -> dict[str, int]:
        """How many objects failed or were skipped, by code."""
        totals: Counter[str] = Counter()
        for status in self.shards:
            details = status.details if status.tally.failed or status.tally.skipped else None
            if details is not None:
                totals.update(details.failures)
                totals.update(details.skips)
        return dict(totals)

    @property
    def lacks(self) -> tuple[ServerLack, ...]:
        """Features that the servers were found to lack."""
        details = (status.details for status in self.shards)
        return merged(lack for found in details if isinstance(found, AttemptSummary) for lack in found.lacks)

    @property
    def without(self) -> dict[str, int]:
        """How many copies lack something that the store refuses, by what that is."""
        totals: Counter[str] = Counter()
        for status in self.shards:
            details = status.details
            if details is not None:
                totals.update(details.without)
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
