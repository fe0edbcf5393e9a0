"""What the doctor says of Dagster's own settings."""

import importlib.resources
from pathlib import Path

import pytest

from hyve_pipeline.core.model.findings import Verdict
from hyve_pipeline.core.settings.model import Automation, SyncSettings
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline.operations.doctor.dagster_settings import examine_dagster


@pytest.fixture
def sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SyncContext:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    (tmp_path / "dagster").mkdir()
    source, store = BucketSettings(bucket="source"), BucketSettings(bucket="store")
    settings = SyncSettings(name="images", source=source, store=store, automation=Automation(runs=3))
    return SyncContext(Home(tmp_path / "home"), settings)


def found(sync: SyncContext, text: str | None) -> list[tuple[Verdict, str]]:
    file = sync.home.dagster_home / "dagster.yaml"
    if text is not None:
        file.write_text(text)
    return [(finding.verdict, finding.detail.removeprefix(f"{file}: ")) for finding in examine_dagster(sync)]


def test_without_settings_there_is_nothing_to_say(sync: SyncContext) -> None:
    assert found(sync, None) == []


def test_our_own_settings_are_right(sync: SyncContext) -> None:
    text = (importlib.resources.files("hyve_pipeline.orchestration") / "dagster.yaml").read_text(encoding="utf-8")
    assert found(sync, text) == [(Verdict.OK, "runs are queued, at most 4 at once")]


@pytest.mark.parametrize(
    ("text", "verdict", "detail"),
    [
        ("", Verdict.OK, "runs are queued"),
        ("- a list", Verdict.OK, "runs are queued"),
        ("run_coordinator: {class: DefaultRunCoordinator}", Verdict.WARN, "runs are not queued"),
        (
            "run_queue: {max_concurrent_runs: 2}",
            Verdict.WARN,
            "at most 2 runs go on at once, and the apply",
        ),
        ("concurrency: {runs: {max_concurrent_runs: 9}}", Verdict.OK, "runs are queued, at most 9 at once"),
        ("run_coordinator: {config: {max_concurrent_runs: {env: MOST}}}", Verdict.OK, "runs are queued"),
        ("a: [", Verdict.FAIL, "can't be read: while parsing"),
        ("\x00", Verdict.FAIL, "can't be read: unacceptable character"),
    ],
)
def test_what_a_sync_relies_on_is_checked(sync: SyncContext, text: str, verdict: Verdict, detail: str) -> None:
    ((how, what),) = found(sync, text)
    assert how is verdict
    assert what.startswith(detail)


def test_no_limit_is_told_as_none(sync: SyncContext) -> None:
    assert found(sync, "concurrency: {runs: {max_concurrent_runs: -1}}") == [(Verdict.OK, "runs are queued")]


def test_a_relative_storage_is_said(sync: SyncContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "somewhere")
    (finding,) = examine_dagster(sync)
    assert finding.verdict is Verdict.FAIL
    assert "is relative" in finding.detail
