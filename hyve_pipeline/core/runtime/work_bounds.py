"""How much an operation has in memory, or does, at a time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkBounds:
    """How much an operation has in memory, or does, at a time.

    No settings: these are right for any bucket. Tests have smaller ones, so that a few objects go beyond them.

    Attributes:
        range_rows: rows of all files together that are read for one range of keys.
        row_group_rows: rows of a row group of the files of inventories: so few that a range of keys reads little more
            than it needs, and enough for efficient Arrow columns.
        held_rows: listed rows of later ranges that wait in memory for their turn; about 130 bytes each.
        keys_by_head: so many keys are looked at by HEAD in any case, which takes a moment, whatever the bucket has.
        keys_looked_at: keys that are looked at by HEAD before their rows are written.
        keys_a_delete: objects that one DeleteObjects deletes; S3 takes no more.
        retry_seconds: the first pause, in seconds, of a process that follows events and can't reach a bucket; each
            further one is twice as long.
    """

    range_rows: int = 50_000
    row_group_rows: int = 50_000
    held_rows: int = 50_000
    keys_by_head: int = 1_000
    keys_looked_at: int = 10_000
    keys_a_delete: int = 1_000
    retry_seconds: float = 5.0
