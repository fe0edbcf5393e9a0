"""Keeps one S3 bucket an exact, provable copy of another, with Dagster as its window and its clock."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyve_pipeline.orchestration.component.component import BucketSync

__all__ = ["BucketSync"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """The component is imported when it is asked for: Dagster takes half a second."""
    if name == "BucketSync":
        from hyve_pipeline.orchestration.component.component import BucketSync

        return BucketSync
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
