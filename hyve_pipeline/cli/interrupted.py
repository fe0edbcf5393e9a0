"""What a command says when it is interrupted: which plan, how far it came, and which command goes on."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from hyve_pipeline.cli.activities import Activities
from hyve_pipeline.cli.plan_text import next_command, of_plan
from hyve_pipeline.cli.typed import typed
from hyve_pipeline.core.base.errors import HyveError, InterruptedRunError
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import plan_status

_DONE = {"copy": "copied", "delete": "deleted"}

_BEFORE_STEPS = "interrupted: nothing was begun"
_BETWEEN_STEPS = "interrupted; what was done is in the journal"


class LastWords:
    """The line for an interrupt that does not wait for anything; it changes with the steps of a command.

    Attributes:
        activities: the figures of this process; None before there are any.
    """

    def __init__(self) -> None:
        self.activities: Activities | None = None
        self._describe: Callable[[Activities], str] | None = None
        self._has_begun = False

    def __call__(self) -> str:
        """The line."""
        if not self._has_begun:
            return _BEFORE_STEPS
        if self._describe is None or self.activities is None:
            return _BETWEEN_STEPS
        return self._describe(self.activities)

    @contextmanager
    def step(self, describe: Callable[[Activities], str]) -> Iterator[None]:
        """Let `describe` give the line within the block."""
        self._has_begun = True
        before, self._describe = self._describe, describe
        try:
            yield
        finally:
            self._describe = before


# A process executes one command at a time.
last_words = LastWords()


@contextmanager
def _step(describe: Callable[[], str], describe_at_once: Callable[[Activities], str] | None = None) -> Iterator[None]:
    """Turn an interrupt of the block into an error with a message.

    Args:
        describe: gives the message; it may read the state.
        describe_at_once: gives it from the figures of this process, for a second signal; None if it is the same.

    Raises:
        InterruptedRunError: the block was interrupted.
    """
    with last_words.step(describe_at_once or (lambda _: describe())):
        try:
            yield
        except (KeyboardInterrupt, InterruptedRunError) as interrupt:
            try:
                message = describe()
            except HyveError as error:
                message = f"{_BETWEEN_STEPS}, which can't be read now: {error}"
            raise InterruptedRunError(message) from interrupt


def adopting() -> AbstractContextManager[None]:
    """A block that remembers what is equal already, at its end."""
    message = f"interrupted: nothing was remembered; run '{typed('adopt')}' again"
    return _step(lambda: message)


def making_plan(sync: SyncContext) -> AbstractContextManager[None]:
    """A block that makes a plan."""
    before = sync.plans.newest_id()
    none_made = f"interrupted: no plan was made; run '{typed(f'{sync.actor.command}')}' again"

    def describe() -> str:
        made = sync.plans.newest_id()
        return none_made if made == before else f"interrupted: plan {made} was made; '{typed('copy')}' applies it"

    return _step(describe, lambda _: none_made)


def helping_to_plan(sync: SyncContext) -> AbstractContextManager[None]:
    """A block that does parts of the plan that another process makes."""
    line = f"interrupted while a plan was being made; '{typed(f'{sync.actor.command}')}' continues"
    return _step(lambda: line)


def applying_plan(sync: SyncContext, plan: Plan, action: Action) -> AbstractContextManager[None]:
    """A block that does the copies or deletes of a plan."""
    planned = plan.total(action).objects
    command = sync.actor.command
    own = action if command is None or command == "sync" else command
    again = f"'{typed(of_plan(sync, own, plan))}'"
    continues = f"{again} continues"

    def describe() -> str:
        status = plan_status(sync, plan)
        following = None if status.unfinished(action) else next_command(status, is_undone=False)
        tally = status.tally(action)
        # An attempt that was cut short after its last object still has to be ended.
        rest = continues if tally.done + tally.skipped < planned else f"{again} ends it"
        if following is not None:
            rest = f"'{typed(of_plan(sync, following, plan))}' is next"
        return line(f"{tally.done:,}", rest)

    def describe_at_once(activities: Activities) -> str:
        found = activities.find(action)
        # What was done before is not expected again.
        done = 0 if found is None else planned - found.expected + found.objects
        lease = "" if sync.state.local_path is not None else ", once its claims have expired after a minute"
        return line("?" if found is None else f"about {done:,}", continues) + lease

    def line(done: str, rest: str) -> str:
        return f"interrupted: plan {plan.id}: {done} of {planned:,} {_DONE[action]}; {rest}"

    return _step(describe, describe_at_once)


def verifying_plan(plan: Plan) -> AbstractContextManager[None]:
    """A block that verifies a plan."""
    line = f"interrupted: plan {plan.id} was not verified; run '{typed(f'verify --plan {plan.id}')}' again"
    return _step(lambda: line)


def undoing(what: str, arguments: str, count_restored: Callable[[], int]) -> AbstractContextManager[None]:
    """A block that undoes a plan, or several.

    Args:
        what: what it undoes, for the message.
        arguments: those of the command that continues.
        count_restored: gives how many objects it has put back so far.
    """
    again = typed(f"undo {arguments}")

    def line(about: str) -> str:
        return f"interrupted: undo of {what}: {about}{count_restored():,} put back; '{again}' continues"

    return _step(lambda: line(""), lambda _: line("about "))
