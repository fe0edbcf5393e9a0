"""What a plan comes to, as a plain count gives it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import CHANGE_SCHEMA, PLANNED_SETS, ChangeSet
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.core.model.summary import AGE_BINS, SIZE_BINS, PlannedRow, PrefixSize, SetSummary
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.plan.summary import summarize_plan
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import writing_parquet

_CREATED = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
_ACTIONS: dict[ChangeSet, Action] = {
    ChangeSet.NEW: "copy",
    ChangeSet.MODIFIED: "copy",
    ChangeSet.DRIFTED: "copy",
    ChangeSet.DUPLICATE: "delete",
}


@dataclass(frozen=True)
class _Object:
    """An object of a plan; the age, in seconds, is of the side that it is acted on for."""

    set: ChangeSet
    size: int
    age: float

    @property
    def date(self) -> datetime:
        return _CREATED - timedelta(seconds=self.age)

    def row(self, key: str) -> dict[str, Any]:
        is_copy = _ACTIONS[self.set] == "copy"
        elsewhere = _CREATED - timedelta(days=4000)
        return {
            "key": key,
            "set": self.set.value,
            "reason": f"reason of {key}",
            "size": self.size,
            "source_last_modified": self.date if is_copy else None,
            "store_last_modified": elsewhere if self.set is ChangeSet.MODIFIED else None if is_copy else self.date,
        }


def _written(state: Folder, objects: Mapping[str, _Object], group_rows: int = 50_000) -> Plan:
    """A plan of these objects, with all that its summary needs."""
    counts: dict[ChangeSet, Count] = defaultdict(Count)
    for planned in objects.values():
        counts[planned.set] += Count(objects=1, bytes=planned.size)
    for action in ("copy", "delete"):
        rows = [planned.row(key) for key, planned in sorted(objects.items()) if _ACTIONS[planned.set] == action]
        table = pa.Table.from_pylist(rows, schema=CHANGE_SCHEMA)
        with writing_parquet(state, f"{action}.parquet", CHANGE_SCHEMA) as writer:
            writer.write_table(table, row_group_size=group_rows)
    return Plan.model_construct(
        id="plan",
        created=_CREATED,
        counts=dict(counts),
        files={"copy": ("copy.parquet",), "delete": ("delete.parquet",)},
        options=Options(),
    )


def _bins(values: Sequence[tuple[float, int]], edges: Sequence[float]) -> tuple[Count, ...]:
    """How many values, with how many bytes, are in each bin."""
    found = [Count() for _ in edges]
    for value, size in values:
        found[max(sum(edge <= value for edge in edges) - 1, 0)] += Count(objects=1, bytes=size)
    return tuple(found)


def _expected(name: ChangeSet, objects: Mapping[str, _Object], most: int) -> SetSummary:
    mine = {key: planned for key, planned in sorted(objects.items()) if planned.set is name}
    prefixes: dict[str, Count] = defaultdict(Count)
    for key, planned in mine.items():
        head, slash, _ = key.partition("/")
        prefixes[head + slash if slash else ""] += Count(objects=1, bytes=planned.size)
    largest = sorted(prefixes.items(), key=lambda entry: (-entry[1].bytes, entry[0]))
    rows = [
        PlannedRow(key, planned.size, f"reason of {key}", row["source_last_modified"], row["store_last_modified"])
        for key, planned in mine.items()
        for row in [planned.row(key)]
    ]
    return SetSummary(
        count=sum(prefixes.values(), start=Count()),
        prefixes=tuple(PrefixSize(prefix, count) for prefix, count in largest[:most]),
        other_prefixes=sum((count for _, count in largest[most:]), start=Count()),
        sizes=_bins([(planned.size, planned.size) for planned in mine.values()], [edge for edge, _ in SIZE_BINS]),
        ages=_bins(
            [(planned.age, planned.size) for planned in mine.values()], [edge.total_seconds() for edge, _ in AGE_BINS]
        ),
        first=tuple(rows[:most]),
        largest=tuple(sorted(rows, key=lambda row: (-row.size, row.key))[:most]),
    )


def _near(edges: Sequence[int]) -> st.SearchStrategy[int]:
    """Numbers at the edges, right beside them, and elsewhere."""
    return st.one_of(st.builds(int.__add__, st.sampled_from(edges), st.integers(-1, 1)), st.integers(0, 3 * edges[-1]))


_OBJECTS = st.builds(
    _Object,
    set=st.sampled_from(PLANNED_SETS),
    size=_near([edge for edge, _ in SIZE_BINS]).map(abs),
    age=_near([int(edge.total_seconds()) for edge, _ in AGE_BINS]),
)


@given(
    st.dictionaries(st.text("ab/é\U0001f600", min_size=1, max_size=5), _OBJECTS, max_size=40),
    st.integers(1, 7),
    st.integers(1, 5),
)
def test_a_summary_is_what_a_plain_count_gives(objects: dict[str, _Object], group_rows: int, most: int) -> None:
    with TemporaryDirectory() as folder:
        plan = _written(Folder.local(Path(folder)), objects, group_rows)
        state = Folder.local(Path(folder))
        summary = summarize_plan(state, plan, most_prefixes=most, most_rows=most, batch_rows=5)
    present = [name for name in PLANNED_SETS if any(planned.set is name for planned in objects.values())]
    assert list(summary.sets) == present
    for name in present:
        assert summary.sets[name] == _expected(name, objects, most), name


def test_the_bins_have_ascending_edges_and_names_of_their_own() -> None:
    for bins in (SIZE_BINS, AGE_BINS):
        edges, names = zip(*bins, strict=True)
        assert list(edges) == sorted(set(edges))
        assert len(set(names)) == len(names)


def test_a_plan_with_nothing_to_do_is_not_even_opened(tmp_path: Path) -> None:
    plan = _written(Folder.local(tmp_path), {})
    for path in tmp_path.iterdir():
        path.unlink()
    assert summarize_plan(Folder.local(tmp_path), plan).sets == {}


def test_damage_is_told(tmp_path: Path) -> None:
    plan = _written(Folder.local(tmp_path), {"a": _Object(ChangeSet.NEW, 1, 1)})
    (tmp_path / "copy.parquet").write_bytes(b"PAR1")
    with pytest.raises(StateError, match=r"copy\.parquet: damaged"):
        summarize_plan(Folder.local(tmp_path), plan)


def test_objects_without_a_date_have_no_age(tmp_path: Path) -> None:
    plan = _written(Folder.local(tmp_path), {})
    table = pa.Table.from_pylist([{"key": "a", "set": "new", "reason": "", "size": 3}], schema=CHANGE_SCHEMA)
    with writing_parquet(Folder.local(tmp_path), "copy.parquet", CHANGE_SCHEMA) as writer:
        writer.write_table(table)
    plan = plan.model_copy(update={"counts": {ChangeSet.NEW: Count(objects=1, bytes=3)}})
    summary = summarize_plan(Folder.local(tmp_path), plan).sets[ChangeSet.NEW]
    assert sum(summary.ages, start=Count()) == Count()
    assert sum(summary.sizes, start=Count()) == Count(objects=1, bytes=3)
