"""What makes buckets for a test, as fixtures give it."""

from typing import Protocol

from hyve_pipeline.core.settings.places import BucketSettings


class MakeBucket(Protocol):
    """Makes an empty bucket whose name no other test has."""

    def __call__(self, label: str = "bucket", *, endpoint_url: str | None = None, versioned: bool = False) -> str: ...


class MakePlace(Protocol):
    """Makes an empty bucket as `MakeBucket` does, and the settings that reach it."""

    def __call__(
        self,
        label: str = "bucket",
        *,
        endpoint_url: str | None = None,
        versioned: bool = False,
        prefix: str = "",
    ) -> BucketSettings: ...
