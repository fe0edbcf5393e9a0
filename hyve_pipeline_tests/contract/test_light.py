"""Commands that only look something up answer at once, because they load nothing heavy."""

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

_SCRIPT = """
import sys
from hyve_pipeline.cli.main import run
code = run(sys.argv[1:])
print(code, *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def _loaded_by(*arguments: str) -> tuple[int, set[str]]:
    """The exit code of a command, and what it has loaded."""
    finished = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    code, *modules = finished.stderr.splitlines()[-1].split()
    return int(code), set(modules)


def test_help_answers_at_once() -> None:
    command = [sys.executable, "-m", "hyve_pipeline", "help"]
    assert min(cpu_seconds(command) for _ in range(3)) < _HELP_SECONDS


def test_help_loads_nothing_heavy() -> None:
    code, modules = _loaded_by("help")
    assert code == 0
    assert not modules & {"dagster", "boto3", "botocore", "awscrt", "pandas", "pyarrow", "duckdb", "pydantic", "rich"}


@pytest.mark.parametrize(
    "arguments",
    [("plans",), ("plans", "--json"), ("show", "20200101T000000000Z-00000000"), ("configure", "--no-input")],
    ids=" ".join,
)
def test_looking_up_plans_does_not_load_dagster(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYVE_HOME", str(tmp_path))
    (tmp_path / "hyve.toml").write_text(
        '[sync.images.source]\nbucket = "in-bucket"\n[sync.images.store]\nbucket = "out-bucket"\n'
    )
    _, modules = _loaded_by(*arguments)
    assert "hyve_pipeline" in modules
    assert not modules & {"dagster", "dagster_aws", "moto"}
    if arguments[0] != "configure":
        assert not modules & {"duckdb", "botocore", "awscrt"}


def test_a_report_loads_neither_dagster_nor_an_s3_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_at(tmp_path)
    source, store = {"a": Entry(size=1)}, {"b": Entry(size=2)}
    plan = freeze_plan(
        context,
        diff_inventories(
            context, written_inventory(context, "source", source), written_inventory(context, "store", store)
        ),
    )
    (tmp_path / "hyve.toml").write_text(
        sync_table(context.name, context.settings.source, context.settings.store), encoding="utf-8"
    )
    monkeypatch.setenv("HYVE_HOME", str(tmp_path))
    code, modules = _loaded_by("report")
    assert code == 0
    assert (tmp_path / "out" / "images" / f"{plan.id}.html").is_file()
    assert {"jinja2", "PIL"} <= modules
    assert not modules & {"dagster", "dagster_aws", "moto", "boto3", "botocore", "awscrt", "matplotlib"}
