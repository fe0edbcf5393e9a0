"""In what else two objects of equal content can differ: headers, metadata, tags and storage class."""

from collections.abc import Collection
from dataclasses import dataclass

Pairs = tuple[tuple[str, str], ...]

_METADATA = "x-amz-meta-"
_TYPE = "content-type"
_TAGS = "tags"

# How those headers are called for people whose names in S3's protocol say little to them.
_WORDS = {"x-amz-storage-class": "storage class", "x-amz-website-redirect-location": "website redirect"}
WEBSITE_REDIRECT = "website redirect"
_MORE_THAN_HEADERS = ("metadata", "storage class", WEBSITE_REDIRECT, _TAGS)


@dataclass(frozen=True, slots=True)
class Carried:
    """What an object carries besides its content.

    Attributes:
        headers: names and values that would give a new object the same, the user's metadata among them; names in
            any case, in any order.
        tags: keys and values, in any order; None where the server knows no tags.
    """

    headers: Pairs
    tags: Pairs | None = ()


def drift(source: Carried, store: Carried, ignored: Collection[str] = ()) -> tuple[str, ...]:
    """What the store's object carries in another way than the source's: headers, and then what is not one.

    Args:
        source: what the source's object carries.
        store: what the store's carries.
        ignored: names that are left out, as this function gives them.
    """
    wanted, found = _by_name(source.headers), _by_name(store.headers)
    if _TYPE not in wanted:
        # Where none was sent, servers give an object a type of their own.
        found.pop(_TYPE, None)
    names = {_name_of(header) for header in wanted.keys() | found.keys() if wanted.get(header) != found.get(header)}
    if source.tags is not None and store.tags is not None and sorted(source.tags) != sorted(store.tags):
        names.add(_TAGS)
    order = {name: place for place, name in enumerate(_MORE_THAN_HEADERS)}
    return tuple(sorted(names - {*ignored}, key=lambda name: (order.get(name, -1), name)))


def is_of_tags_alone(names: Collection[str]) -> bool:
    """Whether objects that differ in `names`, as `drift` gives them, differ in their tags and in nothing else."""
    return set(names) == {_TAGS}


def _by_name(headers: Pairs) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value.strip())
    return values


def _name_of(header: str) -> str:
    return "metadata" if header.startswith(_METADATA) else _WORDS.get(header, header)
