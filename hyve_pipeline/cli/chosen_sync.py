"""The sync that a command works on, its progress, and what its interrupts do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hyve_pipeline.cli.alerts import alert_at_end
from hyve_pipeline.cli.interrupted import last_words
from hyve_pipeline.cli.output import warn
from hyve_pipeline.cli.progress import showing_progress
from hyve_pipeline.cli.signals import ending_signals_interrupt
from hyve_pipeline.core.base.errors import InterruptedRunError
from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.core.runtime import startup
from hyve_pipeline.operations.context import Home, SyncContext, syncs_with_same_store


@contextmanager
def opened(
    home: Path,
    sync_name: str | None,
    command: str,
    choose: Callable[[Home, str | None], SyncContext] = SyncContext.choose,
) -> Iterator[SyncContext]:
    """A sync for a command to work on, with progress shown until the block ends; see `chosen` and `working`."""
    sync = chosen(home, sync_name, command, choose)
    with working(sync):
        yield sync


def chosen(
    home: Path,
    sync_name: str | None,
    command: str,
    choose: Callable[[Home, str | None], SyncContext] = SyncContext.choose,
) -> SyncContext:
    """A sync for a command to work on.

    Args:
        home: the home.
        sync_name: the value of ``--sync``, or None.
        command: the command's name, for the journal and the events.
        choose: finds the sync.

    Raises:
        ConfigurationError: the configuration is wrong, or the sync can't be chosen.
    """
    sync = choose(Home(home), sync_name).acting_as(Actor.of_command(command))
    alert_at_end(sync)
    for other in syncs_with_same_store(sync):
        warn(
            f"warning: syncs {sync.name} and {other} have the same store {sync.settings.store.uri}: unless filters "
            "keep them apart, each deletes what the other copies"
        )
    return sync


@contextmanager
def working(sync: SyncContext) -> Iterator[None]:
    """Show the progress of the block, and let signals interrupt it.

    A command that asks the user does so between two such blocks.

    Raises:
        InterruptedRunError: a signal came.
    """
    try:
        with ending_signals_interrupt(last_words), showing_progress(sync.name) as last_words.activities:
            startup.finish()
            yield
    except KeyboardInterrupt as interrupt:
        raise InterruptedRunError(last_words()) from interrupt
