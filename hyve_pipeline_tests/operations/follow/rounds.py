"""Rounds of events, one at a time."""

from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.follow.follow import follow_once, open_queue
from hyve_pipeline.operations.follow.round import Round


def one_round(context: SyncContext) -> Round:
    """Do a round with the messages that are there."""
    with open_queue(context) as queue:
        return follow_once(context, queue, settle_seconds=0)
