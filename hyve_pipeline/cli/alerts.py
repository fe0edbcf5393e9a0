"""Sends alerts at the end of a command, so that a scheduler such as cron needs no Dagster for them."""

import sys

import click

from hyve_pipeline.cli.output import warn
from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.operations.command_alerts import CommandAlerts
from hyve_pipeline.operations.context import SyncContext


def alert_at_end(sync: SyncContext) -> None:
    """When the command ends that runs now, send what it did that requires an alert.

    A channel that does not work is a warning: it changes neither the exit code nor what the command has done.

    Args:
        sync: the sync, with the command as its actor.
    """
    command = click.get_current_context(silent=True)
    if command is None:
        return
    alerts = CommandAlerts(sync)

    def send() -> None:
        try:
            # Of the failure, if one ends the command.
            alerts.send(sys.exc_info()[1])
        except HyveError as problem:
            warn(f"warning: no alert was sent: {problem}")

    command.call_on_close(send)
