"""How objects of equal content can still differ: headers, metadata, tags, annotations, locks and storage class."""

from collections.abc import Collection
from dataclasses import dataclass

from hyve_pipeline.core.model.object_lock import NO_LOCK, ObjectLock

Pairs = tuple[tuple[str, str], ...]

METADATA = "metadata"
STORAGE_CLASS = "storage class"
WEBSITE_REDIRECT = "website redirect"
_TYPE = "content-type"
TAGS = "tags"
ANNOTATIONS = "annotations"
LOCK = "object lock"
_MORE_THAN_HEADERS = (METADATA, STORAGE_CLASS, WEBSITE_REDIRECT, TAGS, ANNOTATIONS, LOCK)


@dataclass(frozen=True, slots=True)
class Carried:
    """The properties of an object besides its content.

    Attributes:
        properties: names and values, in any order. A name is that of a header in any case, `STORAGE_CLASS`,
            `WEBSITE_REDIRECT`, or for user metadata `METADATA`, a space, and its own name.
        tags: keys and values, in any order; None if the server does not support tags.
        annotations: names and MD5s, in any order; None if the server does not support annotations.
        lock: what protects the object.
    """

    properties: Pairs
    tags: Pairs | None = ()
    annotations: Pairs | None = None
    lock: ObjectLock = NO_LOCK


def drift(source: Carried, store: Carried, ignored: Collection[str] = ()) -> tuple[str, ...]:
    """The names of the properties that differ: headers first, then the others.

    Args:
        source: the properties of the source's object.
        store: those of the store's object.
        ignored: names to leave out, as this function returns them.
    """
    wanted, found = _by_name(source.properties), _by_name(store.properties)
    if _TYPE not in wanted:
        # Servers set a default content type where none was sent.
        found.pop(_TYPE, None)
    names = {_kind_of(name) for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)}
    for name, wanted_pairs, found_pairs in (
        (TAGS, source.tags, store.tags),
        (ANNOTATIONS, source.annotations, store.annotations),
    ):
        if wanted_pairs is not None and found_pairs is not None and sorted(wanted_pairs) != sorted(found_pairs):
            names.add(name)
    if source.lock.missing_in(store.lock):
        names.add(LOCK)
    order = {name: place for place, name in enumerate(_MORE_THAN_HEADERS)}
    return tuple(sorted(names - {*ignored}, key=lambda name: (order.get(name, -1), name)))


def _by_name(properties: Pairs) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in properties:
        values.setdefault(name.lower(), []).append(value.strip())
    return values


def _kind_of(name: str) -> str:
    return METADATA if name.startswith(f"{METADATA} ") else name
