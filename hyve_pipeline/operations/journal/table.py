"""The journal of a plan as one table: one row per object, for SQL and notebooks."""

import pyarrow as pa

from hyve_pipeline.core.model.journal import JOURNAL_SCHEMA, to_table
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.stored_tables import StoredTable
from hyve_pipeline.state.journals import shard_journals
from hyve_pipeline.state.parquet import writing_parquet

_SHARD = pa.field("shard", pa.string(), nullable=False, metadata={"description": "the partition key of the shard"})

TABLE_SCHEMA = JOURNAL_SCHEMA.append(_SHARD)


def journal_table(context: SyncContext, plan: Plan) -> StoredTable:
    """Write the present journal of a plan as a table.

    It has the last row of each object, by shard and key, with the columns of `TABLE_SCHEMA`. An object without an
    outcome has no row. Each call writes the file again.

    Raises:
        StateError: a file of the journal is damaged, or the table can't be written.
    """
    folder = context.state.below(f"journals/{plan.id}")
    with writing_parquet(folder, "rows.parquet", TABLE_SCHEMA, repetitive=["action", "outcome", "shard"]) as writer:
        for shard, journal in shard_journals(context.state, plan):
            rows = sorted(journal.last_rows().values(), key=lambda row: row.key)
            names = pa.array([plan.partition_key(shard)] * len(rows), _SHARD.type)
            writer.write_table(to_table(rows).append_column(_SHARD, names))
    return StoredTable(id=plan.id, files=(f"journals/{plan.id}/rows.parquet",))
