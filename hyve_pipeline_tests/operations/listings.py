"""Inventories as tests write them down, for all that needs no server."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa

from hyve_pipeline.core.model.history import DELETE_MARKER, history_digest, version_text
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA, Inventory, KeyRange, RangeEnd, RangeProof, Side
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline.state.parquet import writing_parquet

START = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
MD5 = "0123456789abcdef0123456789abcde"
_numbers = count(1)


@dataclass(frozen=True)
class Entry:
    """One object of a listing.

    `time` is in seconds after some moment, `restored` in seconds from now on, and `etag` one digit of an MD5 or a whole
    ETag.
    """

    size: int = 3
    time: float = 0
    etag: str = "0"
    storage_class: str = "STANDARD"
    restored: float | None = None

    def row(self, key: str) -> dict[str, object]:
        return {
            "key": key,
            "size": self.size,
            "last_modified": START + timedelta(seconds=self.time),
            "etag": MD5 + self.etag if len(self.etag) == 1 else self.etag,
            "storage_class": self.storage_class,
            "restored_until": None if self.restored is None else datetime.now(UTC) + timedelta(seconds=self.restored),
        }


@dataclass(frozen=True)
class History(Entry):
    """A key by the ETags of its versions, oldest first: one digit of an MD5 or a whole one; `-` is a delete marker.

    The version in the place `archived`, from 1, can't be read.
    """

    etags: tuple[str, ...] = ()
    archived: int = 0

    def row(self, key: str) -> dict[str, object]:
        history = [
            DELETE_MARKER if etag == "-" else version_text(3, MD5 + etag if len(etag) == 1 else etag)
            for etag in self.etags
        ]
        is_known = not any(text.endswith(":") for text in history)
        return super().row(key) | {
            "size": sum(3 for text in history if text != DELETE_MARKER),
            "etag": history_digest(history) if is_known else "",
            "version_id": "v",
            "history": history,
            "archived": [self.archived] if self.archived else [],
        }

    @property
    def digest(self) -> str:
        return str(self.row("")["etag"])


def context_at(home: Path, *, prefixes: tuple[str, str] = ("", ""), **options: Any) -> SyncContext:
    """A sync between two buckets that nobody asks for."""
    source, store = (
        BucketSettings(bucket=f"{side}-bucket", prefix=prefix)
        for side, prefix in zip(("source", "store"), prefixes, strict=True)
    )
    return SyncContext(
        Home(home), SyncSettings(name="images", source=source, store=store, options=Options.model_validate(options))
    )


def written_inventory(
    context: SyncContext,
    side: Side,
    entries: Mapping[str, Entry],
    row_group_rows: int = 50_000,
    schema: pa.Schema = INVENTORY_SCHEMA,
) -> Inventory:
    """Keep an inventory of these objects as if they had been listed; keys are whole keys."""
    keys = sorted(entries)
    table = pa.Table.from_pylist([entries[key].row(key) for key in keys], schema=schema)
    shelf = context.inventories(side)
    inventory_id = f"inventory-{next(_numbers):06d}"
    file = shelf.file_name(inventory_id)
    with writing_parquet(context.state, file, schema) as writer:
        if keys:
            writer.write_table(table, row_group_size=row_group_rows)
    proof = RangeProof(
        range=KeyRange(),
        first_key=keys[0] if keys else None,
        last_key=keys[-1] if keys else None,
        keys=len(keys),
        pages=1,
        end=RangeEnd.END_OF_LISTING,
    )
    times = [START + timedelta(seconds=entry.time) for entry in entries.values()]
    inventory = Inventory(
        id=inventory_id,
        side=side,
        place=context.located(side),
        files=(file,),
        started=START,
        ended=START,
        objects=len(keys),
        bytes=sum(entry.size for entry in entries.values()),
        oldest=min(times, default=None),
        newest=max(times, default=None),
        proof=(proof,),
        versions="all" if "history" in schema.names else "current",
    )
    shelf.save(inventory)
    return inventory
