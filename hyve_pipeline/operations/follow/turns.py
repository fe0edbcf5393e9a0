"""Rounds of events, and the work of plans of all keys: they take turns, so that neither disturbs the other.

A round claims its turn first, and then looks whether a plan of all keys is made or applied; who makes or applies one
claims that first, and then waits until no round has its turn. So at least one of two that begin at the same time sees
the other, and it is always the round that gives way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from hyve_pipeline.core.base.errors import RefusedError
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.planning import is_planning
from hyve_pipeline.state.following import take_turn

# The rule that refuses a round beside another one, or beside a plan of all keys.
ONE_AT_A_TIME = "one_at_a_time"


def busy_with(context: SyncContext) -> str | None:
    """What another process does with the sync, so that events have to wait; None where nothing is in the way.

    A plan of all keys is not disturbed: neither its inventories and what is remembered while it is made, nor the store
    while it is applied, also by jobs of S3 Batch Operations that no process follows now.

    Raises:
        StateError: the state can't be read.
    """
    if is_planning(context):
        return "a plan of all keys is being made"
    return context.applying_beside()


@contextmanager
def turn_of_events(context: SyncContext) -> Iterator[SyncContext]:
    """The sync for a round of events: until the block ends, no plan of all keys is made or applied.

    Raises:
        RefusedError: on entering, another process is doing that, or has a round of its own.
        StateError: the state can't be read or written.
    """
    claim = take_turn(context.state, context.actor, context.claim_times)
    if claim is None:
        raise RefusedError(ONE_AT_A_TIME, f"another process follows the events of sync {context.name}")
    with claim:
        busy = busy_with(context)
        if busy is not None:
            raise RefusedError(ONE_AT_A_TIME, busy)
        yield replace(context, has_turn=True)
