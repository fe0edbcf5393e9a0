"""Any legal key, through every file that is written and everything that is shown: in its place, and unchanged."""

import json
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import lxml.html
import pyarrow as pa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hyve_pipeline.cli.main import run
from hyve_pipeline.core.base.arrow_columns import bounds, count_up_to, is_ascending
from hyve_pipeline.core.base.keys import displayed, list_line, parse_list_line
from hyve_pipeline.core.model.journal import JournalRow, Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import RangeDatabase
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan, read_shard
from hyve_pipeline.report.page import render_page
from hyve_pipeline.state.journals import shard_journals
from hyve_pipeline.state.parquet import open_dataset
from hyve_pipeline_tests.lists import read_list
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory
from hyve_pipeline_tests.s3.keys import LEGAL_KEYS, ODD_KEYS
from hyve_pipeline_tests.syncs import sync_table
from hyve_pipeline_tests.tally import THOROUGHNESS

_SETS = st.sets(LEGAL_KEYS, min_size=1, max_size=12)
_FEW = settings(max_examples=8 * THOROUGHNESS, suppress_health_check=[HealthCheck.too_slow])

# Keys whose order by UTF-8 bytes is another than by UTF-16, by collation, or without regard to case.
_TREACHEROUS = {"\uff5e", "\U0001f600", "Z", "a", "ä", "a\u0308", "\x00", "a\x00", "a\x00b", "\ufffe", "\U0010ffff"}


def _by_bytes(keys: set[str]) -> list[str]:
    return sorted(keys, key=str.encode)


@settings(max_examples=20 * THOROUGHNESS)
@given(st.sets(LEGAL_KEYS, max_size=30))
@example(_TREACHEROUS)
@example(set(ODD_KEYS))
def test_every_engine_orders_keys_by_their_bytes(keys: set[str]) -> None:
    expected = _by_bytes(keys)
    assert sorted(keys) == expected
    table = pa.table({"key": pa.array(list(keys), pa.string())})
    with RangeDatabase() as database, database.showing({"listed": table}) as connection:
        found = connection.sql("SELECT key FROM listed ORDER BY key").to_arrow_table().column("key").to_pylist()
        assert found == expected
        for bound in expected[::7]:
            query = "SELECT count(*) FILTER (key < $bound), count(*) FILTER (key = $bound) FROM listed"
            below, equal = connection.execute(query, {"bound": bound}).fetchall()[0]
            assert (below, equal) == (expected.index(bound), 1)
            assert count_up_to(table.column("key"), bound) == expected.index(bound) + 1
    ordered = pa.chunked_array([pa.array(expected, pa.string())])
    assert is_ascending(ordered)
    assert len(expected) < 2 or not is_ascending(pa.chunked_array([pa.array(expected[::-1], pa.string())]))
    assert bounds(ordered) == ((expected[0], expected[-1]) if expected else (None, None))


@given(LEGAL_KEYS)
def test_a_line_holds_one_key(key: str) -> None:
    line = list_line(key)
    assert parse_list_line(line) == key
    assert "\n" not in line
    assert "\r" not in line
    # Those that are in quotes are read by whatever reads JSON.
    assert not line.startswith('"') or json.loads(line) == key


@_FEW
@given(source=_SETS, store=_SETS, both=_SETS)
@example(source=set(ODD_KEYS[::3]), store=set(ODD_KEYS[1::3]), both=set(ODD_KEYS[2::3]))
def test_keys_go_through_inventory_diff_plan_lists_and_journal(
    source: set[str], store: set[str], both: set[str]
) -> None:
    new, modified, gone = source - store - both, both, store - source - both
    unchanged = (source & store) - both
    with TemporaryDirectory() as folder:
        context = context_at(Path(folder), shard_objects=5)
        plan = _plan(context, source | both, store | both, both)
        expected = {"new": new, "modified": modified, "duplicate_stores": gone}
        for name, keys in expected.items():
            content = (Path(folder) / "out" / "images" / f"{name}.txt").read_bytes()
            assert read_list(content) == _by_bytes(keys), name
        planned = {"copy": _by_bytes(new | modified), "delete": _by_bytes(gone)}
        for action, keys in planned.items():
            shards = [
                read_shard(context, plan, shard).column("key").to_pylist()
                for shard in plan.shards
                if shard.action == action
            ]
            assert [key for shard in shards for key in shard] == keys, action
        for shard in plan.shards:
            keys = read_shard(context, plan, shard).column("key").to_pylist()
            assert (shard.first_key, shard.last_key) == (keys[0], keys[-1])
        assert Plan.model_validate_json(plan.model_dump_json()) == plan
        _write_journal(context, plan)
        journaled = {key for _, journal in shard_journals(context.state, plan) for key in journal.last_rows()}
        assert journaled == new | modified | gone
        assert not journaled & unchanged


def _plan(context: SyncContext, source: set[str], store: set[str], changed: set[str]) -> Plan:
    """A plan between two inventories; it also sees that the inventories' files have exactly these keys."""
    entries = {
        "source": {key: Entry(time=9 if key in changed else 0) for key in source},
        "store": {key: Entry(time=3) for key in store},
    }
    written = [written_inventory(context, side, found, 4) for side, found in entries.items()]  # type: ignore[arg-type]
    for inventory, keys in zip(written, (source, store), strict=True):
        assert open_dataset(context.state, inventory.files).to_table().column("key").to_pylist() == _by_bytes(keys)
    return freeze_plan(context, diff_inventories(context, *written))


def _write_journal(context: SyncContext, plan: Plan) -> None:
    now = datetime.now(UTC)
    for shard, journal in shard_journals(context.state, plan):
        with journal.claimed(context.actor) as claim, journal.begin(claim, "a run", now) as writer:
            for key in read_shard(context, plan, shard).column("key").to_pylist():
                writer.append(
                    JournalRow(
                        key=key, action=shard.action, outcome=Outcome.FAILED, at=now, code="Tried", detail=f"of {key}"
                    )
                )


@settings(max_examples=3 * THOROUGHNESS, suppress_health_check=[HealthCheck.too_slow])
@given(keys=st.sets(LEGAL_KEYS, min_size=1, max_size=8))
@example(keys=set(ODD_KEYS))
def test_a_page_and_documents_show_every_key(keys: set[str]) -> None:
    with TemporaryDirectory() as folder:
        home = Path(folder)
        context = context_at(home, shard_objects=1)
        place = sync_table("images", context.place("source"), context.place("store"), shard_objects=1)
        (home / "hyve.toml").write_text(place)
        plan = _plan(context, keys, {"unchanged"}, set())
        _write_journal(context, plan)
        shown = _run("show", plan.id, "--json", "--home", folder)
        assert {shard["first_key"] for shard in json.loads(shown)["shards"] if shard["action"] == "copy"} == keys
        failed = _run("show", plan.id, "--failed", "--json", "--home", folder)
        assert keys <= _texts(json.loads(failed))
        lines = _run("show", plan.id, "--failed", "--home", folder)
        assert {f"copy failed Tried: {displayed(key)}" for key in keys} <= set(lines.split("\n"))
        page = lxml.html.document_fromstring(render_page(context, plan))
        told = {element.text_content() for element in page.xpath("//bdi")}
        # Of many, those stand on the page that are the largest; here all are of one size.
        assert len(keys) > 8 or {displayed(key) for key in keys} <= told
        assert not [text for text in told if not text.isprintable()]


def _run(*arguments: str) -> str:
    """What a command that succeeds prints."""
    with TemporaryFile("w+") as out, redirect_stdout(out), redirect_stderr(out):
        code = run(arguments)
        out.seek(0)
        text = out.read()
    assert code == 0, text
    return text


def _texts(document: object) -> set[str]:
    """Every text anywhere in a JSON document."""
    if isinstance(document, str):
        return {document}
    values = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return {text for value in values for text in _texts(value)}
