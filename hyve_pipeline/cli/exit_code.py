"""The exit code of a command that was cut short: 2 and 4 mean that nothing was changed, so it must be known."""

from collections.abc import Callable

from hyve_pipeline.cli.failures import known_error
from hyve_pipeline.core.base.errors import HyveError, StateError

_NOTHING_CHANGED = (2, 4)


def has_acted(says: Callable[[], bool], seen: Callable[[], bool]) -> bool:
    """Whether a command has changed something.

    Args:
        says: reads it from the state.
        seen: what this process itself has seen of it, for a state that can't be read any more.
    """
    try:
        return says()
    except StateError:
        return seen()


def changed_error(failure: Exception | KeyboardInterrupt, has_changed: Callable[[], bool]) -> HyveError:
    """The error, with exit code 1 if its own code would wrongly mean that nothing was changed."""
    error = known_error(failure)
    if error.exit_code not in _NOTHING_CHANGED or not has_changed():
        return error
    return HyveError(f"{error}; what was done before is in the journal, run it again")
