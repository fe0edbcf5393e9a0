"""The limits on bandwidth and requests of a sync, in shares for all that work on it at the same time.

    sharing/<actor>.<pid>   written every few seconds by each process that takes part, removed at its end

The processes of one command are started by it, so their shares are exact from the beginning. Commands and runs that
come or go, also on other machines, are noticed with the next beat.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.s3.connection.rate_limit import RateLimits
from hyve_pipeline.state.files import Folder

_FOLDER = "sharing"

# Seconds between two beats, in a local folder and in a bucket.
_LOCAL_BEAT = 2.0
_BEAT = 8.0

# After so many beats a process counts as dead.
_STALE_BEATS = 4

# Files of dead processes are removed after so many seconds.
_KEPT_SECONDS = 3600.0


class RateShares:
    """The share of this process. Thread-safe; another process that gets it begins with limits of its own.

    Args:
        processes: how many processes of the command or run work beside each other, this one included.
        beat: seconds between two beats; by default what suits the state.
    """

    def __init__(self, processes: int = 1, beat: float | None = None) -> None:
        self._processes = processes
        self._beat = beat
        self._lock = Lock()
        self._limits: RateLimits | None = None
        self._entered = 0

    def __reduce__(self) -> tuple[type["RateShares"], tuple[int, float | None]]:
        """Without the limits: a token bucket is that of one process."""
        return RateShares, (self._processes, self._beat)

    def limits(self, options: Options) -> RateLimits | None:
        """The limits of this process, the same for all of its connections; None where the options set none."""
        if options.bandwidth is None and options.requests_per_second is None:
            return None
        with self._lock:
            if self._limits is None:
                self._limits = RateLimits(options.bandwidth, options.requests_per_second)
                self._limits.share_among(self._processes)
            return self._limits

    def divided(self, processes: int) -> "RateShares":
        """What each of so many processes of this command or run gets."""
        return RateShares(self._processes * processes, self._beat)

    @contextmanager
    def sharing(self, options: Options, state: Folder, actor: Actor) -> Iterator[None]:
        """Share the limits with the other commands and runs that do the same, until the block ends.

        Args:
            options: those of the sync.
            state: the sync's state.
            actor: the command or run of this process.
        """
        limits = self.limits(options)
        with self._lock:
            is_first = not self._entered
            self._entered += 1
        try:
            if limits is None or not is_first:
                yield
                return
            with self._counting(limits, state.below(_FOLDER), actor):
                yield
        finally:
            with self._lock:
                self._entered -= 1

    @contextmanager
    def _counting(self, limits: RateLimits, folder: Folder, actor: Actor) -> Iterator[None]:
        beat = self._beat or (_BEAT if folder.local_path is None else _LOCAL_BEAT)
        name = f"{actor.id}.{os.getpid()}"
        ended = Event()

        def count() -> None:
            # Without an answer of the state, the last count goes on; the work itself reports what is wrong there.
            with suppress(HyveError):
                folder.write_text(name, actor.host)
                limits.share_among(self._processes * _actors(folder, actor, beat * _STALE_BEATS))

        def run() -> None:
            while not ended.wait(beat):
                count()

        count()
        thread = Thread(target=run, name="rate-shares", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            limits.share_among(self._processes)
            with suppress(HyveError):
                folder.remove(name)


def _actors(folder: Folder, actor: Actor, stale: float) -> int:
    """How many commands and runs take part, this one included."""
    entries = folder.entries()
    for entry in entries:
        if entry.age > _KEPT_SECONDS:
            folder.remove(entry.name)
    living = {entry.name.rpartition(".")[0] for entry in entries if entry.age <= stale}
    return len(living | {actor.id})
