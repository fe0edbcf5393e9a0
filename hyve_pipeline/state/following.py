"""Whose turn it is: a round of events has a claim, which the work of plans of all keys waits for.

following/…     see `claims`
"""

from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.core.runtime.interruption import pause
from hyve_pipeline.state.claims import Claim, is_claimed, remove_earlier, take_claim
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.heartbeat import ClaimTimes

_FOLDER = "following"

# How often it is looked whether a round has ended.
_LOOK_SECONDS = 0.25


def take_turn(state: Folder, actor: Actor, times: ClaimTimes | None = None) -> Claim | None:
    """Claim the turn of a round of events; None where another process has it.

    Raises:
        StateError: it can't be claimed.
    """
    folder = state.below(_FOLDER)
    claim = take_claim(folder, actor, name="the turn of events", times=times)
    if claim is not None:
        remove_earlier(folder, claim)
    return claim


def is_turn_taken(state: Folder, times: ClaimTimes | None = None) -> bool:
    """Whether a process has a round of events.

    Raises:
        StateError: that can't be read.
    """
    return is_claimed(state.below(_FOLDER), times)


def await_turn(state: Folder, times: ClaimTimes | None = None) -> None:
    """Wait until no process has a round of events.

    Raises:
        StateError: that can't be read.
        KeyboardInterrupt: the wait was interrupted.
    """
    while is_turn_taken(state, times):
        pause(_LOOK_SECONDS)
