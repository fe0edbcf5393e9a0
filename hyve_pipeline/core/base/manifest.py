"""The base of every manifest: the small JSON documents that describe inventories, diffs and plans."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Immutable, and strict about its fields, so that an altered file is detected when it is read."""

    # Validators are built on first use: no command needs them all.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Count(Frozen):
    """A number of objects and their total size in bytes."""

    objects: int = 0
    bytes: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(objects=self.objects + other.objects, bytes=self.bytes + other.bytes)
