"""Checks whether the queue of a sync's events can be used."""

from collections.abc import Iterator

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.model.findings import Finding, Verdict, failed
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.follow.follow import open_queue


def examine_queue(sync: SyncContext) -> Iterator[Finding]:
    """Check that the queue can be reached, and that messages which are not understood leave it some day.

    No message is received: that would hide it from others for a while.
    """
    events = sync.settings.events
    if events is None:
        return
    try:
        with open_queue(sync) as queue:
            waiting, redrive = queue.waiting(), queue.redrive_policy()
    except HyveError as error:
        yield failed("events", "queue", error)
        return
    messages = counted(waiting, "message waits", "messages wait")
    yield Finding("events", "queue", Verdict.OK, f"{events.queue_url} can be reached, about {messages}")
    if redrive is None:
        detail = (
            f"{events.queue_url} has no redrive policy: a message that is not understood comes again until it is too "
            "old; set one, with a dead-letter queue"
        )
        yield Finding("events", "queue", Verdict.WARN, detail)
