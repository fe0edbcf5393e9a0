"""Which process holds something of a state, as it is recorded there."""

import os

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.core.runtime.pid import is_running, pid_system


class Holder(Frozen):
    """A process.

    Attributes:
        actor: the command or run that it executes, perhaps beside other processes.
        pid: its process id.
        system: where that id means something, see `pid_system`.
    """

    actor: Actor
    pid: int
    system: str | None

    @classmethod
    def this_process(cls, actor: Actor) -> "Holder":
        """This process, which executes a command or run."""
        return cls(actor=actor, pid=os.getpid(), system=pid_system())

    @property
    def has_ended(self) -> bool:
        """Whether it is known that the process has ended: only a process of the same system knows it at once."""
        return self.system is not None and self.system == pid_system() and not is_running(self.pid)

    @property
    def in_words(self) -> str:
        """The process of the command or run, for messages; it may have others beside it."""
        return f"process {self.actor.pid} on {self.actor.host}"
