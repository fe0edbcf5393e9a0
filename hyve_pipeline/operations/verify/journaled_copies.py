"""What the journal says of a plan's copies, range by range."""

import pyarrow as pa

from hyve_pipeline.core.model.journal import UNREADABLE, JournalRow, Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.model.shards import shards_with_keys
from hyve_pipeline.core.model.verification import COPIED_SCHEMA
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.state.journals import ShardJournal


class JournaledCopies:
    """What the journal says of a plan's copies, for ranges that follow each other.

    Raises:
        StateError: the plan's shards can't be read.
    """

    def __init__(self, context: SyncContext, plan: Plan) -> None:
        self._state = context.state
        self._plan = plan.id
        self._shards = plan.shards_of("copy")
        # Of the shards of the last range: a large one has keys of several ranges.
        self._rows: dict[int, list[JournalRow]] = {}

    def read(self, key_range: RelativeRange) -> tuple[pa.Table, list[str]]:
        """Finished copies, as in `COPIED_SCHEMA`, and keys of objects that can't be read now.

        Raises:
            StateError: the journal is damaged.
        """
        self._rows = {
            shard.number: self._rows.get(shard.number)
            or [*ShardJournal(self._state, self._plan, shard).last_rows().values()]
            for shard in shards_with_keys(self._shards, key_range)
        }
        rows = [row for found in self._rows.values() for row in found]
        done = [row for row in rows if row.outcome is Outcome.DONE and row.etag_after is not None]
        copied = pa.table({"key": [row.key for row in done], "etag": [row.etag_after for row in done]}, COPIED_SCHEMA)
        return copied, [row.key for row in rows if row.outcome is Outcome.SKIPPED and row.code in UNREADABLE]
