"""``hyve show --watch``: how a plan goes on, whatever works at it, until it is done or nobody does any more."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hyve_pipeline.cli.activities import Activities
from hyve_pipeline.cli.output import say
from hyve_pipeline.cli.plan_text import describe_next
from hyve_pipeline.cli.progress import has_bars
from hyve_pipeline.cli.signals import ending_signals_interrupt
from hyve_pipeline.cli.typed import typed
from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.errors import InterruptedRunError
from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action
from hyve_pipeline.core.model.status import PlanStatus, ShardStatus
from hyve_pipeline.core.runtime.interruption import pause
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import last_undo, plan_status

_DONE: dict[Action, str] = {"copy": "copied", "delete": "deleted"}

# A command that copies and then deletes lets go of the plan for a moment in between.
_IDLE_READS = 2


def watch_plan(sync: SyncContext, plan: Plan, seconds: float) -> int:
    """Show the progress of a plan until it is done, or until nobody works at it; only the state is read.

    Args:
        sync: the sync.
        plan: the plan.
        seconds: the time between two reads of the state.

    Returns:
        The exit code.

    Raises:
        InterruptedRunError: the user ended the watch.
        StateError: the state can't be read.
    """
    say(f"plan {plan.id}: {plan.source.uri} to {plan.store.uri}")
    finished: dict[int, ShardStatus] = {}
    idle = 0
    try:
        with ending_signals_interrupt(), _view() as view:
            while True:
                # First who works at it: what is read afterwards is what the last one left.
                idle = 0 if sync.applied_beside() == plan.id else idle + 1
                status = plan_status(sync, plan, finished)
                view.show(status)
                if status.state in ("finished", "empty") or idle >= _IDLE_READS:
                    break
                pause(seconds)
    except KeyboardInterrupt as interrupt:
        raise InterruptedRunError(f"interrupted: the watch ended, plan {plan.id} goes on") from interrupt
    say(_ending(status))
    describe_next(sync, status, is_undone=last_undo(sync, plan) > 0)
    return 0


def _ending(status: PlanStatus) -> str:
    """Why the watch ended."""
    plan = status.plan
    if status.state in ("finished", "empty"):
        return f"plan {plan.id} is done"
    left = [_left(status, action) for action in ACTIONS if status.unfinished(action)]
    failed = sum(status.tally(action).failed for action in ACTIONS)
    more = f", {failed:,} failed: '{typed(f'show {plan.id} --failed')}' says why" if failed else ""
    return f"nobody works at plan {plan.id}; left: {', '.join(left)}{more}"


def _left(status: PlanStatus, action: Action) -> str:
    """The objects that are not settled, or the shards of which only the end is missing."""
    tally = status.tally(action)
    objects = status.plan.total(action).objects - tally.done - tally.skipped
    shards = counted(len(status.unfinished(action)), "shard")
    return f"{counted(objects)} to {action}" if objects else f"the end of {shards} to {action}"


class _View:
    """Lines: one whenever something has changed."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, status: PlanStatus) -> None:
        """Show how far the plan came."""
        parts: list[str] = []
        for action in ACTIONS:
            planned, tally = status.plan.total(action).objects, status.tally(action)
            if planned:
                parts.append(f"{_DONE[action]} {tally.done:,} of {planned:,}, {readable_bytes(tally.bytes)}")
                parts += [f"{tally.skipped:,} skipped"] if tally.skipped else []
                parts += [f"{tally.failed:,} failed"] if tally.failed else []
        line = ", ".join([status.state, *parts])
        if line != self._last:
            self._last = line
            say(line)
            sys.stdout.flush()


class _Bars(_View):
    """The bars of commands, moved by what the state says."""

    def __init__(self, bars: Activities) -> None:
        super().__init__()
        self._bars = bars

    def show(self, status: PlanStatus) -> None:
        for action in ACTIONS:
            total, tally = status.plan.total(action), status.tally(action)
            if not total.objects or not (status.has_begun(action) or action == "copy"):
                continue
            known = self._bars.find(action)
            if known is None:
                self._bars.expect(action, total.objects, total.bytes)
                known = self._bars.find(action)
            assert known is not None  # noqa: S101
            done = tally.done + tally.skipped + tally.failed
            if not known.is_done:
                self._bars.advance(action, done - known.objects, tally.bytes - known.size)
                known.failed = tally.failed
                if not status.unfinished(action):
                    self._bars.end(action, None, None, tally.failed)


@contextmanager
def _view() -> Iterator[_View]:
    if not has_bars(sys.stdout):
        yield _View()
        return
    from hyve_pipeline.cli.bars import showing_bars

    with showing_bars(sys.stdout) as bars:
        yield _Bars(bars)
