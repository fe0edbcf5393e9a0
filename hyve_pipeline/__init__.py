"""Keeps one S3 bucket an exact, provable copy of another, with Dagster as its window and its clock."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyve_pipeline.orchestration.common.steps import Step, SyncAsset
    from hyve_pipeline.orchestration.component.component import BucketSync

__all__ = ["BucketSync", "Step", "SyncAsset"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """The component and its types are imported when they are asked for: Dagster takes half a second."""
    if name in __all__:
        from hyve_pipeline.orchestration.component import component

        return getattr(component, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
