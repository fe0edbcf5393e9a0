"""Keys stay in the user's AWS credentials file: they are nowhere in the home, in Dagster, or in what is printed."""

from pathlib import Path

import pytest

from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.common.instance import open_instance
from hyve_pipeline.orchestration.definitions.build import load_definitions
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.scripted import error_answer
from hyve_pipeline_tests.servers import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from hyve_pipeline_tests.syncs import Finished, Hyve, MakePair

pytestmark = pytest.mark.usefixtures("made_storage")


def _files_with(folder: Path, *secrets: str) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]


def _dryrun_in_dagster(folder: Path) -> bool:
    """A run of Dagster, whose events and logs are in Dagster's storage; gives whether it succeeded."""
    home = Home(folder)
    job = load_definitions(home).resolve_job_def("images_dryrun")
    with open_instance(home) as instance:
        return job.execute_in_process(instance=instance, raise_on_error=False).success


def _run_everything(hyve: Hyve, faulty: FaultyServer) -> list[Finished]:
    """Runs that succeed and runs that fail, in as many ways as there are files to leave something in."""
    finished = [hyve("dryrun"), hyve("copy", "--json"), hyve("delete"), hyve("verify")]
    faulty.fault = lambda received: error_answer(403, "InvalidAccessKeyId")
    finished += [hyve("sync"), hyve("dryrun", "--json"), hyve("plans"), hyve("help")]
    assert [command.code for command in finished] == [0, 0, 0, 0, 4, 4, 0, 0]
    return finished


def test_no_key_is_ever_written_or_printed(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    pair = make_pair(through=faulty, concurrency=8)
    pair.source.put({"a": b"1"})
    pair.store.put({"gone": b"1"})
    assert _dryrun_in_dagster(pair.home)
    finished = _run_everything(hyve, faulty)
    assert not _dryrun_in_dagster(pair.home)
    assert faulty.received, "nothing was signed"
    assert all(ACCESS_KEY_ID in received.headers["authorization"] for received in faulty.received)
    printed = "".join(command.out + command.err for command in finished)
    assert SECRET_ACCESS_KEY not in printed
    assert ACCESS_KEY_ID not in printed
    assert len(list(pair.home.rglob("*.db"))) > 3, "Dagster's storage is elsewhere"
    assert _files_with(pair.home, "hyve-tests"), "the search finds nothing at all"
    assert _files_with(pair.home, SECRET_ACCESS_KEY, ACCESS_KEY_ID) == []


def test_keys_of_the_environment_stay_there(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pair = make_pair(through=faulty, concurrency=8)
    settings = pair.home / "hyve.toml"
    settings.write_text(settings.read_text().replace('profile = "hyve-tests"\n', ""))
    secrets = {
        "AWS_ACCESS_KEY_ID": "AKIDENVIRONMENT",
        "AWS_SECRET_ACCESS_KEY": "environment-secret",
        "AWS_SESSION_TOKEN": "environment-token",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    # Dagster's storage need not be in the home.
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "elsewhere"))
    pair.source.put({"a": b"1"})
    finished = hyve("sync")
    assert finished.code == 0
    assert _dryrun_in_dagster(pair.home)
    assert any("AKIDENVIRONMENT" in received.headers["authorization"] for received in faulty.received)
    assert list((tmp_path / "elsewhere").rglob("*.db"))
    assert not [secret for secret in secrets.values() if secret in finished.out + finished.err]
    assert _files_with(tmp_path, *secrets.values()) == []
