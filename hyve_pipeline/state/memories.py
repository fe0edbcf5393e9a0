"""What is remembered of copied objects, on disk.

    memory/<id>.json, <id>/000000-000000.parquet, …

The manifest is written last. A memory shares the files of segments with those before it.
"""

from contextlib import suppress

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.base.ids import order_of
from hyve_pipeline.core.model.memory import Memory
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.plans import MEMORY_FOLDER, newest_manifests

# Memories that are kept, with their files: another process may be comparing by one that was just replaced.
_KEPT = 3


class MemoryShelf:
    """The memories of a sync."""

    def __init__(self, state: Folder) -> None:
        self._folder = state.below(MEMORY_FOLDER)

    def file_name(self, memory_id: str, segment: int, number: int) -> str:
        """The name of a file of a segment that is written with a memory, below the sync's state."""
        return f"{MEMORY_FOLDER}/{memory_id}/{segment:06d}-{number:06d}.parquet"

    def newest(self) -> Memory | None:
        """The newest memory; None when there is none yet.

        Raises:
            StateError: its manifest is damaged.
        """
        names = newest_manifests(self._folder.names())
        return self.load(names[0].removesuffix(".json")) if names else None

    def load(self, memory_id: str) -> Memory:
        """Read a manifest back.

        Raises:
            StateError: it is missing or damaged.
        """
        return self._folder.read_manifest(f"{memory_id}.json", Memory)

    def save(self, memory: Memory) -> None:
        """Write the manifest, whose files must be written already, and remove what no recent memory needs.

        Raises:
            StateError: it can't be written.
        """
        self._folder.write_manifest(f"{memory.id}.json", memory)
        # Another process may be removing the same files.
        with suppress(StateError):
            self._remove_unneeded()

    def _remove_unneeded(self) -> None:
        names = newest_manifests(self._folder.names())
        kept = [self.load(name.removesuffix(".json")) for name in names[:_KEPT]]
        oldest = min(order_of(memory.id) for memory in kept)
        for name in names[_KEPT:]:
            self._folder.remove(name)
        needed = {file.removeprefix(f"{MEMORY_FOLDER}/") for memory in kept for file in memory.files}
        for folder in self._folder.names():
            # Another process may be writing a newer one.
            if folder.endswith(".json") or order_of(folder) >= oldest:
                continue
            files = {f"{folder}/{file}" for file in self._folder.names(folder)}
            for name in files - needed if files & needed else [folder]:
                self._folder.remove(name)
