"""The base of every manifest: the small JSON documents that describe inventories, diffs and plans."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Frozen(BaseModel):
    """Immutable, and strict about its fields, so that an altered file is detected when it is read."""

    # Validators are built on first use: no command needs them all.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def _name_below_sync(text: object) -> object:
    """The name below a sync's state, also of a path or URI as earlier versions wrote it: it ended with the name."""
    if isinstance(text, str) and text.startswith(("/", "s3://")):
        return "/".join(text.split("/")[-_NAME_PARTS:])
    return text


# A file of the state is in a folder of a folder, such as ``inventories/source/ID.parquet``.
_NAME_PARTS = 3


def _in_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _id_of_file(text: object) -> object:
    return text.rpartition("/")[2].removesuffix(".parquet") if isinstance(text, str) else text


# The name of a file below the folder of a sync's state, so that a state can be moved.
StateName = Annotated[str, BeforeValidator(_name_below_sync)]

# Several files whose rows follow each other; earlier versions wrote one.
StateNames = Annotated[tuple[StateName, ...], BeforeValidator(_in_tuple)]

# The id of an inventory; earlier versions wrote the path of its file.
InventoryId = Annotated[str, BeforeValidator(_id_of_file)]


class Count(Frozen):
    """A number of objects and their total size in bytes."""

    objects: int = 0
    bytes: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(objects=self.objects + other.objects, bytes=self.bytes + other.bytes)

    def __sub__(self, other: "Count") -> "Count":
        return Count(objects=self.objects - other.objects, bytes=self.bytes - other.bytes)
