"""What `hyve ui` loads."""

import importlib
from pathlib import Path

import dagster as dg
import pytest

from hyve_pipeline.orchestration.ui.code_server import PROJECT
from hyve_pipeline_tests.pages import write_home


def test_materialize_all_runs_in_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_home(tmp_path / "home", "http://127.0.0.1:9")
    monkeypatch.setenv("HYVE_HOME", str(tmp_path / "home"))
    definitions = importlib.reload(importlib.import_module(PROJECT)).defs
    assert definitions.resolve_implicit_global_asset_job_def().executor_def is dg.in_process_executor
    assert {"images_dryrun", "images_copy"} <= {job.name for job in definitions.resolve_all_job_defs()}
