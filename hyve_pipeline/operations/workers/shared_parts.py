"""Parts of one piece of work, each claimed and done by one of several processes, also on other machines.

    <folder>/order.json                     what a process needs to take part
    <folder>/leader/…                       claimed by the process that needs the results, while it is alive
    <folder>/<part>/<attempt>/…             the files of one attempt at a part
    <folder>/<part>/<attempt>/summary.json  its result, written last

A process that loses its claim leaves files that nothing refers to.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.runtime.interruption import pause, raise_if_interrupted
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.state.claims import is_claimed, numbered, take_claim
from hyve_pipeline.state.heartbeat import ClaimLostError
from hyve_pipeline.state.storage.storage import Entry

Result = TypeVar("Result", bound=Frozen)

_POLL_SECONDS = 2.0
_LEADER = "leader"

# The manifest beside the parts with what a process needs to take part.
ORDER = "order.json"
_RESULT = "summary.json"


class SharedParts(Generic[Result]):
    """The parts of one piece of work.

    Args:
        context: the sync.
        folder: the folder of the parts, below the sync's state.
        count: how many parts there are.
        result: the manifest that each part results in.
        do: does a part, given its number from 0 and the folder for its files, below the sync's state.
        note_of_others: gets the result of each part that another process did, once, while this one leads.
        poll_seconds: seconds between two listings of the parts of other processes.
    """

    def __init__(
        self,
        context: SyncContext,
        folder: str,
        count: int,
        result: type[Result],
        do: Callable[[int, str], Result],
        *,
        note_of_others: Callable[[Result], None] = lambda _: None,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        self._context = context
        self._path = folder
        self._folder = context.state.below(folder)
        self._count = count
        self._result = result
        self._do = do
        self._note_of_others = note_of_others
        # The numbers of the parts that were done here.
        self._own: set[int] = set()
        self._poll_seconds = poll_seconds

    def lead(self, order: Frozen) -> list[Result]:
        """Offer the parts to other processes, do those that are free, and wait for the others.

        Args:
            order: what a process needs to know to take part.

        Returns:
            The results of all parts, in order.
        """
        self._folder.write_manifest(ORDER, order)
        leader = self._folder.below(_LEADER)
        claim = take_claim(leader, self._context.actor, name=f"the lead of {self._path}")
        if claim is None:
            raise RuntimeError(f"{self._folder.uri} has a leader already")
        with claim, self._context.sharing_rates():
            return self.all_results()

    def help(self) -> int:
        """Do each part that is free, while the process that needs the results is alive.

        Returns:
            How many were done here.
        """
        if not is_claimed(self._folder.below(_LEADER)):
            return 0
        with self._context.sharing_rates():
            return self.do_free()

    def do_free(self) -> int:
        """Do each part that is free, one after the other.

        Returns:
            How many were done here.
        """
        done = 0
        ready = self._results()
        for number in range(self._count):
            raise_if_interrupted()
            if number in ready:
                continue
            part = numbered(number)
            name = f"part {number} of {self._path}"
            claim = take_claim(self._folder.below(part), self._context.actor, name=name, is_wanted=_is_undone)
            if claim is None:
                continue
            attempt = f"{part}/{numbered(claim.number)}"
            try:
                with claim:
                    result = self._do(number, f"{self._path}/{attempt}")
                    claim.check()
                    self._folder.write_manifest(f"{attempt}/{_RESULT}", result)
            except ClaimLostError:
                continue
            self._own.add(number)
            done += 1
        return done

    def all_results(self) -> list[Result]:
        """Do what is free, wait for the others, and give the results of all parts in order."""
        results: dict[int, Result] = {}
        while True:
            done = self.do_free()
            for number, file in self._results().items():
                if number not in results:
                    results[number] = self._folder.read_manifest(file, self._result)
                    if number not in self._own:
                        self._note_of_others(results[number])
            if len(results) == self._count:
                return [results[number] for number in range(self._count)]
            if not done:
                pause(self._poll_seconds)

    def _results(self) -> dict[int, str]:
        """The result file of each part that is done; of the first attempt, where a part was done twice."""
        found: dict[int, str] = {}
        for entry in self._folder.entries(recursive=True):
            part, _, rest = entry.name.partition("/")
            if part.isdecimal() and rest.endswith(f"/{_RESULT}"):
                found.setdefault(int(part), entry.name)
        return found


def _is_undone(entries: Sequence[Entry]) -> bool:
    return not any(entry.name.endswith(f"/{_RESULT}") for entry in entries)
