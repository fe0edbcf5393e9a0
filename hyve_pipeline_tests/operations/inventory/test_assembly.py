"""Putting ranges that come in any order into the order of their keys."""

import random
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.operations.inventory.assembly import SortedAssembly
from hyve_pipeline_tests.tally import THOROUGHNESS

_SCHEMA = pa.schema([pa.field("key", pa.string())])


def _assemble(ranges: list[list[list[str]]], order: random.Random, folder: Path, held_rows: int) -> list[str]:
    """Add the tables of ranges that begin at "", "1", "2" … in any order that keeps each range's own."""
    written: list[str] = []
    assembly = SortedAssembly(_SCHEMA, folder, lambda table: written.extend(table.column("key").to_pylist()), held_rows)
    names = ["", *(str(number) for number in range(1, len(ranges)))]
    left = {name: list(tables) for name, tables in zip(names, ranges, strict=True)}
    while left:
        name = order.choice(sorted(left))
        if left[name]:
            assembly.add(name, pa.table({"key": left[name].pop(0)}, _SCHEMA))
        else:
            del left[name]
            place = names.index(name)
            assembly.end(name, names[place + 1] if place + 1 < len(names) else None)
    return written


@pytest.mark.parametrize("held_rows", [0, 3, 1000])
@given(
    ranges=st.lists(st.lists(st.lists(st.text("ab", max_size=3), max_size=4), max_size=4), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30 * THOROUGHNESS)
def test_all_rows_in_the_order_of_the_ranges(
    held_rows: int,
    tmp_path_factory: pytest.TempPathFactory,
    ranges: list[list[list[str]]],
    order: random.Random,
) -> None:
    folder = tmp_path_factory.mktemp("held")
    written = _assemble(ranges, order, folder, held_rows)
    assert written == [key for tables in ranges for table in tables for key in table]
    assert list(folder.iterdir()) == []


def test_the_lowest_range_is_passed_on_at_once(tmp_path: Path) -> None:
    written: list[str] = []
    assembly = SortedAssembly(_SCHEMA, tmp_path, lambda table: written.extend(table.column("key").to_pylist()), 1000)
    assembly.add("m", pa.table({"key": ["n"]}, _SCHEMA))
    assembly.add("", pa.table({"key": ["a"]}, _SCHEMA))
    assert written == ["a"]
    assembly.end("", "m")
    assert written == ["a", "n"]


def test_a_folder_that_takes_no_more_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.touch()
    assembly = SortedAssembly(_SCHEMA, folder, lambda _: None, held_rows=0)
    with pytest.raises(StateError, match=f"^{folder}: temporary data can't be written there: .*TMPDIR"):
        assembly.add("1", pa.table({"key": ["1"]}, _SCHEMA))
