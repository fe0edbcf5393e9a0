"""What is to be done with single objects."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CopyTask:
    """One object to copy from the source to the store.

    Attributes:
        source_key: its whole key in the source.
        store_key: its whole key in the store.
        size: bytes, as the source's inventory says.
        source_etag: the ETag, without quotes, that the copy is pinned to.
        storage_class: the source object's storage class; the copy gets the same.
    """

    source_key: str
    store_key: str
    size: int
    source_etag: str
    storage_class: str = "STANDARD"
