"""What it costs that a command begins and ends: little is loaded, and nothing is lost at the end."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hyve_pipeline.cli.main import COMMANDS
from hyve_pipeline.operations.plan.dryrun import take_plan
from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.syncs import Hyve, Pair

_PATIENCE = 60


def _loaded_by(*arguments: str) -> set[str]:
    """The modules that a command loads."""
    command = [sys.executable, "-X", "importtime", "-m", "hyve_pipeline", *arguments]
    finished = subprocess.run(
        command, capture_output=True, text=True, timeout=_PATIENCE, check=False, stdin=subprocess.DEVNULL
    )
    assert finished.returncode in (0, 1), finished.stderr[-2000:]
    return set(re.findall(r"^import time:.*\| +(\S+)$", finished.stderr, re.MULTILINE))


def test_a_dryrun_loads_no_more_than_it_needs(pair: Pair) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    # Modules within: what could not be imported is named too.
    assert not _loaded_by("dryrun") & {
        *("numpy.linalg", "pandas.core", "boto3.session", "rich.progress", "pygments.token", "moto.core"),
        "dagster",
    }


def test_a_dryrun_with_keys_of_the_environment_loads_no_botocore(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes as long as all that sends the requests."""
    pair.source.put({"a": b"1"})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    settings = pair.home / "hyve.toml"
    settings.write_text(re.sub(r"(?m)^profile = .*\n", "", settings.read_text()))
    loaded = _loaded_by("dryrun")
    assert "awscrt.s3" in loaded
    assert not loaded & {"botocore.session", "botocore.credentials", "urllib3.connection"}


def test_no_command_but_ui_loads_dagster(pair: Pair, tmp_path: Path) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    pair.store.put({"gone": b"1"})
    plan = take_plan(pair.context()).id
    arguments = {
        "configure": [*("--no-input", "--sync", "another", "--profile", "hyve-tests"), *_buckets(pair)],
        "show": [plan],
        "undo": [plan],
        "demo": ["--home", str(tmp_path / "demo")],
    }
    # Everything that there is, in an order in which each has something to do.
    first = ["help", "plans", "show", "report", "dryrun", "copy", "delete", "verify", "retry", "undo", "sync"]
    commands = [*first, *(name for name in COMMANDS if name not in {*first, "ui"})]
    assert set(commands) | {"ui"} == set(COMMANDS)
    several = ["--sync", "images"]
    for command in commands:
        more = several if command not in ("help", "configure", "demo") else []
        loaded = _loaded_by(command, *arguments.get(command, []), *more)
        assert "hyve_pipeline.cli.main" in loaded
        assert not {name for name in loaded if name.partition(".")[0] in ("dagster", "dagster_shared", "sqlalchemy")}
    assert pair.store.read() == pair.source.read()


def _buckets(pair: Pair) -> list[str]:
    place = pair.source.place
    return [
        *("--in-bucket", pair.source.name, "--out-bucket", pair.store.name),
        *("--region", str(place.region), "--endpoint-url", str(place.endpoint_url)),
    ]


def test_the_end_loses_nothing_that_was_printed(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    with started(["dryrun"]) as child:
        out, err = child.communicate(timeout=_PATIENCE)
    assert child.returncode == 0
    assert out.splitlines()[-1].startswith("lists: ")
    assert "compare: 7 objects" in err
    # Not a word of libraries about what was not freed.
    assert [line for line in err.splitlines() if not line.startswith("images: ")] == []
    assert len(hyve("plans", "--json").document["plans"]) == 1


def test_a_reader_that_went_away_while_a_command_worked(pair: Pair) -> None:
    pair.source.put({"a": b"1"})
    reader, writer = os.pipe()
    os.close(reader)
    with started(["dryrun", "--json"], stdout=writer) as child:
        os.close(writer)
        _, err = child.communicate(timeout=_PATIENCE)
    assert child.returncode == 1
    assert "Exception" not in err
    assert "Error" not in err


@pytest.mark.parametrize("arguments", [("dryrun", "--sync", "unknown"), ("copy", "--plan", "unknown")], ids=" ".join)
def test_a_command_that_fails_early_ends_with_its_code(pair: Pair, arguments: tuple[str, ...]) -> None:
    with started(arguments) as child:
        _, err = child.communicate(timeout=_PATIENCE)
    assert child.returncode == 2
    assert err.startswith("hyve: ")
