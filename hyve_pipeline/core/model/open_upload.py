"""Uploads in parts that have begun and not ended: what must be known to go on with them, or to abort them."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload in parts.

    Attributes:
        bucket: where it is open.
        key: the whole key of the object that it makes.
        upload_id: the store's id of it.
        source_etag: the ETag of the source object that its parts are of.
        sizes: bytes of each part, in order.
    """

    bucket: str
    key: str
    upload_id: str
    source_etag: str
    sizes: tuple[int, ...]


class UploadLog(Protocol):
    """Knows which uploads are open, beyond the end of the process. Thread-safe."""

    def find(self, key: str) -> OpenUpload | None:
        """The upload that an earlier attempt began for a key, or None."""
        ...

    def begun(self, upload: OpenUpload) -> None:
        """Take note of an upload, before its first part is sent."""
        ...

    def ended(self, upload: OpenUpload) -> None:
        """Take note that an upload was completed or aborted."""
        ...
