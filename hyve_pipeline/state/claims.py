"""Claims: at most one process works on something, such as a shard, and everything it writes bears the claim's number.

In a local folder a claim is a lock of the operating system, released with its owner, even if that is killed:

    <folder>/lock

In a bucket it is a numbered attempt, created under a condition, and kept by a heartbeat:

    <folder>/<number>/claim.json, beat, ended.json

The next number is free when the newest one was given back, when its process is known to have ended, or when nothing was
written to its folder for a minute by the server's clock. So a number belongs to one process for ever, and a greater
number means that its claim is lost.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol

from filelock import FileLock, Timeout

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, make_folder
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.heartbeat import ClaimLostError, ClaimTimes, Heartbeat, elapsed_time
from hyve_pipeline.state.holder import Holder
from hyve_pipeline.state.storage.storage import Entry, MissingFileError

__all__ = ["Claim", "ClaimLostError", "ClaimTimes", "is_claimed", "remove_earlier", "take_claim"]

_CLAIM = "claim.json"
_BEAT = "beat"
_ENDED = "ended.json"
_LOCK = "lock"

# The files of claims themselves: what else is in a numbered folder was written by the work.
CLAIM_FILES = frozenset({_CLAIM, _BEAT, _ENDED, _LOCK})


class Claim(Protocol):
    """A claim of this process. A context manager: leaving it gives the claim back.

    Attributes:
        number: greater than those of all claims on the same folder that were used before.
        takes_over: whether a claim before was not given back, so that its owner may still be about to write what it
            did; never in a local folder.
    """

    number: int
    takes_over: bool

    def check(self) -> None:
        """Check that the claim is still this process's. Cheap: it sends nothing.

        Raises:
            ClaimLostError: another process may have taken over.
        """
        ...

    def __enter__(self) -> "Claim":
        """See the class."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the claim back."""
        ...


def take_claim(
    folder: Folder,
    actor: Actor,
    *,
    name: str,
    is_wanted: Callable[[Sequence[Entry]], bool] = lambda _: True,
    times: ClaimTimes | None = None,
) -> Claim | None:
    """Claim what a folder stands for, unless another process has it.

    Args:
        folder: the folder; it need not exist. The work keeps its own files in the folder named by the claim's number,
            as `numbered` writes it.
        actor: the command or run that takes it, for the record.
        name: what is claimed, for messages.
        is_wanted: gets all files below the folder, as they are when the claim is taken: no other process can have
            claimed it since.
        times: the intervals of the heartbeats.

    Returns:
        The claim; None when another process has it, or it is not wanted.

    Raises:
        StateError: the folder can't be read or written.
    """
    if folder.local_path is not None:
        return _lock(folder, is_wanted)
    return _claim_number(folder, Holder.this_process(actor), name, is_wanted, times or ClaimTimes())


def is_claimed(folder: Folder, times: ClaimTimes | None = None) -> bool:
    """Whether a process has the claim of a folder. Nothing is written into a bucket for that.

    Raises:
        StateError: the folder can't be read.
    """
    if folder.local_path is not None:
        claim = _lock(folder, lambda _: True)
        if claim is None:
            return True
        with claim:
            return False
    entries = folder.entries(recursive=True)
    newest = max(numbers_of(entries), default=0)
    if not newest or any(entry.name == f"{numbered(newest)}/{_ENDED}" for entry in entries):
        return False
    return _is_alive(folder, entries, newest, times or ClaimTimes())


def remove_earlier(folder: Folder, claim: Claim) -> None:
    """Remove what claims before left of a folder that has no other files: in a bucket each leaves a folder.

    The one right before may be about to end, and stays.

    Raises:
        StateError: it can't be listed or removed.
    """
    for name in folder.names():
        if name.isdecimal() and int(name) < claim.number - 1:
            folder.remove(name)


def numbered(number: int) -> str:
    """The name of a number's folder."""
    return f"{number:04d}"


def numbers_of(entries: Sequence[Entry]) -> list[int]:
    """The numbers of the folders that these files are in, without repetition, in order."""
    return sorted({int(first) for entry in entries if (first := entry.name.partition("/")[0]).isdecimal()})


class _LocalClaim:
    takes_over = False

    def __init__(self, lock: FileLock, number: int) -> None:
        self.number = number
        self._lock = lock

    def check(self) -> None:
        """The operating system takes a lock from no process."""

    def __enter__(self) -> "Claim":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


def _lock(folder: Folder, is_wanted: Callable[[Sequence[Entry]], bool]) -> Claim | None:
    assert folder.local_path is not None  # noqa: S101
    path = folder.local_path / _LOCK
    lock = FileLock(path, mode=FILE_MODE)
    try:
        make_folder(path.parent)
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except OSError as error:
        raise StateError(f"{path}: can't be locked: {error.strerror or error}") from error
    try:
        entries = folder.entries(recursive=True)
        if is_wanted(entries):
            return _LocalClaim(lock, max(numbers_of(entries), default=0) + 1)
    except BaseException:
        lock.release()
        raise
    lock.release()
    return None


class _BucketClaim:
    def __init__(
        self, folder: Folder, number: int, *, name: str, sent: float, times: ClaimTimes, takes_over: bool
    ) -> None:
        self.number = number
        self.takes_over = takes_over
        self._folder = folder
        hasty = folder.impatient(times.answer)
        self._heartbeat = Heartbeat(
            folder,
            f"{numbered(number)}/{_BEAT}",
            b"",
            name,
            times,
            lambda: max(numbers_of(hasty.entries()), default=0) > number,
        )
        self._heartbeat.begin(sent)

    def check(self) -> None:
        self._heartbeat.check()

    def __enter__(self) -> "Claim":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heartbeat.end()
        if self._heartbeat.is_lost:
            return
        try:
            self._folder.write_text(f"{numbered(self.number)}/{_ENDED}", "")
        except StateError:
            # It is free when it is stale. What went wrong before is the better message.
            if error is None:
                raise


def _claim_number(
    folder: Folder, holder: Holder, name: str, is_wanted: Callable[[Sequence[Entry]], bool], times: ClaimTimes
) -> Claim | None:
    sent = elapsed_time()
    entries = folder.entries(recursive=True)
    numbers = numbers_of(entries)
    newest = numbers[-1] if numbers else 0
    names = {entry.name for entry in entries}
    left = [number for number in numbers if f"{numbered(number)}/{_ENDED}" not in names]
    if newest in left and _is_alive(folder, entries, newest, times):
        return None
    if not is_wanted(entries) or not folder.create_manifest(f"{numbered(newest + 1)}/{_CLAIM}", holder):
        return None
    # Others count from the creation, which came after `sent`.
    return _BucketClaim(folder, newest + 1, name=name, sent=sent, times=times, takes_over=bool(left))


def _is_alive(folder: Folder, entries: Sequence[Entry], number: int, times: ClaimTimes) -> bool:
    """Whether the process with a claim that was not given back may still be at work."""
    ages = [entry.age for entry in entries if entry.name.startswith(f"{numbered(number)}/")]
    return min(ages) <= times.stale and not _has_ended(folder, number)


def _has_ended(folder: Folder, number: int) -> bool:
    """Whether the process with a claim is known to have ended."""
    try:
        return folder.read_manifest(f"{numbered(number)}/{_CLAIM}", Holder).has_ended
    except MissingFileError:
        return False  # an attempt in a local folder that was copied into the bucket
