"""Multipart uploads that are open: what is needed to resume or abort them."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """A multipart upload.

    Attributes:
        bucket: the bucket of the upload.
        key: the whole key of the object that it creates.
        upload_id: the id that the server gave it.
        source_etag: the ETag of the source object that its parts are copied from.
        sizes: bytes of each part, in order.
    """

    bucket: str
    key: str
    upload_id: str
    source_etag: str
    sizes: tuple[int, ...]


class UploadLog(Protocol):
    """A persistent record of open uploads. Thread-safe."""

    def find(self, key: str) -> OpenUpload | None:
        """The upload that an earlier attempt started for a key, or None."""
        ...

    def begun(self, upload: OpenUpload) -> None:
        """Record an upload, before its first part is sent."""
        ...

    def ended(self, upload: OpenUpload) -> None:
        """Record that an upload was completed or aborted."""
        ...
