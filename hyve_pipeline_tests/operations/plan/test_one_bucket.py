"""One bucket under two names, and two buckets that look alike."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import SharedKeys
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.core.settings.mapping import MappingRule
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline.operations.inventory.mapped import map_inventory
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline.operations.plan.one_bucket import find_shared_keys
from hyve_pipeline.s3.objects import identity
from hyve_pipeline_tests.operations.listings import Entry, written_inventory

ONE = {"bucket": "data", "endpoint_url": "http://one.example"}
OTHER = {"bucket": "data", "endpoint_url": "http://other.example"}

_REST = {"from": "", "to": ""}

# As many seconds apart as there are objects.
OBJECTS = {f"n{number}": Entry(time=number, etag=str(number)) for number in range(6)}


@pytest.fixture(autouse=True)
def no_servers(aws_profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no servers that could say of an object that it is another one."""
    monkeypatch.setenv("AWS_PROFILE", aws_profile)
    monkeypatch.setattr(identity, "are_two_objects", lambda *_: False)


def context(home: Path, source: dict[str, str], store: dict[str, str], **options: Any) -> SyncContext:
    settings = SyncSettings(
        name="images",
        source=BucketSettings.model_validate(source),
        store=BucketSettings.model_validate(store),
        options=Options.model_validate({"transfer": "stream"} | options),
    )
    return SyncContext(Home(home), settings)


def below(prefix: str, objects: dict[str, Entry]) -> dict[str, Entry]:
    return {prefix + key: entry for key, entry in objects.items()}


def plan_of(sync: SyncContext, source: dict[str, Entry], store: dict[str, Entry], rows: int = 2) -> Plan:
    """The plan that comes from two listings; inventories of a few rows a group, so that there are many."""
    inventories = (written_inventory(sync, "source", source, rows), written_inventory(sync, "store", store, rows))
    return freeze_plan(sync, diff_inventories(sync, *inventories))


def rules(plan: Plan) -> list[tuple[str, str]]:
    return [(refusal.rule, refusal.action) for refusal in plan.refusals]


REFUSED = [("one_bucket", "copy"), ("one_bucket", "delete")]


@pytest.mark.parametrize("range_rows", [3, 1000])
@pytest.mark.parametrize(
    ("source_prefix", "store_prefix"),
    [("incoming/", ""), ("a/incoming/", "a/"), ("a/", "a/backup/"), ("", "backup/"), ("", ""), ("a/", "a/")],
)
def test_a_bucket_under_two_names(source_prefix: str, store_prefix: str, range_rows: int, tmp_path: Path) -> None:
    sync = context(tmp_path, ONE | {"prefix": source_prefix}, OTHER | {"prefix": store_prefix}, max_deletes="100%")
    longer = max(source_prefix, store_prefix, key=len)
    whole = below(longer, OBJECTS) | below(source_prefix, {"own": Entry()}) | below(store_prefix, {"z": Entry(time=9)})
    source, store = (
        {key: entry for key, entry in whole.items() if key.startswith(prefix)}
        for prefix in (source_prefix, store_prefix)
    )
    plan = plan_of(sync, source, store)
    assert rules(plan) == REFUSED
    shared = plan.figures.shared
    assert shared is not None
    inventories = [sync.inventories(side).newest() for side in SIDES]
    in_ranges = replace(sync, bounds=WorkBounds(range_rows=range_rows))
    assert shared == find_shared_keys(in_ranges, inventories[0], inventories[1])  # pyright: ignore
    assert shared.keys == shared.same == sum(key.startswith(longer) for key in whole)
    assert (shared.planned > 0) == (source_prefix != store_prefix)
    assert shared.example == min(key for key in whole if key.startswith(longer))
    assert repr(shared.example)[1:-1] in plan.refusals[0].detail
    # A limit that was raised does not lift it.
    assert [refusal.rule for refusal in plan.judged(None)] == ["one_bucket"] * 2


def test_a_mapping_within_one_bucket(tmp_path: Path) -> None:
    rules_of_sync = (MappingRule.model_validate({"from": "raw/", "to": "archive/"}), MappingRule.model_validate(_REST))
    sync = context(tmp_path, ONE, OTHER | {"bucket": "renamed"}, max_deletes="100%").with_mapping(rules_of_sync)

    def plan(source: dict[str, Entry], store: dict[str, Entry]) -> Plan:
        listed = (written_inventory(sync, "source", source, 2), written_inventory(sync, "store", store, 2))
        return freeze_plan(sync, diff_inventories(sync, *(map_inventory(sync, one, rules_of_sync) for one in listed)))

    # What keeps its name is never deleted while the source has it, though it looks like the same object.
    assert rules(plan(below("other/", OBJECTS), below("other/", OBJECTS))) == []
    # The source's own object would be deleted for a copy of one that it lacks. A rule that is no longer there put it
    # there, or it is no copy at all.
    only_raw = (rules_of_sync[0],)
    sync = context(tmp_path / "raw", ONE, OTHER | {"bucket": "renamed"}, max_deletes="100%").with_mapping(only_raw)
    rules_of_sync = only_raw  # type: ignore[assignment]
    bucket = below("raw/", OBJECTS) | {"archive/n9": Entry(time=9, etag="9")}
    refused = plan(bucket, bucket)
    assert rules(refused) == REFUSED
    assert refused.figures.shared is not None
    assert (refused.figures.shared.planned, refused.figures.shared.keys) == (1, 7)
    # Written at another time, it is another bucket's.
    assert rules(plan(bucket, bucket | {"archive/n9": Entry(time=99, etag="9")})) == []


def test_what_was_written_between_the_two_listings_hides_nothing(tmp_path: Path) -> None:
    sync = context(tmp_path, ONE, OTHER)
    store = OBJECTS | {"n0": Entry(time=99, etag="a"), "new": Entry(time=99)}
    assert rules(plan_of(sync, OBJECTS, store)) == REFUSED


def test_one_delete_of_an_object_of_the_source_is_enough(tmp_path: Path) -> None:
    sync = context(tmp_path, ONE | {"prefix": "incoming/"}, OTHER | {"bucket": "renamed"}, max_deletes="100%")
    source = below("incoming/", OBJECTS)
    store = {key: Entry(time=99 + entry.time, etag=entry.etag) for key, entry in source.items()}
    assert "one_bucket" not in dict(rules(plan_of(sync, source, store)))
    assert rules(plan_of(sync, source, store | {"incoming/n3": source["incoming/n3"]})) == REFUSED


def test_what_the_filters_leave_out_is_not_deleted(tmp_path: Path) -> None:
    source = below("incoming/", OBJECTS)
    sync = context(tmp_path, ONE | {"prefix": "incoming/"}, OTHER | {"bucket": "renamed"}, exclude=["incoming/*"])
    assert rules(plan_of(sync, source, source)) == []
    # Of the same name, it is the same bucket all the same, and was to be left out for that.
    sync = context(tmp_path / "same", ONE | {"prefix": "incoming/"}, OTHER, exclude=["incoming/*"])
    assert rules(plan_of(sync, source, source)) == REFUSED


@pytest.mark.parametrize(
    ("source", "store"),
    [
        # One server has one bucket of a name, and these are two names.
        (ONE | {"bucket": "one"}, ONE | {"bucket": "two"}),
        ({"bucket": "one"}, {"bucket": "two"}),
        # A copy by replication keeps all, and is called as its user likes.
        (ONE, OTHER | {"bucket": "replica"}),
        # No key can be in both.
        (ONE | {"prefix": "a/"}, OTHER | {"prefix": "b/"}),
    ],
)
def test_two_buckets_that_agree_in_all(source: dict[str, str], store: dict[str, str], tmp_path: Path) -> None:
    sync = context(tmp_path, source, store)
    plan = plan_of(sync, *(below(place.get("prefix", ""), OBJECTS) for place in (source, store)), rows=2)
    assert rules(plan) == []
    assert plan.counts["unchanged"].objects == len(OBJECTS)  # pyright: ignore[reportArgumentType]


def test_an_access_point_is_a_second_name(tmp_path: Path) -> None:
    names = ("data", "reader-x1y2-s3alias")
    sync = context(tmp_path, *({"bucket": name, "region": "eu-west-3"} for name in names))
    assert rules(plan_of(sync, OBJECTS, OBJECTS)) == REFUSED


def test_copies_are_written_later_than_their_originals(tmp_path: Path) -> None:
    sync = context(tmp_path, ONE, OTHER)
    # Some within the same second.
    store = {
        key: Entry(time=entry.time + number % 3, etag=entry.etag) for number, (key, entry) in enumerate(OBJECTS.items())
    }
    assert rules(plan_of(sync, OBJECTS, store)) == []


def test_empty_places_are_no_bucket_twice(tmp_path: Path) -> None:
    sync = context(tmp_path, ONE, OTHER)
    assert rules(plan_of(sync, {}, {})) == []
    assert rules(plan_of(sync, OBJECTS, {})) == []


def test_a_small_store_that_was_filled_at_once(tmp_path: Path) -> None:
    sync = context(tmp_path, ONE, OTHER)
    # As it is when all is written and copied within one second: the first plan saw that they are two.
    assert rules(plan_of(sync, OBJECTS, {})) == []
    assert rules(plan_of(sync, OBJECTS, OBJECTS)) == []
    assert rules(plan_of(sync, OBJECTS, OBJECTS)) == []
    # Of another server nothing is known.
    elsewhere = context(tmp_path / "elsewhere", ONE, OTHER | {"endpoint_url": "http://third.example"})
    assert rules(plan_of(elsewhere, OBJECTS, OBJECTS)) == REFUSED


def test_what_a_server_says_of_its_objects_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(identity, "are_two_objects", lambda *arguments: asked.append(arguments[-1]) or True)
    sync = context(tmp_path, ONE | {"prefix": "incoming/"}, OTHER, max_deletes="100%")
    source = below("incoming/", OBJECTS)
    assert rules(plan_of(sync, source, source)) == []
    assert asked == ["incoming/n0"]


def test_the_rule_by_itself() -> None:
    shared = SharedKeys(keys=4, same=3, planned=0, example="a", has_one_name=True, were_apart=False)
    assert shared.are_one_bucket
    assert not shared.model_copy(update={"same": 2}).are_one_bucket
    assert not shared.model_copy(update={"has_one_name": False}).are_one_bucket
    assert not shared.model_copy(update={"were_apart": True}).are_one_bucket
    assert shared.model_copy(update={"were_apart": True, "planned": 1, "has_one_name": False}).are_one_bucket
