"""The keys that an undo restored, and that no later plan has copied or deleted yet.

    undone_keys/<id of the undo>-<shard>.parquet

An undo writes one file for each shard of the plan, sorted by key, before it restores anything: a process that is
killed leaves too many keys rather than too few. When it is done with the shard, it replaces the file by the keys that
it did restore. After that keys are only removed, so processes that replace a file at the same time never lose a key
that counts.
"""

import hashlib
from collections.abc import Collection
from datetime import datetime

import pyarrow as pa

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.base.ids import make_id, order_of
from hyve_pipeline.core.model.diff import UNDONE_SCHEMA
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import ParquetReader, writing_parquet
from hyve_pipeline.state.plans import UNDONE_FOLDER, next_number


class UndoneKeys:
    """The undone keys of one store, below its prefix.

    Args:
        state: the sync's state.
        store: the store; keys that were undone in another store do not count.
    """

    def __init__(self, state: Folder, store: BucketSettings) -> None:
        self._state = state
        self._folder = state.below(UNDONE_FOLDER)
        self._store = hashlib.sha256(store.uri.encode()).hexdigest()[:8]

    def new_id(self, time: datetime) -> str:
        """A new id of an undo, newer than all plans.

        Args:
            time: the time, for the reader.
        """
        return make_id(next_number(self._state), time, self._store)

    def keep(self, undo_id: str, shard: int, keys: Collection[str]) -> None:
        """Write the keys of a shard that an undo restored, replacing what was written before.

        Raises:
            StateError: it can't be written.
        """
        self.replace(f"{undo_id}-{shard:04d}.parquet", sorted(keys))

    def names(self) -> list[str]:
        """The names of all files of this store, those of older undos first; they begin with the undos' ids."""
        return sorted((name for name in self._folder.names() if f"Z-{self._store}-" in name), key=order_of)

    def read(self, name: str) -> list[str]:
        """The keys of one file, sorted; none if another process has just removed the file.

        Raises:
            StateError: it is damaged.
        """
        try:
            reader = ParquetReader(self._folder, name)
        except StateError:
            if self._folder.exists(name):
                raise
            return []
        with reader:
            return [key for table in reader.tables() for key in table.column("key").to_pylist()]

    def replace(self, name: str, keys: list[str]) -> None:
        """Replace a file by these sorted keys; without keys, remove it.

        Raises:
            StateError: it can't be written.
        """
        if not keys:
            self._folder.remove(name)
            return
        with writing_parquet(self._folder, name, UNDONE_SCHEMA) as writer:
            writer.write_table(pa.table({"key": keys}, UNDONE_SCHEMA))
