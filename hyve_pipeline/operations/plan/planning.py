"""Shows workers that a plan is being made, and lets them take part."""

from collections.abc import Iterator
from contextlib import contextmanager

from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.shared_listing import help_listings
from hyve_pipeline.operations.plan.shared_comparison import help_comparisons
from hyve_pipeline.state.claims import is_claimed, remove_earlier, take_claim
from hyve_pipeline.state.following import await_turn

_FOLDER = "planning"


@contextmanager
def planning(context: SyncContext) -> Iterator[None]:
    """Claim the making of a plan until the block ends; where another process has the claim, go on without it.

    A round of events that has begun before is waited for: no inventory is taken while it copies.

    Raises:
        StateError: the state can't be read or written.
    """
    folder = context.state.below(_FOLDER)
    claim = take_claim(folder, context.actor, name=f"the planning of sync {context.name}")
    if claim is None:
        yield
        return
    with claim:
        remove_earlier(folder, claim)
        await_turn(context.state, context.claim_times)
        yield


def is_planning(context: SyncContext) -> bool:
    """Whether a process is making a plan.

    Raises:
        StateError: the state can't be read.
    """
    return is_claimed(context.state.below(_FOLDER))


def help_planning(context: SyncContext) -> int:
    """Do free ranges of the listings and comparisons that are in progress.

    Returns:
        How many were done here.

    Raises:
        HyveError: a bucket can't be listed or reached, or the state can't be read or written.
    """
    return help_listings(context) + help_comparisons(context)
