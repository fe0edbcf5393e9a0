"""Which files hold an asset's rows: those of its newest version, and of each Dagster run's."""

from pathlib import Path

from hyve_pipeline.operations.plan.dryrun import take_plan
from hyve_pipeline.operations.stored_tables import StoredTable, TableShelf
from hyve_pipeline.state.home import Home
from hyve_pipeline_tests.syncs import NAME, Pair


def test_a_run_finds_its_own_table_whatever_was_made_since(tmp_path: Path) -> None:
    shelf = TableShelf(Home(tmp_path), NAME, "new")
    older, newer = (StoredTable(id=name, files=(f"{name}.parquet",)) for name in ("older", "newer"))
    shelf.keep(older, "run")
    shelf.keep(newer, None)
    assert shelf.find(["run"]) == older
    assert shelf.find(["another"]) == newer


def test_a_command_replaces_the_newest_tables_and_leaves_none_of_its_own(pair: Pair) -> None:
    plan = take_plan(pair.context())
    assert TableShelf(Home(pair.home), NAME, "plan").find([]).id == plan.id
    assert {name.rpartition("/")[2] for name in pair.state_files("assets")} == {"newest.json"}
