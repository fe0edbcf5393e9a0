"""Dagster's storage as fast as in the tests of orchestration."""

import shutil
from pathlib import Path

import pytest

from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.common import instance
from hyve_pipeline_tests.orchestration.conftest import closed_databases, empty_dagster_home, hasty_storage

__all__ = ["closed_databases", "empty_dagster_home", "hasty_storage"]


@pytest.fixture
def made_storage(empty_dagster_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster's storage of a home is a copy of an empty one, where there is none yet."""
    prepare = instance.prepare_storage

    def copy(home: Home) -> None:
        if not home.dagster_home.exists():
            shutil.copytree(empty_dagster_home, home.dagster_home)
        prepare(home)

    monkeypatch.setattr(instance, "prepare_storage", copy)
