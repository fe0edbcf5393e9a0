"""What the sensor does next with a plan: computed at each tick from the current state.

Nothing is kept from one tick to the next, so the next tick sees all that changed in between: a run that was lost, a
shard that was finished manually, a plan that was approved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from hyve_pipeline.core.model.journal import ShardState
from hyve_pipeline.core.model.safety_rules import ONE_BUCKET, Action
from hyve_pipeline.core.model.status import PlanStatus, ShardStatus
from hyve_pipeline.core.settings.model import ApplyMode, Automation

Step = Literal["copy", "delete", "verify"]

# The names of the verification of a plan, and of a run that does all that is left of an action, where shards are named
# by their partition keys.
VERIFICATION = "verify"
LOOP = "loop"

# The most runs of the sensor that are queued or running: enough to keep the queue busy until the next tick, and few
# enough that a manually launched run need not wait for long.
MOST_AT_ONCE = 24

# The backoff is at most an hour, however often a run failed.
_LONGEST_DELAY = timedelta(hours=1)

_ACTIONS: dict[ApplyMode, tuple[Action, ...]] = {"never": (), "copies": ("copy",), "all": ("copy", "delete")}


@dataclass(frozen=True)
class Tries:
    """The runs of one shard, or of the verification, so far.

    Attributes:
        failures: how many have failed.
        last_end: when the last of these ended.
        is_going_on: whether one is queued or running.
        number: the highest attempt number so far; no number is used twice.
    """

    failures: int = 0
    last_end: datetime | None = None
    is_going_on: bool = False
    number: int = 0


@dataclass(frozen=True)
class Loops:
    """The runs so far that do all that is left of one action, and claim one shard after another.

    Attributes:
        made: how many were requested, or the number of the last one; no number is used twice.
        failures: how many have failed.
        last_end: when the last one ended, successful or not.
        going_on: how many are queued or running.
    """

    made: int = 0
    failures: int = 0
    last_end: datetime | None = None
    going_on: int = 0


@dataclass(frozen=True)
class Request:
    """A run to request.

    Attributes:
        step: which job.
        name: the partition key of the shard; `LOOP` for a run of all that is left; `VERIFICATION` for the verification.
        attempt: its number, from 1; it is part of the run key, so that the next tick does not request the run again.
    """

    step: Step
    name: str
    attempt: int


@dataclass(frozen=True)
class Decision:
    """What to do now, and why.

    Attributes:
        requests: the runs to request.
        reason: one line for the user.
        given_up: names of what has failed too often.
        is_over: whether nothing more happens to the plan by itself, so that the next one may begin: it is finished, or
            only the user can continue it.
    """

    requests: tuple[Request, ...]
    reason: str
    given_up: tuple[str, ...] = ()
    is_over: bool = False

    @classmethod
    def over(cls, reason: str, given_up: tuple[str, ...] = ()) -> "Decision":
        """Nothing, now or later."""
        return cls((), reason, given_up, is_over=True)


def decide(
    status: PlanStatus,
    tries: Mapping[str, Tries],
    loops: Mapping[Action, Loops],
    mode: ApplyMode,
    rules: Automation,
    now: datetime,
    *,
    is_verified: bool,
) -> Decision:
    """Decide what to do next with a plan.

    Copies come first: one run, or as many as `runs` says, claim one shard after another until none is left. Then each
    shard that failed is retried by a run of its own. Deletes start when every copy shard is finished, in the same way,
    and the verification when every delete shard is. Retries have exponential backoff. A shard that has failed
    `shard_attempts` times is given up, which blocks the following actions.

    Args:
        status: how far the plan came.
        tries: the runs of its shards so far, by partition key, and those of the `VERIFICATION`.
        loops: the runs of all that is left, by action.
        mode: what may be done automatically.
        rules: how often, and after which delays, runs are retried.
        now: the time of this tick.
        is_verified: whether the plan was verified, with or without differences.
    """
    plan = status.plan.id
    if mode == "never":
        return Decision.over('apply is "never": plans are applied manually')
    if status.plan.as_of is not None:
        return Decision.over(f"plan {plan} is of {status.plan.as_of.described}: it is applied manually")
    for action in _ACTIONS[mode]:
        refusal = status.refusal(action)
        is_whole = refusal is not None and refusal.rule == ONE_BUCKET
        if not status.unfinished(action) and not is_whole:
            continue
        if refusal is not None:
            return Decision.over(f"plan {plan} is {refusal.described}")
        return _Action(status, action, tries, loops.get(action, Loops()), rules, now).decide()
    left = status.unfinished("delete")
    if left:
        return Decision.over(f'plan {plan}: copies are finished; apply is "copies", so deletes are started manually')
    if is_verified:
        return Decision.over(f"plan {plan} is finished and verified")
    return _verify(plan, tries.get(VERIFICATION, Tries()), rules, now)


class _Action:
    """What is left of one action of a plan."""

    def __init__(
        self,
        status: PlanStatus,
        action: Action,
        tries: Mapping[str, Tries],
        loops: Loops,
        rules: Automation,
        now: datetime,
    ) -> None:
        self._plan = status.plan
        self._action: Action = action
        self._loops = loops
        self._rules = rules
        self._now = now
        self._busy = sum(tried.is_going_on for tried in tries.values())
        self._left: dict[str, Tries] = {}
        self._fresh: list[str] = []
        for shard in status.shards:
            if shard.shard.action != action or shard.state is ShardState.FINISHED:
                continue
            key = status.plan.partition_key(shard.shard)
            self._left[key] = self._tries_of(shard, tries.get(key, Tries()))
            if not self._left[key].failures and not self._left[key].is_going_on:
                self._fresh.append(key)

    def _tries_of(self, shard: ShardStatus, tried: Tries) -> Tries:
        """The runs of one shard; a loop that left it failed counts as the first."""
        by_loops = 1 if shard.state is ShardState.FAILED and self._loops.made else 0
        failures = max(tried.failures + by_loops, tried.number)
        return Tries(failures, tried.last_end or self._loops.last_end, tried.is_going_on)

    def decide(self) -> Decision:
        most_loops = min(self._rules.runs - self._loops.going_on, len(self._fresh))
        gave_up_loops = self._loops.failures >= self._rules.shard_attempts * self._rules.runs
        if most_loops > 0 and not gave_up_loops and self._is_loop_due():
            numbers = range(self._loops.made + 1, self._loops.made + 1 + most_loops)
            requests = tuple(Request(self._action, LOOP, number) for number in numbers)
            return Decision(requests, self._reason({"started now": len(self._left)}))
        if self._loops.going_on:
            # They also retry what failed before; what fails in them is retried afterwards.
            return Decision((), self._reason({"running": len(self._left)}))
        left_by_loops = {f"left by {self._loops.failures} runs that failed": len(self._fresh)} if gave_up_loops else {}
        waiting = {} if gave_up_loops else {"waiting for the next run": len(self._fresh)}
        return self._retry({**left_by_loops, **waiting}, (LOOP,) if gave_up_loops and self._fresh else ())

    def _is_loop_due(self) -> bool:
        if self._loops.last_end is None:
            return True
        # Also after a successful one: what it left may be claimed by another process.
        failures = max(1, self._loops.failures // self._rules.runs)
        return _is_due(Tries(failures, self._loops.last_end), self._rules, self._now)

    def _retry(self, figures: Mapping[str, int], given_up_loops: tuple[str, ...]) -> Decision:
        """Retry shards that failed, each by a run of its own."""
        fresh = set(self._fresh)
        tried = {key: tries for key, tries in self._left.items() if key not in fresh}
        at_rest = {key: tries for key, tries in tried.items() if not tries.is_going_on}
        most = self._rules.shard_attempts
        given_up = [key for key, tries in at_rest.items() if tries.failures >= most]
        due = [
            key for key, tries in at_rest.items() if tries.failures < most and _is_due(tries, self._rules, self._now)
        ]
        # Fewest failures first, so that they never wait for shards that fail again and again.
        due.sort(key=lambda key: (tried[key].failures, key))
        # `_busy` counts runs that are about to end though their shard is finished.
        begun = due[: max(0, MOST_AT_ONCE - self._busy)]
        parts = {
            "running": len(tried) - len(at_rest),
            "started now": len(begun),
            "waiting for other runs": len(due) - len(begun),
            "waiting for retry": len(at_rest) - len(given_up) - len(due),
            f"given up after {self._rules.shard_attempts} attempts": len(given_up),
        }
        requests = tuple(Request(self._action, key, tried[key].failures + 1) for key in begun)
        is_over = len(given_up) == len(tried) and (bool(given_up_loops) or not fresh)
        return Decision(requests, self._reason({**figures, **parts}), (*given_up_loops, *given_up), is_over=is_over)

    def _reason(self, parts: Mapping[str, int]) -> str:
        total = self._plan.total(self._action).shards
        named = {"finished": total - len(self._left), **parts}
        figures = ", ".join(f"{count:,} {part}" for part, count in named.items() if count)
        return f"plan {self._plan.id}, {total:,} {self._action} shards: {figures}"


def _verify(plan: str, tried: Tries, rules: Automation, now: datetime) -> Decision:
    failures = max(tried.failures, tried.number)
    if tried.is_going_on:
        return Decision((), f"plan {plan} is being verified")
    if failures >= rules.shard_attempts:
        reason = f"plan {plan} is finished; its verification is given up after {rules.shard_attempts} attempts"
        return Decision.over(reason, (VERIFICATION,))
    if not _is_due(tried, rules, now):
        return Decision((), f"plan {plan} is finished; its verification is waiting for retry")
    request = Request("verify", VERIFICATION, failures + 1)
    return Decision((request,), f"plan {plan} is finished: verifying it")


def _is_due(tried: Tries, rules: Automation, now: datetime) -> bool:
    if not tried.failures or tried.last_end is None:
        return True
    # Exponential backoff. The exponent is capped: 2 ** 100 seconds would overflow a timedelta.
    delay = timedelta(seconds=rules.retry_seconds * 2 ** min(tried.failures - 1, 30))
    return now >= tried.last_end + min(delay, _LONGEST_DELAY)
