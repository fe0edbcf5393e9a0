"""The events of a sync on disk: one small file each, numbered without gaps.

    events/000000/00000001.json, 00000002.json, …, events/000001/00001000.json, …

The number orders them, not a clock: an event is created under the number after the newest one, or, where another
process took that first, under the next. So a reader finds the following events by name, without a listing.
"""

from datetime import UTC, datetime
from typing import Any

from hyve_pipeline.core.model.event import Actor, Event, EventKind
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.storage.storage import MissingFileError

# The number of events in a folder.
_FOLDER_EVENTS = 1_000


class EventLog:
    """The events of one sync.

    Args:
        state: the folder of the sync's state.
        folder_events: how many events share a folder; it must not change while there are any.
    """

    def __init__(self, state: Folder, *, folder_events: int = _FOLDER_EVENTS) -> None:
        self._folder = state.below("events")
        self._folder_events = folder_events
        # The last event that this object appended: while it is there, the one after it was not removed either, as the
        # oldest goes first, and can't be created where another process has done so.
        self._appended: int | None = None

    def append(self, kind: EventKind, actor: Actor, **members: Any) -> Event:
        """Record an event.

        Args:
            kind: what was done.
            actor: who did it.
            members: the other members of `Event`.

        Raises:
            StateError: it can't be written.
        """
        newest = self._appended
        if newest is not None and not self._folder.exists(self._path(newest)):
            newest = None
        while True:
            number = 1 + (self.newest_number() if newest is None else newest)
            event = Event(number=number, kind=kind, at=datetime.now(UTC), actor=actor, **members)
            if self._folder.create_manifest(self._path(number), event):
                self._appended = number
                return event
            newest = None

    def after(self, number: int, limit: int) -> list[Event]:
        """At most `limit` events after this number, in order; pruned ones are skipped.

        Raises:
            StateError: one is damaged.
        """
        events: list[Event] = []
        following = number + 1
        while len(events) < limit:
            try:
                events.append(self._folder.read_manifest(self._path(following), Event))
            except MissingFileError:
                oldest = 0 if events else self.oldest_number()
                if oldest <= following:
                    break
                following = oldest
            else:
                following += 1
        return events

    def newest_number(self) -> int:
        """The number of the newest event, 0 when there is none."""
        return max(self._numbers(last=True), default=0)

    def oldest_number(self) -> int:
        """The number of the oldest event that is still kept, 0 when there is none."""
        return min(self._numbers(last=False), default=0)

    def prune(self, before: int) -> int:
        """Remove events whose number is less than `before`; the newest is always kept, as the next number follows it.

        Returns:
            How many were removed.

        Raises:
            StateError: one can't be removed.
        """
        before = min(before, self.newest_number())
        oldest = self.oldest_number()
        removed = 0
        # Oldest first, so that no gap remains if this is interrupted.
        for number in range(oldest or 1, before):
            self._folder.remove(self._path(number))
            removed += 1
            if number % self._folder_events == self._folder_events - 1:
                self._folder.remove(self._folder_of(number))
        return removed

    def _numbers(self, *, last: bool) -> list[int]:
        """The numbers in the newest, or in the oldest, folder that is not empty."""
        folders = [name for name in self._folder.names() if name.isdecimal()]
        for folder in reversed(folders) if last else folders:
            names = (name.removesuffix(".json") for name in self._folder.names(folder))
            found = [int(name) for name in names if name.isdecimal()]
            if found:
                return found
        return []

    def _folder_of(self, number: int) -> str:
        return f"{number // self._folder_events:06d}"

    def _path(self, number: int) -> str:
        return f"{self._folder_of(number)}/{number:08d}.json"
