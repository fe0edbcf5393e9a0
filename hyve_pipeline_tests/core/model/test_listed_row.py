"""What a user reads of one object of a plan."""

import pytest

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.listed_row import ListedRow


@pytest.mark.parametrize(
    ("reason", "size", "store_size", "why"),
    [
        ("missing in store", 3, None, ""),
        ("missing in source", 3, 3, ""),
        ("source is newer", 3, 3, "source is newer"),
        ("size differs", 12_000, 10_000, "size 10.0 kB -> 12.0 kB"),
        ("size differs", 10_001, 10_000, "size 10,000 B -> 10,001 B"),
        ("size differs", None, None, "size differs"),
        ("undone", 3, 3, "was undone"),
        ("archived as GLACIER, missing in store", 3, None, "archived as GLACIER, missing in store"),
    ],
)
def test_why(reason: str, size: int | None, store_size: int | None, why: str) -> None:
    assert ListedRow("key", ChangeSet.MODIFIED, size, store_size, reason).why == why
