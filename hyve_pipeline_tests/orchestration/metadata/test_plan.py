"""What Dagster's page of a plan shows: little enough to be kept with each event, and nothing that a key made of it."""

import re
from datetime import timedelta
from pathlib import Path

import dagster as dg

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.journal import AttemptSummary, Tally
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline.orchestration.metadata.events import shard_metadata
from hyve_pipeline.orchestration.metadata.plan import plan_metadata
from hyve_pipeline_tests.operations.listings import START, Entry, context_at, written_inventory
from hyve_pipeline_tests.report.hostile import hostile_plan

# Above this the UI hides Markdown behind a link.
_MOST_SHOWN = 1_000

_LEGEND = r"blue: new, amber: modified, purple: duplicate \(to delete\)"
_PICTURE = re.compile(
    rf"!\[[A-Za-z -]+\]\(data:image/svg\+xml(;base64,[A-Za-z0-9+/]+=*|,[A-Za-z0-9%/:=\',;._-]+)\)(\n\n{_LEGEND})?"
)


def _characters(metadata: object) -> int:
    """How much of a database all of it takes."""
    return len(dg.serialize_value(dg.AssetMaterialization("plan", metadata=metadata)))  # type: ignore[arg-type]


def test_no_key_gets_into_markdown_and_all_of_it_is_small(tmp_path: Path) -> None:
    context, plan = hostile_plan(tmp_path, max_deletes=1)
    metadata = plan_metadata(context, plan)
    pictures = {name: value.value for name, value in metadata.items() if isinstance(value, dg.MarkdownMetadataValue)}
    assert len(pictures) == 4
    for text in pictures.values():
        assert _PICTURE.fullmatch(text)
    for name in ("objects by size", "objects by age"):
        assert len(pictures[name]) < _MOST_SHOWN
    tables = {name: value for name, value in metadata.items() if isinstance(value, dg.TableMetadataValue)}
    objects = {f"{word} {name}" for word in ("first", "largest") for name in ("new", "modified", "duplicate")}
    assert set(tables) == {"summary", "by prefix", "estimate by step"} | objects
    for name in ("summary", "by prefix"):
        assert "duplicate (to delete)" in {record.data["set"] for record in tables[name].records}
    keys = [str(record.data["key"]) for name in objects for record in tables[name].records]
    assert len(keys) == 6 * 10
    assert all(key.isprintable() for key in keys)
    assert metadata["refused"] == f"max_deletes (too many deletes): {plan.refusals[0].detail}"
    assert _characters(metadata) < 150_000


def test_numbers_are_plain_and_tables_are_of_sets_with_objects(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    source = written_inventory(context, "source", {"a/1": Entry(size=5), "\u202eb": Entry(size=7)})
    plan = freeze_plan(context, diff_inventories(context, source, written_inventory(context, "store", {})))
    metadata = plan_metadata(context, plan)
    assert {name: value for name, value in metadata.items() if isinstance(value, int)} == {
        "copies": 2,
        "bytes to copy": 12,
        "deletes": 0,
        "bytes to delete": 0,
        "copy shards": 1,
        "delete shards": 0,
    }
    assert "refused" not in metadata
    assert not [name for name in metadata if "modified" in name or "duplicate" in name]
    assert [record.data for record in metadata["largest new"].records] == [
        {
            "key": displayed(key),
            "size": f"{size} B",
            "reason": "missing in store",
            "source written": f"{START:%F %T} UTC",
        }
        for key, size in (("\u202eb", 7), ("a/1", 5))
    ]
    assert [record.data for record in metadata["by prefix"].records] == [
        {"set": "new (to copy)", "prefix": "(none)", "objects": 1, "size": "7 B"},
        {"set": "new (to copy)", "prefix": "a/", "objects": 1, "size": "5 B"},
    ]


def test_the_page_begins_with_figures_in_words_and_ends_with_long_names(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    source = written_inventory(context, "source", {"small/1": Entry(size=5), "large/1": Entry(size=120_000)})
    store = written_inventory(context, "store", {"gone/1": Entry(size=2_000)})
    plan = freeze_plan(context, diff_inventories(context, source, store))
    metadata = plan_metadata(context, plan)
    names = list(metadata)
    assert names[:7] == ["plan", "copies", "size to copy", "deletes", "size to delete", "summary", "by prefix"]
    assert (metadata["size to copy"], metadata["size to delete"]) == ("120.0 kB", "2.0 kB")
    # Dagster plots numbers; the user reads the words.
    assert names[-4:] == ["bytes to copy", "bytes to delete", "source inventory", "store inventory"]
    pictures = [names.index(name) for name, value in metadata.items() if isinstance(value, dg.MarkdownMetadataValue)]
    assert pictures == [*range(7, 11)]
    assert [
        (record.data["set"], record.data["objects"], record.data["size"]) for record in metadata["summary"].records
    ][:3] == [
        ("new (to copy)", 2, "120.0 kB"),
        ("modified (to overwrite)", 0, "0 B"),
        ("duplicate (to delete)", 1, "2.0 kB"),
    ]
    assert [record.data["prefix"] for record in metadata["by prefix"].records] == ["large/", "gone/", "small/"]


def test_a_plan_with_nothing_to_do_has_no_pictures(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    inventories = [written_inventory(context, side, {"a": Entry()}) for side in ("source", "store")]
    plan = freeze_plan(context, diff_inventories(context, *inventories))
    metadata = plan_metadata(context, plan)
    assert plan.count(ChangeSet.UNCHANGED).objects == 1
    assert [name for name, value in metadata.items() if isinstance(value, dg.MetadataValue)] == ["summary"]
    assert _characters(metadata) < 5_000


def test_a_rate_is_only_told_where_sums_and_time_belong_together(tmp_path: Path) -> None:
    _, plan = hostile_plan(tmp_path)

    def metadata(attempt: int, seconds: float) -> dict[str, object]:
        summary = AttemptSummary(
            tally=Tally(done=10, failed=2, bytes=5000),
            failures={"SlowDown": 2},
            skips={},
            attempt=attempt,
            run_id="a run",
            started=START,
            ended=START + timedelta(seconds=seconds),
        )
        return dict(shard_metadata(plan, plan.shards[0], summary))

    first = metadata(1, 2.5)
    assert (first["objects per second"], first["bytes per second"]) == (4.0, 2000)
    assert (first["done"], first["bytes"], first["seconds"]) == (10, 5000, 2.5)
    assert (first["size"], first["speed"]) == ("5.0 kB", "2.0 kB/s")
    for other in (metadata(2, 2.5), metadata(1, 0)):
        assert not [name for name in other if "per second" in name or name == "speed"]
