"""What the sensor does next with a plan: decided anew at each look, from what is so at that moment.

Nothing is remembered from one look to the next, so whatever went wrong in between, the next look sees what is
left: a run that was lost, a shard that a person has finished, a plan that was approved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from hyve_pipeline.core.model.plan import Shard
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.core.settings.model import ApplyMode, Automation

Step = Literal["copy", "delete", "verify"]

# What stands for the verification of a plan where shards stand under their partition keys.
VERIFICATION = "verify"

# Runs that wait or go on at the same time by the sensor's doing: enough for the queue to be busy until the next
# look, and few enough for a person's own launch to have its turn.
MOST_AT_ONCE = 24

# However often it failed, it is tried again after an hour.
_LONGEST_DELAY = timedelta(hours=1)

_ACTIONS: dict[ApplyMode, tuple[Action, ...]] = {"never": (), "copies": ("copy",), "all": ("copy", "delete")}


@dataclass(frozen=True)
class Tries:
    """The runs of one shard, or of the verification, so far.

    Attributes:
        failures: how many have ended without success.
        last_end: when the last of these ended.
        is_going_on: whether one is queued or running.
    """

    failures: int = 0
    last_end: datetime | None = None
    is_going_on: bool = False


@dataclass(frozen=True)
class Request:
    """A run to be made.

    Attributes:
        step: which job.
        name: the partition key of the shard; `VERIFICATION` for the verification.
        attempt: its number, from 1: part of what makes the request the same at the next look.
    """

    step: Step
    name: str
    attempt: int


@dataclass(frozen=True)
class Decision:
    """What is to be done now, and why that and no more.

    Attributes:
        requests: the runs to make.
        reason: one line for a person.
        given_up: names of what has failed too often.
    """

    requests: tuple[Request, ...]
    reason: str
    given_up: tuple[str, ...] = ()


def decide(
    status: PlanStatus,
    tries: Mapping[str, Tries],
    mode: ApplyMode,
    rules: Automation,
    now: datetime,
    *,
    is_verified: bool,
) -> Decision:
    """Decide what to do next with a plan.

    Copies come first, shard by shard. Deletes come when every copy shard is finished, and the verification when
    every delete shard is. A shard that failed waits before it is run again, longer each time, and others go on
    meanwhile; one that has failed `shard_attempts` times is given up, and so holds up what comes after its action.

    Args:
        status: how far the plan came.
        tries: the runs of its shards so far, by partition key, and those of the `VERIFICATION`.
        mode: what may be done without a person.
        rules: how often, and after which delays, something is tried.
        now: the time of this look.
        is_verified: whether the plan was verified, whatever came of that.
    """
    plan = status.plan.id
    if mode == "never":
        return Decision((), 'apply is "never": plans are applied by a person')
    for action in _ACTIONS[mode]:
        unfinished = status.unfinished(action)
        if not unfinished:
            continue
        refusal = status.refusal(action)
        if refusal is not None:
            return Decision((), f"plan {plan} is refused by {refusal.rule}: {refusal.detail}")
        return _do_shards(status, action, unfinished, tries, rules, now)
    left = status.unfinished("delete")
    if left:
        return Decision((), f'plan {plan}: copies are finished; apply is "copies", so deletes are left to a person')
    if is_verified:
        return Decision((), f"plan {plan} is finished and verified")
    return _verify(plan, tries.get(VERIFICATION, Tries()), rules, now)


def _do_shards(
    status: PlanStatus,
    action: Action,
    unfinished: Sequence[Shard],
    tries: Mapping[str, Tries],
    rules: Automation,
    now: datetime,
) -> Decision:
    keys = {key: tries.get(key, Tries()) for key in map(status.plan.partition_key, unfinished)}
    going_on = [key for key, tried in keys.items() if tried.is_going_on]
    at_rest = {key: tried for key, tried in keys.items() if not tried.is_going_on}
    given_up = [key for key, tried in at_rest.items() if tried.failures >= rules.shard_attempts]
    due = [key for key, tried in at_rest.items() if key not in set(given_up) and _is_due(tried, rules, now)]
    # Those that never failed first: however many others fail, none of them waits for these.
    due.sort(key=lambda key: (keys[key].failures, key))
    # A run may go on for a moment though its shard is finished.
    busy = sum(tried.is_going_on for tried in tries.values())
    begun = due[: max(0, MOST_AT_ONCE - busy)]
    total = len(status.plan.shards_of(action))
    parts = {
        "finished": total - len(unfinished),
        "going on": len(going_on),
        "begun now": len(begun),
        "in line": len(due) - len(begun),
        "waiting to be tried again": len(at_rest) - len(given_up) - len(due),
        f"given up after {rules.shard_attempts} attempts": len(given_up),
    }
    figures = ", ".join(f"{count:,} {part}" for part, count in parts.items() if count)
    requests = tuple(Request(action, key, keys[key].failures + 1) for key in begun)
    return Decision(requests, f"plan {status.plan.id}, {total:,} {action} shards: {figures}", tuple(given_up))


def _verify(plan: str, tried: Tries, rules: Automation, now: datetime) -> Decision:
    if tried.is_going_on:
        return Decision((), f"plan {plan} is being verified")
    if tried.failures >= rules.shard_attempts:
        reason = f"plan {plan} is finished; its verification is given up after {rules.shard_attempts} attempts"
        return Decision((), reason, (VERIFICATION,))
    if not _is_due(tried, rules, now):
        return Decision((), f"plan {plan} is finished; its verification waits to be tried again")
    request = Request("verify", VERIFICATION, tried.failures + 1)
    return Decision((request,), f"plan {plan} is finished: verifying it")


def _is_due(tried: Tries, rules: Automation, now: datetime) -> bool:
    if not tried.failures or tried.last_end is None:
        return True
    # Doubled each time; capped before it is computed, as 2 ** 100 seconds is no time.
    delay = timedelta(seconds=rules.retry_seconds * 2 ** min(tried.failures - 1, 30))
    return now >= tried.last_end + min(delay, _LONGEST_DELAY)
