"""What is to be done with single objects."""

from dataclasses import dataclass

from hyve_pipeline.core.settings.model import TagsChoice


@dataclass(frozen=True, slots=True)
class CopyRules:
    """How objects are copied, the same for all of a shard.

    Attributes:
        headers: what new objects are given besides what their sources have: encryption, a canned ACL.
        keeps_parts: an object that was uploaded in parts is copied in the same parts, so that its ETag stays.
        copies_grants: the copy gets the grants of the source's ACL.
        keeps_redirect: the copy gets the website redirect, which CopyObject does not take over by itself.
        storage_class: ``source`` for that of the source's object, ``default`` for the store's own, or the name of one.
        tags: whether the copy gets the source's tags: ``copy`` where the store knows any, ``require``, or ``skip``.
    """

    headers: tuple[tuple[str, str], ...] = ()
    keeps_parts: bool = False
    copies_grants: bool = False
    keeps_redirect: bool = False
    storage_class: str = "source"
    tags: TagsChoice = "copy"


_PLAIN = CopyRules()


@dataclass(frozen=True, slots=True)
class CopyTask:
    """One object to copy from the source to the store.

    Attributes:
        source_key: its whole key in the source.
        store_key: its whole key in the store.
        size: bytes, as the source's inventory says.
        source_etag: the ETag, without quotes, that the copy is pinned to.
        storage_class: the source object's storage class.
        rules: how it is copied.
    """

    source_key: str
    store_key: str
    size: int
    source_etag: str
    storage_class: str = "STANDARD"
    rules: CopyRules = _PLAIN
