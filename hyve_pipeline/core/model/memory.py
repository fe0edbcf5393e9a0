"""What is remembered of the objects that were copied: which object of the store is a copy of which of the source.

A pair of ETags says that the two objects had the same content when the copy was made. It stays true, so a pair that is
out of date shows only that an object has changed since, never that two objects are equal which are not.
"""

from datetime import datetime

import pyarrow as pa

from hyve_pipeline.core.base.manifest import Frozen, StateNames
from hyve_pipeline.core.settings.options import VersionsChoice
from hyve_pipeline.core.settings.places import Place

# The source's ETag of a key whose copy may be incomplete: no object has an empty one.
INTERRUPTED = ""

MEMORY_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False, metadata={"description": "the key below the prefix"}),
        pa.field(
            "source_etag",
            pa.string(),
            metadata={
                "description": "the source's ETag that was copied; empty where the copy was interrupted, null where "
                "the key was deleted from the store"
            },
        ),
        pa.field(
            "store_etag",
            pa.string(),
            metadata={"description": "the ETag of the copy in the store; null where the server did not say it"},
        ),
        pa.field("size", pa.int64(), nullable=False, metadata={"description": "bytes of both objects"}),
    ]
)


class Segment(Frozen):
    """Some remembered keys, each at most once.

    Attributes:
        files: the Parquet files in key order, columns as in `MEMORY_SCHEMA`.
        rows: how many keys.
    """

    files: StateNames
    rows: int


class Memory(Frozen):
    """The manifest of what is remembered of a sync at one time.

    Attributes:
        id: unique below the sync.
        created: when it was made.
        source, store: the places; nothing is known of any others.
        versions: whether its ETags are those of objects or, with ``all``, digests of histories.
        event: the number of the last event that is taken into account.
        segments: oldest first; a later segment's row of a key replaces those before.
        interrupted: the partition keys of shards without an end whose keys are taken into account.
    """

    id: str
    created: datetime
    source: Place
    store: Place
    versions: VersionsChoice = "current"
    event: int = 0
    segments: tuple[Segment, ...] = ()
    interrupted: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files of all segments."""
        return tuple(name for segment in self.segments for name in segment.files)
