"""One plan of a sync is applied at a time, by one or many processes; a plan is undone by one process alone.

In a local folder, locks of the operating system see to that, see `locks`. In a bucket, each plan that is applied begins
a numbered epoch, and each process that takes part is a member, kept by a heartbeat:

    epochs/<number>/epoch.json, members/<nonce>

An epoch lives while a member does. The next one is created under a condition when the newest has no living member. A
member writes its file first and then looks for a greater number, and the creator of a number looks for members of the
one before afterwards, so of two that do both at the same time at least one sees the other and withdraws.
"""

import random
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from hyve_pipeline.core.base.errors import RefusedError, StateError
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.state.claims import numbers_of
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.heartbeat import ClaimTimes, Heartbeat, elapsed_time
from hyve_pipeline.state.holder import Holder
from hyve_pipeline.state.locks import locked_beside, locking
from hyve_pipeline.state.storage.storage import Entry, MissingFileError

_EPOCH = "epoch.json"
_MEMBERS = "members"

# How often a process tries to become a member where another one came between, and how long it waits at most.
_TRIES = 8
_MOST_PAUSE = 1.0


class Epoch(Protocol):
    """The part of this process in applying a plan."""

    def check(self) -> None:
        """Check that no other plan can be applied now. Cheap: it sends nothing.

        Raises:
            ClaimLostError: one may be.
        """
        ...

    def renew(self) -> None:
        """Take part again if the part was lost, as when the machine slept.

        Raises:
            RefusedError: another plan is being applied meanwhile, or this one is being undone.
            StateError: the state can't be read or written.
        """
        ...


class _Record(Frozen):
    """An epoch: what is applied, and whether by one process alone."""

    plan: str
    alone: bool


@contextmanager
def applying(
    state: Folder, sync: str, plan_id: str, actor: Actor, *, alone: bool = False, times: ClaimTimes | None = None
) -> Iterator[Epoch]:
    """Prevent other plans of the sync from being applied until the block ends.

    Args:
        state: the sync's state.
        sync: its name.
        plan_id: the plan that is applied, perhaps by other processes too.
        actor: the command or run that does it, for the record.
        alone: lock out other processes that apply this plan, as undo does.
        times: the intervals of heartbeats in a bucket.

    Raises:
        RefusedError: another plan of the sync is being applied, or this one by another process, and one of both is
            `alone`.
        StateError: the state can't be read or written.
    """
    if state.local_path is not None:
        with locking(state, sync, plan_id, alone=alone):
            yield _LocalEpoch()
        return
    member = _Member(state, sync, _Record(plan=plan_id, alone=alone), actor, times or ClaimTimes())
    member.join()
    try:
        yield member
    finally:
        member.leave()


def applied_beside(state: Folder, plan_id: str | None = None, times: ClaimTimes | None = None) -> str | None:
    """The plan, other than `plan_id`, that is being applied; None when there is none.

    Raises:
        StateError: the state can't be read.
    """
    if state.local_path is not None:
        return locked_beside(state, plan_id)
    folder = _folder(state)
    entries = folder.entries(recursive=True)
    newest = _newest(entries)
    if not _living(folder, entries, newest, times or ClaimTimes()):
        return None
    plan = folder.read_manifest(f"{_numbered(newest)}/{_EPOCH}", _Record).plan
    return None if plan == plan_id else plan


class _LocalEpoch:
    def check(self) -> None:
        """The operating system takes a lock from no process."""

    def renew(self) -> None:
        pass


class _Member:
    def __init__(self, state: Folder, sync: str, record: _Record, actor: Actor, times: ClaimTimes) -> None:
        self._folder = _folder(state)
        self._sync = sync
        self._record = record
        self._holder = Holder.this_process(actor)
        self._times = times
        self._file = ""
        self._heartbeat: Heartbeat | None = None

    def check(self) -> None:
        assert self._heartbeat is not None  # noqa: S101
        self._heartbeat.check()

    def renew(self) -> None:
        if self._heartbeat is None or self._heartbeat.is_lost:
            self.leave()
            self.join()

    def join(self) -> None:
        for number in range(_TRIES):
            if number:
                # Not together with the process that came between.
                time.sleep(random.uniform(0, _MOST_PAUSE))  # noqa: S311
            entries = self._folder.entries(recursive=True)
            newest = _newest(entries)
            living = _living(self._folder, entries, newest, self._times)
            if living:
                self._refuse(newest, living)
            if self._enter(newest if living else newest + 1, is_new=not living):
                return
        detail = f"plan {self._record.plan} of sync {self._sync}: other processes begin to apply plans at the same time"
        raise RefusedError("one_at_a_time", f"{detail}; run the command again")

    def leave(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.end()
            self._heartbeat = None
        with suppress(StateError):  # it counts as dead after a minute
            self._folder.remove(self._file)

    def _enter(self, number: int, *, is_new: bool) -> bool:
        """Become a member of an epoch; False where another process came between."""
        sent = elapsed_time()
        self._file = f"{_numbered(number)}/{_MEMBERS}/{uuid.uuid4().hex}"
        self._folder.write_manifest(self._file, self._holder)
        body = self._folder.read_text(self._file).encode()
        try:
            is_mine = not is_new or self._folder.create_manifest(f"{_numbered(number)}/{_EPOCH}", self._record)
            entries = self._folder.entries(recursive=True)
            if is_mine and is_new and _living(self._folder, entries, number - 1, self._times):
                is_mine = False
        except BaseException:
            self.leave()
            raise
        if not is_mine or _newest(entries) > number:
            self.leave()
            return False
        subject = f"plan {self._record.plan} of sync {self._sync}"
        hasty = self._folder.impatient(self._times.answer)
        self._heartbeat = Heartbeat(
            self._folder,
            self._file,
            body,
            subject,
            self._times,
            lambda: max(map(int, filter(str.isdecimal, hasty.names())), default=0) > number,
        )
        self._heartbeat.begin(sent)
        if is_new:
            with suppress(StateError):
                for earlier in numbers_of(entries):
                    if earlier < number:
                        self._folder.remove(_numbered(earlier))
        return True

    def _refuse(self, number: int, living: Sequence[Holder]) -> None:
        """Refuse to take part beside the members of a living epoch, where that must not be."""
        found = self._folder.read_manifest(f"{_numbered(number)}/{_EPOCH}", _Record)
        plan, by = self._record.plan, living[0].in_words
        if found.plan != plan:
            detail = f"is being applied by {by}; apply plan {plan} when that has ended"
        elif found.alone:
            detail = f"is being undone by {by}"
        elif self._record.alone:
            detail = f"is being applied or undone by {by}"
        else:
            return
        raise RefusedError("one_at_a_time", f"plan {found.plan} of sync {self._sync} {detail}")


def _folder(state: Folder) -> Folder:
    return state.below("epochs")


def _numbered(number: int) -> str:
    return f"{number:06d}"


def _newest(entries: Sequence[Entry]) -> int:
    """The number of the newest epoch; 0 when there is none."""
    return max((int(entry.name.split("/")[0]) for entry in entries if entry.name.endswith(f"/{_EPOCH}")), default=0)


def _living(folder: Folder, entries: Sequence[Entry], number: int, times: ClaimTimes) -> list[Holder]:
    """The living members of an epoch."""
    found: list[Holder] = []
    for entry in entries:
        if entry.name.startswith(f"{_numbered(number)}/{_MEMBERS}/") and entry.age <= times.stale:
            with suppress(MissingFileError):  # it has left just now
                holder = folder.read_manifest(entry.name, Holder)
                if not holder.has_ended:
                    found.append(holder)
    return found
