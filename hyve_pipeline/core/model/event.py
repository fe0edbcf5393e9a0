"""What was done with a sync: one event for each inventory, plan, shard, verification, undo and proof.

Events are in the state and ordered by it, from commands and runs of Dagster alike. They contain ids and no figures:
those are in the manifests and journals that the ids name.
"""

import getpass
import os
import socket
import uuid
from datetime import datetime
from enum import StrEnum

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.inventory import Side


class EventKind(StrEnum):
    """What was done; the comments name the members of an event that are set."""

    INVENTORY_TAKEN = "inventory_taken"  # side, inventory
    PLAN_FROZEN = "plan_frozen"  # plan, diff; refused or not
    PLAN_APPROVED = "plan_approved"  # plan
    SHARD_ENDED = "shard_ended"  # plan, shard, attempt; finished or with failures
    PLAN_VERIFIED = "plan_verified"  # plan, verification; whether it holds or not
    PLAN_UNDONE = "plan_undone"  # plan, undo
    RESTORES_ASKED = "restores_asked"  # plan, restore
    PLAN_PROVED = "plan_proved"  # plan, verification
    PLANS_DROPPED = "plans_dropped"  # dropped


class Actor(Frozen):
    """Who did it.

    Attributes:
        id: the id of the Dagster run, or of the command; journals contain it too.
        command: the command, such as ``sync``; None for a run of Dagster.
        host, user, pid: of the process.
        is_unlogged: whether it is a run of Dagster that logs nothing of what it does, so that the sensor reports it.
    """

    id: str
    command: str | None = None
    host: str
    user: str
    pid: int
    is_unlogged: bool = False

    @classmethod
    def of_command(cls, command: str) -> "Actor":
        """This process, which executes a command."""
        return cls(id=str(uuid.uuid4()), command=command, host=socket.gethostname(), user=_user(), pid=os.getpid())

    @classmethod
    def of_run(cls, run_id: str) -> "Actor":
        """This process, which executes a run of Dagster."""
        return cls(id=run_id, host=socket.gethostname(), user=_user(), pid=os.getpid())

    def unlogged(self) -> "Actor":
        """The same, for a run that leaves it to the sensor to report what it does."""
        return self.model_copy(update={"is_unlogged": True})

    @property
    def run(self) -> str | None:
        """The id of the Dagster run; None for a command."""
        return self.id if self.command is None else None

    @property
    def dagster_run(self) -> str | None:
        """The id of the Dagster run whose events Dagster has logged already; None for a command or an unlogged run."""
        return None if self.is_unlogged else self.run


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without an entry, as in some containers
        return str(os.getuid())


class Event(Frozen):
    """One thing that was done.

    Attributes:
        number: from 1, without gaps; the order of events.
        kind: what was done.
        at: when, by the clock of the host that did it.
        actor: who did it.
        plan: the id of the plan.
        side, inventory: which bucket was listed, and the id of its inventory.
        diff: the id of the diff that the plan was made from.
        shard, attempt: the numbers of a shard and of the attempt that completed.
        verification: the name of the verification among those of its plan: the id of the inventory that it compared.
        undo: the number of the undo among those of its plan.
        restore: the id of what was asked for of archived objects.
        dropped: the ids of plans that were removed from the state.
    """

    number: int
    kind: EventKind
    at: datetime
    actor: Actor
    plan: str | None = None
    side: Side | None = None
    inventory: str | None = None
    diff: str | None = None
    shard: int | None = None
    attempt: int | None = None
    verification: str | None = None
    undo: int | None = None
    restore: str | None = None
    dropped: tuple[str, ...] = ()
