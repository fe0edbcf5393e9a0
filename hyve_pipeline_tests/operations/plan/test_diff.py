"""Comparing two inventories, held against the rules written down once more in plain Python."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.base.keys import parse_list_line
from hyve_pipeline.core.model.diff import ChangeSet, Diff, sets_of
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import open_inventory
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.state.parquet import open_dataset
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.tally import THOROUGHNESS

_LISTED = {ChangeSet.NEW: "new", ChangeSet.MODIFIED: "modified", ChangeSet.DUPLICATE: "duplicate_stores"}


def _diff(
    context: SyncContext, source: Mapping[str, Entry], store: Mapping[str, Entry], row_group_rows: int = 50_000
) -> Diff:
    return diff_inventories(
        context,
        written_inventory(context, "source", source, row_group_rows),
        written_inventory(context, "store", store, row_group_rows),
    )


def _keys(context: SyncContext, diff: Diff) -> dict[ChangeSet, list[str]]:
    """The keys below the prefix of each set that has rows, as its Parquet file has them."""
    return {
        name: open_dataset(context.state, files).to_table().column("key").to_pylist()
        for name, files in diff.files.items()
    }


def _lists(context: SyncContext) -> dict[ChangeSet, list[str]]:
    """The keys of the three text lists, whole."""
    return {
        name: [parse_list_line(line) for line in context.lists.read_text(f"{file}.txt").split("\n")[:-1]]
        for name, file in _LISTED.items()
    }


def _set_of(context: SyncContext, source: Entry | None, store: Entry | None) -> ChangeSet:
    """The set that a key belongs to when both sides look like this."""
    in_source, in_store = ({} if entry is None else {"key": entry} for entry in (source, store))
    diff = _diff(context, in_source, in_store)
    (found,) = [name for name, count in diff.counts.items() if count.objects]
    return found


_SAME = Entry(size=3, time=10, etag="0")
_MULTIPART = "d41d8cd98f00b204e9800998ecf8427e-2"

# What differs in the store, and what each rule says of it.
_CASES = [
    ("nothing", Entry(3, 10, "0"), "unchanged", "unchanged", "unchanged"),
    ("store newer", Entry(3, 11, "0"), "unchanged", "unchanged", "unchanged"),
    ("store newer by a microsecond", Entry(3, 10.000001, "1"), "unchanged", "unchanged", "modified"),
    ("store older", Entry(3, 9, "0"), "modified", "unchanged", "unchanged"),
    ("store older by a microsecond", Entry(3, 9.999999, "0"), "modified", "unchanged", "unchanged"),
    ("store newer, size", Entry(4, 11, "0"), "modified", "modified", "unchanged"),
    ("store newer, size and ETag", Entry(4, 11, "1"), "modified", "modified", "modified"),
    ("same time, ETag", Entry(3, 10, "1"), "modified", "unchanged", "modified"),
    ("store newer, multipart ETag", Entry(3, 11, _MULTIPART), "unchanged", "unchanged", "unchanged"),
    ("store newer, multipart ETag and size", Entry(4, 11, _MULTIPART), "modified", "modified", "modified"),
    ("store older, multipart ETag", Entry(3, 9, _MULTIPART), "modified", "unchanged", "modified"),
    ("another class", Entry(3, 11, "0", "STANDARD_IA"), "unchanged", "unchanged", "unchanged"),
]


@pytest.mark.parametrize(
    ("store", "last_modified", "size", "etag"), [c[1:] for c in _CASES], ids=[c[0] for c in _CASES]
)
def test_rules(store: Entry, last_modified: str, size: str, etag: str, tmp_path: Path) -> None:
    found = {
        rule: _set_of(context_at(tmp_path, compare=rule), _SAME, store) for rule in ("last_modified", "size", "etag")
    }
    assert found == {"last_modified": last_modified, "size": size, "etag": etag}


def test_keys_of_one_side_only(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    assert _set_of(context, _SAME, None) is ChangeSet.NEW
    assert _set_of(context, None, _SAME) is ChangeSet.DUPLICATE


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_what_can_not_be_read_is_skipped_only_where_it_would_be_copied(storage_class: str, tmp_path: Path) -> None:
    context = context_at(tmp_path)
    archived = Entry(3, 10, "0", storage_class)
    assert _set_of(context, archived, None) is ChangeSet.SKIPPED
    assert _set_of(context, archived, Entry(time=9)) is ChangeSet.SKIPPED
    assert _set_of(context, archived, Entry(time=11)) is ChangeSet.UNCHANGED
    # The store's class says nothing of whether the source can be read, or a key deleted.
    assert _set_of(context, Entry(time=12), archived) is ChangeSet.MODIFIED
    assert _set_of(context, None, archived) is ChangeSet.DUPLICATE


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_what_was_restored_is_copied_as_long_as_it_can_be_read(storage_class: str, tmp_path: Path) -> None:
    context = context_at(tmp_path)
    restored = Entry(3, 10, "0", storage_class, restored=3600)
    assert _set_of(context, restored, None) is ChangeSet.NEW
    assert _set_of(context, restored, Entry(time=9)) is ChangeSet.MODIFIED
    assert _set_of(context, restored, Entry(time=11)) is ChangeSet.UNCHANGED
    assert _set_of(context, Entry(3, 10, "0", storage_class, restored=-1), None) is ChangeSet.SKIPPED


def test_inventories_of_earlier_versions_are_compared(tmp_path: Path) -> None:
    """They do not say what was restored."""
    context = context_at(tmp_path)
    earlier = pa.schema([field for field in INVENTORY_SCHEMA if field.name != "restored_until"])
    sides = {"source": {"a": Entry(), "cold": Entry(storage_class="GLACIER")}, "store": {"b": Entry()}}
    source = written_inventory(context, "source", sides["source"], schema=earlier)
    store = written_inventory(context, "store", sides["store"], schema=earlier)
    for store_of_now in (store, written_inventory(context, "store", sides["store"])):
        counts = diff_inventories(context, source, store_of_now).counts
        assert {name.value for name, count in counts.items() if count.objects} == {"new", "duplicate", "skipped"}
    with open_inventory(context.state, source) as rows:
        assert rows.read(RelativeRange("", None)).schema.equals(INVENTORY_SCHEMA)
    with open_inventory(context.state, source, ["key", "size"]) as rows:
        assert rows.read(RelativeRange("", None)).column_names == ["key", "size"]


def test_what_can_be_read_at_once_is_no_archive(tmp_path: Path) -> None:
    assert _set_of(context_at(tmp_path), Entry(storage_class="GLACIER_IR"), None) is ChangeSet.NEW


def test_sets_lists_and_totals_agree(tmp_path: Path) -> None:
    context = context_at(tmp_path, prefixes=("in/", "deep/out/"), exclude=["tmp/*"])
    diff = _diff(
        context,
        {"in/b": Entry(5), "in/new": Entry(7), "in/tmp/x": Entry(1), "in/both": Entry(2), "in/a": Entry(8)},
        {"deep/out/b": Entry(6), "deep/out/gone": Entry(9), "deep/out/tmp/y": Entry(4), "deep/out/both": Entry(2)},
    )
    assert _keys(context, diff) == {
        ChangeSet.NEW: ["a", "new"],
        ChangeSet.MODIFIED: ["b"],
        ChangeSet.DUPLICATE: ["gone"],
    }
    assert _lists(context) == {
        ChangeSet.NEW: ["in/a", "in/new"],
        ChangeSet.MODIFIED: ["in/b"],
        ChangeSet.DUPLICATE: ["deep/out/gone"],
    }
    assert {name: (count.objects, count.bytes) for name, count in diff.counts.items()} == {
        ChangeSet.NEW: (2, 15),
        ChangeSet.MODIFIED: (1, 5),
        ChangeSet.DUPLICATE: (1, 9),
        ChangeSet.UNCHANGED: (1, 2),
        ChangeSet.EXCLUDED: (2, 5),
        ChangeSet.ALTERED: (0, 0),
        ChangeSet.SKIPPED: (0, 0),
    }
    assert context.diffs.load(diff.id) == diff


def test_two_empty_buckets_make_empty_lists(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    diff = _diff(context, {}, {})
    assert _lists(context) == _keys(context, diff) == {name: [] for name in _LISTED}
    assert not any(count.objects for count in diff.counts.values())


@pytest.mark.parametrize("prefix", ["", "ü\u0308☃/👪/", "a'b\"/$1%/"])
def test_odd_keys_and_prefixes_stay_as_they_are(prefix: str, tmp_path: Path) -> None:
    context = context_at(tmp_path, prefixes=(prefix, ""))
    modified, duplicate = ODD_KEYS[::2], [f"{key}!" for key in ODD_KEYS]
    diff = _diff(
        context,
        {prefix + key: Entry(1) for key in ODD_KEYS},
        {key: Entry(2) for key in (*modified, *duplicate)},
        row_group_rows=5,
    )
    expected = {
        ChangeSet.NEW: sorted(set(ODD_KEYS) - set(modified), key=str.encode),
        ChangeSet.MODIFIED: sorted(modified, key=str.encode),
        ChangeSet.DUPLICATE: sorted(duplicate, key=str.encode),
    }
    assert _keys(context, diff) == expected
    for name in (ChangeSet.NEW, ChangeSet.MODIFIED):
        expected[name] = [prefix + key for key in expected[name]]
    assert _lists(context) == expected


def test_a_diff_that_fails_leaves_the_lists_of_the_last_one(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    _diff(context, {"a": Entry()}, {"b": Entry()})
    before = _lists(context)
    source = written_inventory(context, "source", {f"{number:03d}": Entry() for number in range(300)}, 100)
    store = written_inventory(context, "store", {})
    file = Path(context.state.uri_of(source.files[0]))
    damaged = bytearray(file.read_bytes())
    middle = len(damaged) // 3
    damaged[middle : middle + 50] = bytes(50)
    file.write_bytes(damaged)
    with pytest.raises(StateError, match=source.id):
        diff_inventories(context, source, store)
    assert _lists(context) == before
    assert [path.name for path in (tmp_path / "out" / "images").iterdir() if path.suffix != ".txt"] == []


def test_an_inventory_of_another_length_is_not_compared(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    source = written_inventory(context, "source", {"a": Entry(), "b": Entry()})
    store = written_inventory(context, "store", {})
    shorter = written_inventory(context, "source", {"a": Entry()})
    Path(context.state.uri_of(source.files[0])).write_bytes(Path(context.state.uri_of(shorter.files[0])).read_bytes())
    with pytest.raises(StateError, match="damaged"):
        diff_inventories(context, source, store)
    Path(context.state.uri_of(source.files[0])).unlink()
    with pytest.raises(StateError, match="missing"):
        diff_inventories(context, source, store)


_KEYS = st.text(st.sampled_from("ab/ü☃👪\n"), min_size=1, max_size=4)
_ENTRIES = st.builds(
    Entry,
    size=st.integers(0, 2),
    time=st.integers(0, 2),
    etag=st.sampled_from(["0", "1", _MULTIPART]),
    storage_class=st.sampled_from(["STANDARD", "GLACIER"]),
)


def _expected(key: str, source: Entry | None, store: Entry | None) -> ChangeSet:
    """The rules of the promise for `compare = "last_modified"`, and the filter `exclude = ["a*"]`."""
    if key.startswith("a"):
        return ChangeSet.EXCLUDED
    if source is None:
        return ChangeSet.DUPLICATE
    if store is not None and not (
        source.time > store.time
        or source.size != store.size
        or (source.time == store.time and source.etag != store.etag)
    ):
        return ChangeSet.UNCHANGED
    if source.storage_class == "GLACIER":
        return ChangeSet.SKIPPED
    return ChangeSet.NEW if store is None else ChangeSet.MODIFIED


@given(
    source=st.dictionaries(_KEYS, _ENTRIES, max_size=25),
    store=st.dictionaries(_KEYS, _ENTRIES, max_size=25),
    row_group_rows=st.integers(1, 6),
    range_rows=st.integers(1, 12),
)
@settings(max_examples=12 * THOROUGHNESS, deadline=None)
def test_any_two_listings_in_any_ranges(
    source: dict[str, Entry],
    store: dict[str, Entry],
    row_group_rows: int,
    range_rows: int,
) -> None:
    with tempfile.TemporaryDirectory() as home:
        context = context_at(Path(home), prefixes=("in/", ""), exclude=["a*"])
        context = replace(context, bounds=WorkBounds(range_rows=range_rows))
        diff = _diff(context, {f"in/{key}": entry for key, entry in source.items()}, store, row_group_rows)
        sets: dict[ChangeSet, list[str]] = {name: [] for name in sets_of(Options())}
        for key in sorted({*source, *store}, key=str.encode):
            sets[_expected(key, source.get(key), store.get(key))].append(key)
        assert _keys(context, diff) == {name: sets[name] for name in _LISTED}
        assert {name: count.objects for name, count in diff.counts.items()} == {
            name: len(keys) for name, keys in sets.items()
        }
        assert _lists(context)[ChangeSet.NEW] == [f"in/{key}" for key in sets[ChangeSet.NEW]]
