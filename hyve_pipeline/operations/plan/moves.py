"""Finds the new objects of a plan whose bytes the store has at a key that the plan deletes."""

from collections.abc import Iterator

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import rows_with
from hyve_pipeline.core.base.manifest import Count, Frozen, StateName
from hyve_pipeline.core.base.sizes import GIB
from hyve_pipeline.core.model.diff import PLAIN_MD5_PATTERN, ChangeSet, Diff
from hyve_pipeline.core.model.move import MOVE_SCHEMA
from hyve_pipeline.core.model.ranges import RangeDatabase
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.state.parquet import ParquetReader, writing_parquet

# The most that one CopyObject copies.
_MOST_BYTES = 5 * GIB

_COLUMNS = ["key", "set", "size", "source_etag", "store_etag"]
_SIDES = {ChangeSet.NEW: "source_etag", ChangeSet.DUPLICATE: "store_etag"}
_BATCH_ROWS = 50_000


class FoundMoves(Frozen):
    """The pairs of a diff that were found.

    Attributes:
        files: their Parquet file, none if there are no pairs.
        moved: the objects and bytes in it.
    """

    files: tuple[StateName, ...] = ()
    moved: Count = Count()


def find_moves(context: SyncContext, diff: Diff, file: str) -> FoundMoves:
    """Match the new objects of a diff with its duplicates by size and ETag, and write the pairs.

    Only ETags that may be the MD5 of the content are compared; whether they are is looked at before the copy. Of
    several duplicates with the same bytes the first is taken.

    A diff is matched once: whoever judges what it costs before its plan is made leaves the pairs for the plan.

    Args:
        context: the sync.
        diff: the diff.
        file: the Parquet file to write, below the sync's state.

    Raises:
        StateError: the diff's file is damaged, or the pairs can't be written.
    """
    if not diff.options.moves or not all(diff.counts[name].objects for name in _SIDES):
        return FoundMoves()
    manifest = f"diffs/{diff.id}/moves.json"
    if context.state.exists(manifest):
        return context.state.read_manifest(manifest, FoundMoves)
    found = _match(context, diff, file)
    context.state.write_manifest(manifest, found)
    return found


def _match(context: SyncContext, diff: Diff, file: str) -> FoundMoves:
    with RangeDatabase() as database:
        for name in _SIDES:
            with database.showing({}) as connection:
                connection.execute(f"CREATE TEMP TABLE {name.value}_objects (key VARCHAR, etag VARCHAR, size BIGINT)")
        for rows in _changes(context, diff):
            for name, etag in _SIDES.items():
                with database.showing({"found": rows_with(rows, "set", [name.value])}) as connection:
                    # No untrusted text.
                    connection.execute(
                        f"INSERT INTO {name.value}_objects SELECT key, {etag}, size FROM found "  # noqa: S608
                        f"WHERE size BETWEEN 1 AND {_MOST_BYTES} AND regexp_matches({etag}, {PLAIN_MD5_PATTERN})"
                    )
        with database.showing({}) as connection:
            connection.execute(_MATCH)
            ((objects, size),) = connection.execute(
                "SELECT count(*), coalesce(sum(size), 0)::BIGINT FROM moves"
            ).fetchall()
            if not objects:
                return FoundMoves()
            found = connection.sql("SELECT key, store_key, store_etag FROM moves ORDER BY key")
            with writing_parquet(context.state, file, MOVE_SCHEMA, repetitive=[]) as writer:
                for batch in found.to_arrow_reader(_BATCH_ROWS):
                    writer.write_table(pa.Table.from_batches([batch]).cast(MOVE_SCHEMA))
    return FoundMoves(files=(file,), moved=Count(objects=objects, bytes=size))


_MATCH = """
    CREATE TEMP TABLE moves AS SELECT n.key, d.store_key, d.store_etag, n.size
    FROM new_objects AS n JOIN (
        SELECT lower(etag) AS etag, size, min(key) AS store_key, arg_min(etag, key) AS store_etag
        FROM duplicate_objects GROUP BY ALL
    ) AS d ON lower(n.etag) = d.etag AND n.size = d.size"""


def _changes(context: SyncContext, diff: Diff) -> Iterator[pa.Table]:
    for file in diff.changes:
        with ParquetReader(context.state, file) as reader:
            for number in reader.filled_groups:
                yield reader.read([number], _COLUMNS)
