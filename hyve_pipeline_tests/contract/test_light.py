"""Commands that only look something up answer at once, because they load nothing heavy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline_tests.children import cpu_seconds
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory
from hyve_pipeline_tests.syncs import sync_table

_HELP_SECONDS = 0.3

# The modules that are loaded after each command, all of them in one process.
_SCRIPT = """
import json, sys
from hyve_pipeline.cli.main import run
after = []
for command in json.loads(sys.argv[1]):
    code = run(command)
    after.append([code, sorted({name.partition(".")[0] for name in sys.modules})])
print("ENDED", json.dumps(after), sep="\\n")
"""
_S3 = {"boto3", "botocore", "awscrt"}


def _loaded_by(*commands: list[str]) -> list[tuple[int, set[str]]]:
    """The exit code of each command, and what was loaded when it had ended."""
    finished = subprocess.run(
        [sys.executable, "-c", _SCRIPT, json.dumps(commands)], capture_output=True, text=True, timeout=60, check=True
    )
    return [(code, set(modules)) for code, modules in json.loads(finished.stdout.rpartition("ENDED\n")[2])]


def test_help_answers_at_once() -> None:
    command = [sys.executable, "-m", "hyve_pipeline", "help"]
    assert min(cpu_seconds(command) for _ in range(3)) < _HELP_SECONDS


def test_help_plans_and_reports_load_nothing_heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_at(tmp_path)
    inventories = (
        written_inventory(context, "source", {"a": Entry(size=1)}),
        written_inventory(context, "store", {"b": Entry(size=2)}),
    )
    plan = freeze_plan(context, diff_inventories(context, *inventories))
    (tmp_path / "hyve.toml").write_text(
        sync_table(context.name, context.settings.source, context.settings.store), encoding="utf-8"
    )
    monkeypatch.setenv("HYVE_HOME", str(tmp_path))
    commands = ["help"], ["plans"], ["plans", "--json"], ["show", plan.id], ["report"]
    ended = _loaded_by(*commands)
    assert [code for code, _ in ended] == [0] * 5
    after_help, *after_plans, after_report = (modules for _, modules in ended)
    assert "hyve_pipeline" in after_help
    assert not after_help & {*_S3, "dagster", "pandas", "pyarrow", "duckdb", "pydantic", "rich"}
    assert not set().union(*after_plans) & {*_S3, "dagster", "dagster_aws", "moto", "duckdb"}
    assert (tmp_path / "out" / "images" / f"{plan.id}.html").is_file()
    assert "jinja2" in after_report
    assert not after_report & {*_S3, "dagster", "dagster_aws", "moto", "matplotlib", "PIL"}
