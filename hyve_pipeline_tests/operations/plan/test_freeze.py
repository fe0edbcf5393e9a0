"""Freezing a diff into a plan, judging it, and choosing one."""

import json
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import ConfigurationError, StateError
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import ChangeSet, Diff
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action
from hyve_pipeline.core.model.shards import ShardTotals
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import approve_plan, choose_plan, freeze_plan, read_shard, shard_limits
from hyve_pipeline.operations.plan.summary import summarize_plan
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory


def _diff(context: SyncContext, source: dict[str, Entry], store: dict[str, Entry]) -> Diff:
    return diff_inventories(
        context, written_inventory(context, "source", source, 3), written_inventory(context, "store", store, 4)
    )


def _numbered(count: int, size: int = 1, start: int = 0) -> dict[str, Entry]:
    return {f"{number:04d}": Entry(size) for number in range(start, start + count)}


def _plan(context: SyncContext, source: dict[str, Entry], store: dict[str, Entry]) -> Plan:
    return freeze_plan(context, _diff(context, source, store))


def _keys_of(context: SyncContext, plan: Plan, action: str) -> list[list[str]]:
    return [
        read_shard(context, plan, shard).column("key").to_pylist() for shard in plan.shards if shard.action == action
    ]


@pytest.mark.parametrize("limits", [{"shard_objects": 1}, {"shard_bytes": 1}, {"shard_objects": 2, "shard_bytes": 3}])
def test_a_plan_has_at_most_as_many_shards_as_it_may(limits: dict[str, Any], tmp_path: Path) -> None:
    context = context_at(tmp_path, **limits)
    source = {f"{number:05d}": Entry(number % 7) for number in range(300)}
    diff = _diff(context, source, {f"x{number:05d}": Entry(2) for number in range(200)})
    plan = freeze_plan(context, diff, most_shards=200)
    assert 40 < len(plan.shards) <= 200
    assert sum(shard.objects for shard in plan.shards) == 500


def test_a_plan_has_at_most_two_thousand_shards_and_more_by_force(tmp_path: Path) -> None:
    context = context_at(tmp_path, shard_objects=1)
    objects = _numbered(2_001)
    assert 1_000 <= _plan(context, objects, {}).total("copy").shards <= 2_000
    forced = freeze_plan(context, _diff(context, objects, {}), most_shards=10_000)
    assert forced.total("copy").shards == 2_001


@given(
    wanted=st.one_of(st.just("auto"), st.integers(1, 1_000_000)),
    shard_bytes=st.integers(1, 2**50),
    copies=st.tuples(st.integers(0, 10**9), st.integers(0, 2**55)),
    deletes=st.tuples(st.integers(0, 10**9), st.integers(0, 2**55)),
    cost=st.sampled_from([1, 4]),
)
def test_no_sizes_lead_to_more_than_the_most_shards(
    wanted: str | int, shard_bytes: int, copies: tuple[int, int], deletes: tuple[int, int], cost: int
) -> None:
    options = Options.model_validate({"shard_objects": wanted, "shard_bytes": shard_bytes})
    planned: dict[Action, Count] = {
        action: Count(objects=objects, bytes=size if objects else 0)
        for action, (objects, size) in zip(ACTIONS, (copies, deletes), strict=True)
    }
    limits = shard_limits(options, planned, cost, 2_000)
    most = 0
    for action, count in planned.items():
        limit = limits[action]
        # At worst, every second cut by bytes comes right before a large object.
        by_bytes = 2 * count.bytes // limit.bytes if count.bytes > limit.bytes else 0
        most += min(count.objects, count.objects // limit.objects + by_bytes + 1)
    assert most <= 2_000


def test_a_billion_objects_are_cut_larger_and_a_few_not() -> None:
    def objects(count: int, size: int = 0) -> int:
        return shard_limits(Options(), {"copy": Count(objects=count, bytes=size)}, 1, 2_000)["copy"].objects

    assert [objects(count) for count in (1, 10_000, 19_000_000)] == [10_000] * 3
    assert 500_000 <= objects(1_000_000_000) < 501_000
    assert objects(1_000_000_000, size=10**15) < 600_000


def test_files_of_a_plan_have_few_row_groups_each(tmp_path: Path) -> None:
    context = context_at(tmp_path, shard_objects=1, max_deletes="100%")
    plan = _plan(context, _numbered(600), _numbered(256, start=1_000))
    assert [name.rpartition("/")[2] for name in plan.all_files] == [
        "copies.parquet",
        "copies-0002.parquet",
        "copies-0003.parquet",
        "deletes.parquet",
    ]
    assert [(shard.file, shard.row_group) for shard in plan.shards][254:258] == [(0, 254), (0, 255), (1, 0), (1, 1)]
    loaded = context.plans.load(plan.id)
    assert loaded == plan
    assert _keys_of(context, loaded, "copy") == [[key] for key in _numbered(600)]
    assert _keys_of(context, loaded, "delete") == [[key] for key in _numbered(256, start=1_000)]
    assert sum(found.objects for found in summarize_plan(context.state, plan).sets[ChangeSet.NEW].sizes) == 600
    assert loaded.total("copy") == ShardTotals(shards=600, objects=600, bytes=600)


def test_a_manifest_does_not_grow_with_the_shards(tmp_path: Path) -> None:
    context = context_at(tmp_path, shard_objects=1)
    sizes = [
        Path(context.state.uri_of(f"plans/{_plan(context, _numbered(count), {}).id}/plan.json")).stat().st_size
        for count in (1, 250)
    ]
    assert sizes[1] - sizes[0] < 100


def test_shards_are_only_read_when_they_are_needed(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    plan = _plan(context, _numbered(1), {})
    Path(context.state.uri_of(plan.shard_file or "")).unlink()
    loaded = context.plans.load(plan.id)
    assert (loaded.total("copy").shards, loaded.total("delete").shards, loaded.is_empty) == (1, 0, False)
    with pytest.raises(StateError, match=r"shards\.parquet: missing"):
        loaded.shard(1)


def test_shards_of_another_plan_are_noticed(tmp_path: Path) -> None:
    context = context_at(tmp_path, shard_objects=10)
    plan, other = (_plan(context, _numbered(count), {}) for count in (30, 40))
    Path(context.state.uri_of(plan.shard_file or "")).write_bytes(
        Path(context.state.uri_of(other.shard_file or "")).read_bytes()
    )
    with pytest.raises(StateError, match=r"shards\.parquet: damaged: it has 4 shards, the plan's manifest says 3"):
        _ = context.plans.load(plan.id).shards


def test_a_plan_reads_its_shards_in_another_process_too(tmp_path: Path) -> None:
    context = context_at(tmp_path, shard_objects=10)
    plan = _plan(context, _numbered(30), {})
    assert pickle.loads(pickle.dumps(plan)).shards == plan.shards


def test_a_plan_of_an_earlier_version_has_its_shards_in_the_manifest(tmp_path: Path) -> None:
    context = context_at(tmp_path, shard_objects=10)
    plan = _plan(context, _numbered(25), _numbered(2, start=100))
    document = json.loads(plan.model_dump_json(exclude={"totals", "shard_file", "own_shards"}))
    document["uris"] = {action: f"/old/home/state/images/{names[0]}" for action, names in plan.files.items()}
    del document["files"]
    document["options"]["shard_objects"] = 10
    document["shards"] = [asdict(shard) for shard in plan.shards]
    for shard in document["shards"]:
        del shard["file"]
    old = Plan.model_validate_json(json.dumps(document))
    assert old.shards == plan.shards
    assert [old.total(action) for action in ACTIONS] == [plan.total(action) for action in ACTIONS]
    assert (old.shard(4), old.shard(5), old.is_empty) == (plan.shards[3], None, False)
    assert _keys_of(context, old, "copy") == _keys_of(context, plan, "copy")


def test_shards_are_slices_in_key_order(tmp_path: Path) -> None:
    context = context_at(tmp_path, shard_objects=4)
    plan = _plan(context, _numbered(10), _numbered(3, size=2) | _numbered(5, start=100))
    assert _keys_of(context, plan, "copy") == [
        ["0000", "0001", "0002", "0003"],
        ["0004", "0005", "0006", "0007"],
        ["0008", "0009"],
    ]
    assert _keys_of(context, plan, "delete") == [["0100", "0101", "0102", "0103"], ["0104"]]
    assert [(shard.number, shard.action, shard.objects, shard.bytes) for shard in plan.shards] == [
        (1, "copy", 4, 4),
        (2, "copy", 4, 4),
        (3, "copy", 2, 2),
        (4, "delete", 4, 4),
        (5, "delete", 1, 1),
    ]
    assert [(shard.first_key, shard.last_key) for shard in plan.shards][::3] == [("0000", "0003"), ("0100", "0103")]
    assert plan.partition_keys("delete") == [f"{plan.id}-0004", f"{plan.id}-0005"]


def test_shards_are_cut_by_bytes_too(tmp_path: Path) -> None:
    context = context_at(tmp_path, shard_objects=4, shard_bytes=10)
    sizes = [4, 6, 1, 50, 0, 10, 3]
    plan = _plan(context, {f"{number}": Entry(size) for number, size in enumerate(sizes)}, {})
    assert [shard.bytes for shard in plan.shards] == [10, 1, 50, 10, 3]
    assert [key for keys in _keys_of(context, plan, "copy") for key in keys] == [f"{number}" for number in range(7)]


def test_a_plan_names_the_etags_that_were_seen(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    plan = _plan(context, {"a": Entry(1, 5, "7", "STANDARD_IA")}, {"a": Entry(2, 3, "8"), "b": Entry(9, 4, "9")})
    (copy,) = read_shard(context, plan, plan.shards[0]).to_pylist()
    assert (copy["set"], copy["reason"], copy["size"], copy["store_size"]) == ("modified", "size differs", 1, 2)
    assert (copy["source_etag"][-1], copy["store_etag"][-1], copy["storage_class"]) == ("7", "8", "STANDARD_IA")
    (delete,) = read_shard(context, plan, plan.shards[1]).to_pylist()
    assert (delete["set"], delete["size"], delete["store_etag"][-1]) == ("duplicate", 9, "9")


def test_the_same_diff_is_the_same_plan_and_another_one_is_not(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    diff = _diff(context, _numbered(3), {})
    plan = freeze_plan(context, diff)
    assert freeze_plan(context, diff) == plan == context.plans.load(plan.id)
    other = _plan(context, _numbered(3), {})
    assert other.id > plan.id
    assert context.plans.ids() == [plan.id, other.id]
    assert context.plans.newest() == other


def test_a_plan_without_work_has_no_shards(tmp_path: Path) -> None:
    plan = _plan(context_at(tmp_path), _numbered(3), _numbered(3))
    assert plan.shards == ()
    assert plan.refusals == ()


@pytest.mark.parametrize(
    ("options", "store", "deletes", "rules"),
    [
        ({}, 1000, 100, []),
        ({}, 1000, 101, ["max_deletes"]),
        ({}, 2000, 200, []),
        ({}, 2000, 201, ["max_deletes"]),
        ({"max_deletes": "50%"}, 300, 150, []),
        ({"max_deletes": "50%"}, 300, 151, ["max_deletes"]),
        ({"max_deletes": "0"}, 1000, 0, []),
        ({"max_deletes": "0"}, 1000, 1, ["max_deletes"]),
        ({"max_deletes": "100%"}, 300, 299, []),
    ],
)
def test_limits_of_deletes(options: dict[str, Any], store: int, deletes: int, rules: list[str], tmp_path: Path) -> None:
    kept = _numbered(store - deletes)
    plan = _plan(context_at(tmp_path, **options), kept, _numbered(store))
    assert plan.figures.duplicate == deletes
    assert [refusal.rule for refusal in plan.refusals] == rules
    assert all(str(deletes) in refusal.detail for refusal in plan.refusals)


def test_limits_of_overwrites_count_only_what_is_there_already(tmp_path: Path) -> None:
    context = context_at(tmp_path, max_overwrites="2")
    assert _plan(context, _numbered(10), _numbered(2, size=2)).refusals == ()
    (refusal,) = _plan(context, _numbered(10), _numbered(3, size=2)).refusals
    assert (refusal.rule, refusal.action) == ("max_overwrites", "copy")


def test_an_empty_source_is_no_source(tmp_path: Path) -> None:
    context = context_at(tmp_path, max_deletes="100%")
    plan = _plan(context, {}, _numbered(1))
    assert [refusal.rule for refusal in plan.refusals] == ["empty_source"]
    approve_plan(context, plan, max_deletes="100%")
    assert [refusal.rule for refusal in plan.judged(context.plans.approval(plan.id))] == ["empty_source"]


def test_an_approval_lifts_its_own_limit_alone(tmp_path: Path) -> None:
    context = context_at(tmp_path, max_deletes="0", max_overwrites="0")
    plan = _plan(context, _numbered(2), _numbered(1, size=2) | _numbered(3, start=10))

    def rules() -> list[str]:
        return [refusal.rule for refusal in plan.judged(context.plans.approval(plan.id))]

    assert rules() == ["max_overwrites", "max_deletes"]
    approve_plan(context, plan, max_deletes=None)
    assert context.plans.approval(plan.id) is None
    approve_plan(context, plan, max_deletes="2")
    assert rules() == ["max_overwrites", "max_deletes"]
    approve_plan(context, plan, max_deletes="3")
    assert rules() == ["max_overwrites"]
    approve_plan(context, plan, max_overwrites="1")
    assert rules() == []
    with pytest.raises(ConfigurationError, match="'all'"):
        approve_plan(context, plan, max_deletes="all")
    assert rules() == []
    assert context.plans.load(plan.id) == plan


def test_choosing_a_plan(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    with pytest.raises(ConfigurationError, match="hyve dryrun"):
        choose_plan(context, None)
    first = _plan(context, _numbered(1), {})
    second = _plan(context, _numbered(2), {})
    assert choose_plan(context, None) == second
    assert choose_plan(context, first.id) == first
    with pytest.raises(ConfigurationError, match="hyve plans"):
        choose_plan(context, "20200101T000000000Z-00000000")


@pytest.mark.parametrize("side", ["source", "store"])
def test_a_plan_belongs_to_its_buckets(side: str, tmp_path: Path) -> None:
    context = context_at(tmp_path)
    plan = _plan(context, _numbered(1), {})
    for change in ({"bucket": "another"}, {"prefix": "below/"}, {"endpoint_url": "http://127.0.0.1:1"}):
        place = getattr(context.settings, side).model_copy(update=change)
        moved = SyncContext(context.home, context.settings.model_copy(update={side: place}))
        with pytest.raises(ConfigurationError, match=plan.id):
            choose_plan(moved, None)


@pytest.mark.parametrize("damage", ["cut", "flip", "remove"])
def test_a_damaged_plan_is_not_applied(damage: str, tmp_path: Path) -> None:
    context = context_at(tmp_path)
    plan = _plan(context, _numbered(300), {})
    file = Path(context.state.uri_of(plan.files["copy"][0]))
    content = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[100] ^= 0xFF
        file.write_bytes(content)
    else:
        file.unlink()
    with pytest.raises(StateError, match=r"copies\.parquet"):
        read_shard(context, plan, plan.shards[0])


def test_another_plans_file_is_noticed(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    plan, other = (_plan(context, _numbered(30, start=start), {}) for start in (0, 1))
    Path(context.state.uri_of(plan.files["copy"][0])).write_bytes(
        Path(context.state.uri_of(other.files["copy"][0])).read_bytes()
    )
    with pytest.raises(StateError, match=r"copies\.parquet: damaged: shard .* has 30 objects from '0000' to '0029'"):
        read_shard(context, plan, plan.shards[0])


@pytest.mark.local_state
def test_a_damaged_manifest_is_told(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    plan = _plan(context, _numbered(1), {})
    (manifest,) = Path(tmp_path).rglob("plan.json")
    text = manifest.read_text()
    manifest.write_text(text.replace('"objects": 1', '"objects": "one"', 1))
    with pytest.raises(StateError, match=r"plan\.json: damaged: "):
        context.plans.load(plan.id)
    manifest.write_text(text[:-10])
    with pytest.raises(StateError, match="damaged"):
        context.plans.load(plan.id)
