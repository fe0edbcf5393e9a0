"""In what else two objects of equal content can differ: headers, metadata, tags and storage class."""

from collections.abc import Collection
from dataclasses import dataclass

Pairs = tuple[tuple[str, str], ...]

METADATA = "metadata"
STORAGE_CLASS = "storage class"
WEBSITE_REDIRECT = "website redirect"
_TYPE = "content-type"
TAGS = "tags"
_MORE_THAN_HEADERS = (METADATA, STORAGE_CLASS, WEBSITE_REDIRECT, TAGS)


@dataclass(frozen=True, slots=True)
class Carried:
    """What an object carries besides its content.

    Attributes:
        properties: values by name, in any order: that of a header in any case, `STORAGE_CLASS`, `WEBSITE_REDIRECT`, or
            for the user's metadata `METADATA`, a space, and its own name.
        tags: keys and values, in any order; None where the server knows no tags.
    """

    properties: Pairs
    tags: Pairs | None = ()


def drift(source: Carried, store: Carried, ignored: Collection[str] = ()) -> tuple[str, ...]:
    """What the store's object carries in another way than the source's: headers, and then what is not one.

    Args:
        source: what the source's object carries.
        store: what the store's carries.
        ignored: names that are left out, as this function gives them.
    """
    wanted, found = _by_name(source.properties), _by_name(store.properties)
    if _TYPE not in wanted:
        # Where none was sent, servers give an object a type of their own.
        found.pop(_TYPE, None)
    names = {_kind_of(name) for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)}
    if source.tags is not None and store.tags is not None and sorted(source.tags) != sorted(store.tags):
        names.add(TAGS)
    order = {name: place for place, name in enumerate(_MORE_THAN_HEADERS)}
    return tuple(sorted(names - {*ignored}, key=lambda name: (order.get(name, -1), name)))


def is_of_tags_alone(names: Collection[str]) -> bool:
    """Whether objects that differ in `names`, as `drift` gives them, differ in their tags and in nothing else."""
    return set(names) == {TAGS}


def _by_name(properties: Pairs) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in properties:
        values.setdefault(name.lower(), []).append(value.strip())
    return values


def _kind_of(name: str) -> str:
    return METADATA if name.startswith(f"{METADATA} ") else name
