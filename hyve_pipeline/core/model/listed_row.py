"""One row of a set of a plan, for the user who decides on the plan."""

from typing import NamedTuple

from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.model.diff import ChangeSet

# Reasons that say no more than the name of the set.
_OBVIOUS = ("missing in store", "missing in source")


class ListedRow(NamedTuple):
    """An object of a set; fields as the columns of `core.diff.CHANGE_SCHEMA`.

    Attributes:
        key: the key below the prefix.
        set: the set.
        size: bytes to copy, or to delete; None in a plan of an earlier version, for a set that it does not act on.
        store_size: bytes of the store's copy; None where there is none.
        reason: why the key is in its set, as it is kept.
    """

    key: str
    set: ChangeSet
    size: int | None
    store_size: int | None
    reason: str

    @property
    def why(self) -> str:
        """Why the key is in its set; empty where the set's name says it."""
        if self.reason in _OBVIOUS:
            return ""
        if self.reason == "size differs" and self.size is not None and self.store_size is not None:
            return f"size {_change(self.store_size, self.size)}"
        return "was undone" if self.reason == "undone" else self.reason


def _change(before: int, after: int) -> str:
    old, new = readable_bytes(before), readable_bytes(after)
    # Sizes that round to the same are shown exactly.
    return f"{old} -> {new}" if old != new else f"{before:,} B -> {after:,} B"
