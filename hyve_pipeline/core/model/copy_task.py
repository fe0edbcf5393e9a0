"""One object to copy, and the rules by which it is copied."""

from dataclasses import dataclass
from typing import NamedTuple

from hyve_pipeline.core.settings.options import AnnotationsChoice, TagsChoice


@dataclass(frozen=True, slots=True)
class CopyRules:
    """How objects are copied, the same for all objects of a shard.

    Attributes:
        headers: request headers of new objects besides their sources' own: encryption, a canned ACL.
        keeps_parts: a multipart object is copied in the same parts, so that its ETag stays the same.
        copies_grants: the copy gets the grants of the source's ACL.
        keeps_redirect: the copy gets the website redirect, which CopyObject does not copy by itself.
        storage_class: ``source`` for that of the source's object, ``default`` for the store's default, or a class.
        tags: whether the copy gets the source's tags: ``copy`` if the store supports tags, ``require``, or ``skip``.
        annotations: whether the copy gets the source's annotations: ``copy`` if the store supports annotations, or
            ``exclude``. None leaves it to the server, as where there are none.
        keeps_locks: the copy gets the source's retention, legal hold and event hold, which no server copies by itself;
            both buckets have Object Lock.
    """

    headers: tuple[tuple[str, str], ...] = ()
    keeps_parts: bool = False
    copies_grants: bool = False
    keeps_redirect: bool = False
    storage_class: str = "source"
    tags: TagsChoice = "copy"
    annotations: AnnotationsChoice | None = None
    keeps_locks: bool = False


_PLAIN = CopyRules()

# The `CopyTask.store_etag` of an object that the store must not have.
NO_OBJECT = ""


class CopyTask(NamedTuple):
    """One object to copy from the source to the store.

    Attributes:
        source_key: its whole key in the source.
        store_key: its whole key in the store.
        size: bytes, from the source's inventory.
        source_etag: the ETag, without quotes, that the copy is pinned to.
        storage_class: the source object's storage class.
        rules: how it is copied.
        store_etag: the ETag, without quotes, that the store's object must still have; `NO_OBJECT` if there must be
            none; None if it does not matter.
    """

    source_key: str
    store_key: str
    size: int
    source_etag: str
    storage_class: str = "STANDARD"
    rules: CopyRules = _PLAIN
    store_etag: str | None = None
