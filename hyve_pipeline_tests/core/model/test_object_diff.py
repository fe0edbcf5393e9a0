"""The comparison in DuckDB gives the same result as a few lines of plain Python."""

import itertools
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import CHANGE_SCHEMA, UNDONE_SCHEMA, ChangeSet
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA
from hyve_pipeline.core.model.memory import INTERRUPTED, MEMORY_SCHEMA
from hyve_pipeline.core.model.object_diff import Differ
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.settings.filter import FilterSettings
from hyve_pipeline.core.settings.options import AlteredChoice, CompareRule, Options
from hyve_pipeline_tests.tally import THOROUGHNESS

EVERYTHING = RelativeRange("", None)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 2, 1, tzinfo=UTC)
ARCHIVED_CLASSES = ("GLACIER", "DEEP_ARCHIVE")
MD5 = ("0" * 32, "f" * 32)
ETAGS = (*MD5, "F" * 32, "0" * 32 + "-2", "f" * 32 + "-3", "F" * 32 + "-3", "opaque", "OPAQUE", "")


@dataclass(frozen=True)
class Listed:
    size: int = 1
    second: int = 0
    etag: str = MD5[0]
    storage_class: str = "STANDARD"
    restored: int | None = None


def inventory(objects: dict[str, Listed], prefix: str = "") -> pa.Table:
    rows = [
        {
            "key": prefix + key,
            "size": listed.size,
            "last_modified": BEGIN + timedelta(seconds=listed.second),
            "etag": listed.etag,
            "storage_class": listed.storage_class,
            "restored_until": None if listed.restored is None else NOW + timedelta(seconds=listed.restored),
        }
        for key, listed in sorted(objects.items())
    ]
    return pa.Table.from_pylist(rows, schema=INVENTORY_SCHEMA)


def expected_set(
    rule: CompareRule, filters: Filters, key: str, source: Listed | None, store: Listed | None, *, is_undone: bool
) -> str:
    if not filters.matches(key):
        return "excluded"
    if source is None:
        return "duplicate" if store is None or store.etag else "skipped"
    if store is not None and not is_undone and not is_modified(rule, source, store):
        return "unchanged"
    if is_archived(source) or not source.etag or (store is not None and not store.etag):
        return "skipped"
    return "new" if store is None else "modified"


def is_archived(source: Listed) -> bool:
    return source.storage_class in ARCHIVED_CLASSES and (source.restored is None or source.restored <= 0)


def is_modified(rule: CompareRule, source: Listed, store: Listed) -> bool:
    """The contract's rules, word by word."""
    sizes_or_times = source.size != store.size or source.second > store.second
    if rule == "size":
        return source.size != store.size
    if rule == "etag":
        comparable = re.fullmatch("[0-9a-fA-F]{32}", source.etag) and re.fullmatch("[0-9a-fA-F]{32}", store.etag)
        return have_other_etags(source, store) if comparable else sizes_or_times
    return sizes_or_times or (source.second == store.second and have_other_etags(source, store))


def have_other_etags(source: Listed, store: Listed) -> bool:
    """Whether the ETags differ, case-insensitively where they are MD5s."""
    if "opaque" in (source.etag.lower(), store.etag.lower()):
        return source.etag != store.etag
    return source.etag.lower() != store.etag.lower()


keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6) | st.text("ab/\n\x00é😀", min_size=1, max_size=4)
listings = st.dictionaries(
    keys,
    st.builds(
        Listed,
        size=st.integers(0, 2),
        second=st.integers(0, 2),
        etag=st.sampled_from(ETAGS),
        storage_class=st.sampled_from(["STANDARD", "GLACIER", "DEEP_ARCHIVE", "STANDARD_IA"]),
        restored=st.none() | st.integers(-1, 1),
    ),
    max_size=12,
)
rules = st.sampled_from(["last_modified", "size", "etag"])
globs = st.lists(st.sampled_from(["a*", "*/*", "?", "[ab]*", "*é"]), max_size=2).map(tuple)


@settings(deadline=None, max_examples=40 * THOROUGHNESS)
@given(
    listings,
    listings,
    rules,
    globs,
    globs,
    st.sampled_from(["", "p/", "😀/"]),
    st.sampled_from(["", "längs/"]),
    st.lists(keys, max_size=3),
    st.data(),
)
def test_every_key_is_in_the_set_that_the_contract_puts_it_in(
    source: dict[str, Listed],
    store: dict[str, Listed],
    rule: CompareRule,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    source_prefix: str,
    store_prefix: str,
    others: list[str],
    data: st.DataObject,
) -> None:
    filters = Filters(include, exclude)
    undone = {*others, *data.draw(st.lists(st.sampled_from(sorted(source.keys() | store.keys()) or [""])))}
    with Differ(
        rule, filters, source_prefix=source_prefix, store_prefix=store_prefix, compared=NOW, gives_unchanged=True
    ) as differ:
        rows = pa.table({"key": sorted(undone)}, UNDONE_SCHEMA)
        found = differ.diff(inventory(source, source_prefix), inventory(store, store_prefix), EVERYTHING, rows)
    expected = {
        key: expected_set(rule, filters, key, source.get(key), store.get(key), is_undone=key in undone)
        for key in source.keys() | store.keys()
    }
    listed = {key: name for key, name in expected.items() if name not in ("unchanged", "excluded")}
    assert found.rows.schema == CHANGE_SCHEMA
    assert found.rows.column("key").to_pylist() == sorted(listed, key=lambda key: key.encode())
    assert dict(zip(*(found.rows.column(name).to_pylist() for name in ("key", "set")), strict=True)) == listed
    readable = {
        key
        for key, name in expected.items()
        if name == "unchanged" and not is_archived(source[key]) and store[key].storage_class not in ARCHIVED_CLASSES
    }
    assert found.unchanged.schema == CHANGE_SCHEMA
    assert found.unchanged.column("key").to_pylist() == sorted(readable, key=lambda key: key.encode())
    for name in ChangeSet:
        members = [key for key, member_of in expected.items() if member_of == name.value]
        count = found.counts.get(name)
        assert (count.objects if count else 0) == len(members)
        assert (count.bytes if count else 0) == sum((source.get(key) or store[key]).size for key in members)


@settings(deadline=None, max_examples=15 * THOROUGHNESS)
@given(listings, listings, st.lists(keys, max_size=4), st.integers(0, 4))
def test_ranges_together_find_what_one_comparison_finds(
    source: dict[str, Listed], store: dict[str, Listed], cuts: list[str], many_rows: int
) -> None:
    """Whether or not the rows of a range are counted first."""
    tables = inventory(source), inventory(store)
    bounds = ["", *sorted(set(cuts)), None]
    ranges = [RelativeRange(first or "", end) for first, end in itertools.pairwise(bounds)]
    with Differ("last_modified", Filters()) as differ:
        whole = differ.diff(*tables, EVERYTHING)
        parts = [differ.diff(*tables, key_range, many_rows=many_rows) for key_range in ranges]
    assert pa.concat_tables([part.rows for part in parts]).to_pylist() == whole.rows.to_pylist()
    for name in ChangeSet:
        counts = [part.counts[name] for part in parts if name in part.counts]
        total = whole.counts.get(name, Count())
        assert sum(count.objects for count in counts) == total.objects
        assert sum(count.bytes for count in counts) == total.bytes


def test_a_row_has_what_users_and_copies_need() -> None:
    source = inventory({"k": Listed(size=7, second=9, etag=MD5[1], storage_class="STANDARD_IA")})
    with Differ("last_modified", Filters()) as differ:
        found = differ.diff(source, inventory({"k": Listed(size=7, second=3)}), EVERYTHING)
    assert found.rows.to_pylist() == [
        {
            "key": "k",
            "set": "modified",
            "reason": "source is newer",
            "size": 7,
            "source_etag": MD5[1],
            "source_last_modified": BEGIN + timedelta(seconds=9),
            "storage_class": "STANDARD_IA",
            "store_etag": MD5[0],
            "store_last_modified": BEGIN + timedelta(seconds=3),
            "store_size": 7,
            "store_storage_class": "STANDARD",
        }
    ]


@pytest.mark.parametrize(
    ("source", "store", "reason"),
    [
        (Listed(), None, "missing in store"),
        (None, Listed(), "missing in source"),
        (Listed(size=1), Listed(size=2), "size differs"),
        (Listed(second=2), Listed(second=1), "source is newer"),
        (Listed(etag=MD5[0]), Listed(etag=MD5[1]), "same time, ETag differs"),
        (Listed(storage_class="GLACIER"), None, "archived as GLACIER, missing in store"),
        (Listed(storage_class="GLACIER", restored=0), Listed(size=2), "archived as GLACIER, size differs"),
        (Listed(storage_class="DEEP_ARCHIVE", restored=1), None, "missing in store"),
        (Listed(etag=""), None, "no ETag in the source's listing, missing in store"),
        (Listed(etag="", storage_class="GLACIER"), None, "no ETag in the source's listing, missing in store"),
        (Listed(etag="", size=2), Listed(), "no ETag in the source's listing, size differs"),
        (Listed(size=2), Listed(etag=""), "no ETag in the store's listing, size differs"),
        (None, Listed(etag=""), "no ETag in the store's listing, missing in source"),
    ],
)
def test_the_reason_is_said_in_words(source: Listed | None, store: Listed | None, reason: str) -> None:
    sides = [inventory({} if side is None else {"k": side}) for side in (source, store)]
    with Differ("last_modified", Filters(), compared=NOW) as differ:
        found = differ.diff(sides[0], sides[1], EVERYTHING)
    assert found.rows.column("reason").to_pylist() == [reason]


@dataclass(frozen=True)
class Remembered:
    source_etag: str | None = MD5[0]
    store_etag: str | None = MD5[1]
    size: int = 1


remembered = st.builds(
    Remembered,
    source_etag=st.sampled_from([*(etag for etag in ETAGS if etag), INTERRUPTED, None]),
    store_etag=st.sampled_from([*(etag for etag in ETAGS if etag), None]),
    size=st.integers(0, 2),
)


def expected_with_memory(rule: CompareRule, source: Listed, store: Listed, pair: Remembered | None) -> str:
    """What the contract says of a key in both, word by word; "overwritten" where an altered object is copied again."""
    if pair is None or pair.source_etag is None:
        return "modified" if is_modified(rule, source, store) else "unchanged"
    if pair.source_etag == INTERRUPTED:
        return "modified"
    if source.etag:
        if source.size != pair.size or have_other_etags(source, Listed(etag=pair.source_etag)):
            return "modified"
        if store.etag and pair.store_etag is not None:
            is_as_left = store.size == pair.size and not have_other_etags(store, Listed(etag=pair.store_etag))
            return "unchanged" if is_as_left else "altered"
    return "modified" if is_modified(rule, source, store) else "unchanged"


@settings(deadline=None, max_examples=40 * THOROUGHNESS)
@given(
    listings,
    listings,
    rules,
    st.dictionaries(keys, remembered, max_size=3),
    st.lists(remembered | st.none(), max_size=12),
    st.sampled_from(["report", "overwrite"]),
)
def test_what_is_remembered_goes_before_the_rule(
    source: dict[str, Listed],
    store: dict[str, Listed],
    rule: CompareRule,
    others: dict[str, Remembered],
    pairs: list[Remembered | None],
    choice: AlteredChoice,
) -> None:
    store |= {key: store.get(key, listed) for key, listed in sorted(source.items())[:4]}
    found_pairs = zip(sorted(source.keys() & store.keys()), pairs, strict=False)
    memory = others | {key: pair for key, pair in found_pairs if pair is not None}
    rows = [{"key": key, **vars(pair)} for key, pair in memory.items()]
    with Differ(rule, Filters(), compared=NOW, overwrites_altered=choice == "overwrite") as differ:
        found = differ.diff(
            inventory(source), inventory(store), EVERYTHING, memory=pa.Table.from_pylist(rows, MEMORY_SCHEMA)
        )
    expected: dict[str, str] = {}
    for key in source.keys() | store.keys():
        one, other = source.get(key), store.get(key)
        if one is None or other is None:
            expected[key] = expected_set(rule, Filters(), key, one, other, is_undone=False)
            continue
        expected[key] = expected_with_memory(rule, one, other, memory.get(key))
        if expected[key] == "altered" and choice == "overwrite":
            expected[key] = "modified"
        if expected[key] == "modified" and (is_archived(one) or not one.etag or not other.etag):
            expected[key] = "skipped"
    listed = {row["key"]: row["set"] for row in found.rows.to_pylist()}
    assert listed == {key: name for key, name in expected.items() if name not in ("unchanged", "excluded")}


def passes(found: FilterSettings, listed: Listed, *, with_class: bool) -> bool:
    """The filters on objects as the page of the filters has them."""
    written = BEGIN + timedelta(seconds=listed.second)
    newer, older = found.at(NOW).newer_than, found.at(NOW).older_than
    assert not isinstance(newer, int)
    assert not isinstance(older, int)
    return (
        (found.min_size is None or listed.size >= found.min_size)
        and (found.max_size is None or listed.size <= found.max_size)
        and (newer is None or written >= newer)
        and (older is None or written < older)
        and (not found.storage_class or not with_class or listed.storage_class in found.storage_class)
    )


# Times about those of the objects, as times and as durations before the plan.
ages = st.integers(-1, 3).map(lambda second: BEGIN + timedelta(seconds=second))
ages = st.none() | ages | ages.map(lambda time: int((NOW - time).total_seconds()))


@st.composite
def object_filters(draw: st.DrawFn) -> FilterSettings:
    sizes = sorted(draw(st.lists(st.integers(0, 3), min_size=2, max_size=2)))
    values = {
        "min_size": draw(st.none() | st.just(sizes[0])),
        "max_size": draw(st.none() | st.just(sizes[1])),
        "newer_than": draw(ages),
        "older_than": draw(ages),
        "storage_class": draw(st.lists(st.sampled_from(["STANDARD", "STANDARD_IA", "GLACIER"]), max_size=2)),
        "rules": draw(st.lists(st.sampled_from(["+ a*", "- *b", "- */*", "+ *é"]), max_size=3)),
    }
    try:
        return FilterSettings.model_validate(values)
    except ValueError:
        # Nothing would take part, or nothing would be left out: as a user can't have it either.
        return FilterSettings.model_validate(values | {"newer_than": None, "rules": []})


@settings(deadline=None, max_examples=60 * THOROUGHNESS)
@given(listings, listings, rules, globs, globs, object_filters(), st.sampled_from(["source", "STANDARD_IA"]), st.data())
def test_a_filter_never_makes_a_duplicate_of_what_the_source_has(
    source: dict[str, Listed],
    store: dict[str, Listed],
    rule: CompareRule,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    found: FilterSettings,
    storage_class: str,
    data: st.DataObject,
) -> None:
    # Most keys are on both sides, with another size, time or class.
    for key in data.draw(st.lists(st.sampled_from(sorted(source) or ["a"]), unique=True)):
        store[key] = data.draw(st.sampled_from([*source.values(), *store.values(), Listed()]))
    options = Options(compare=rule, include=include, exclude=exclude, filter=found, storage_class=storage_class)
    filters = Filters.of(options, NOW)
    with Differ(rule, filters, compared=NOW) as differ:
        rows = differ.diff(inventory(source), inventory(store), EVERYTHING)
    sets = dict(zip(*(rows.rows.column(name).to_pylist() for name in ("key", "set")), strict=True))
    assert not {key for key, name in sets.items() if name == "duplicate"} & source.keys()
    expected: dict[str, str] = {}
    for key in source.keys() | store.keys():
        one, other = source.get(key), store.get(key)
        takes_part = (
            passes(found, one, with_class=True)
            if one is not None
            else passes(found, store[key], with_class=storage_class == "source")
        )
        of_key = expected_set(rule, filters, key, one, other, is_undone=False)
        expected[key] = of_key if takes_part else "excluded"
    assert sets == {key: name for key, name in expected.items() if name not in ("unchanged", "excluded")}
    excluded = [key for key, name in expected.items() if name == "excluded"]
    assert rows.counts.get(ChangeSet.EXCLUDED, Count()).objects == len(excluded)
