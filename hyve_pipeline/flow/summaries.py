"""Small tables that tell a person what is in a large one."""

from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import duckdb
import pyarrow as pa

from hyve_pipeline.core.inventory import Inventory
from hyve_pipeline.core.manifest import Count
from hyve_pipeline.state.parquet import ParquetReader


@dataclass(frozen=True)
class PrefixSize:
    """What lies below one top-level prefix; the empty prefix stands for keys without a ``/``."""

    prefix: str
    count: Count


def prefix_sizes(inventory: Inventory, most: int = 20) -> list[PrefixSize]:
    """Objects and bytes by the first part of the key, below the sync's prefix; the largest first."""
    offset = len(inventory.place.prefix) + 1
    reader = ParquetReader(inventory.uri)
    batches = (batch for table in reader.tables() for batch in table.to_batches())
    with closing(reader), duckdb.connect() as connection:
        connection.register("inventory", pa.RecordBatchReader.from_batches(reader.schema, batches))
        rows = connection.execute(
            f"""
            SELECT CASE WHEN contains(below, '/') THEN split_part(below, '/', 1) || '/' ELSE '' END AS prefix,
                count(*), sum(size)::BIGINT
            FROM (SELECT key[{offset}:] AS below, size FROM inventory)
            GROUP BY prefix ORDER BY sum(size) DESC, prefix LIMIT ?""",  # noqa: S608 - the offset is a number
            [most],
        ).fetchall()
    return [PrefixSize(prefix, Count(objects=objects, bytes=size)) for prefix, objects, size in rows]


def first_rows(uri: str, most: int = 10) -> list[dict[str, Any]]:
    """The first rows of a Parquet file."""
    reader = ParquetReader(uri)
    try:
        return list(islice((row for table in reader.tables() for row in table.slice(0, most).to_pylist()), most))
    finally:
        reader.close()
