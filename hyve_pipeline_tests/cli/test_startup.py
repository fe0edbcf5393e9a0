"""What it costs that a command begins and ends: little is loaded, and nothing is lost at the end."""

import json
import re
import subprocess
import sys

import pytest

from hyve_pipeline.cli.main import COMMANDS
from hyve_pipeline.operations.plan.dryrun import take_plan
from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.heeding import hold_an_interrupt_back
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


@pytest.mark.local_state
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


# One process for all commands: what one of them loads stays loaded. `demo` runs the others as its children.
_ALL = """
import importlib, json, pkgutil, sys
import hyve_pipeline.cli.demo, hyve_pipeline.demo
from hyve_pipeline.cli.main import run
for module in pkgutil.iter_modules(hyve_pipeline.demo.__path__, "hyve_pipeline.demo."):
    importlib.import_module(module.name)
codes = [run(command) for command in json.loads(sys.argv[1])]
print("ENDED", json.dumps([codes, sorted(sys.modules)]), sep="\\n")
"""


def test_no_command_but_ui_loads_dagster(pair: Pair) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    pair.store.put({"gone": b"1"})
    plan = take_plan(pair.context()).id
    arguments = {
        "configure": [*("--no-input", "--sync", "another", "--profile", "hyve-tests"), *_buckets(pair)],
        "show": [plan],
        "undo": [plan],
        "completion": ["bash"],
    }
    # Everything that there is, in an order in which each has something to do.
    first = ["help", "plans", "show", "report", "dryrun", "copy", "delete", "verify", "retry", "undo", "sync"]
    names = [*first, *(name for name in COMMANDS if name not in {*first, "demo", "ui"})]
    assert {*names, "demo", "ui"} == set(COMMANDS)
    several = ["--sync", "images"]
    commands = [
        [name, *arguments.get(name, []), *(several if name not in ("help", "configure", "completion") else [])]
        for name in names
    ]
    finished = subprocess.run(
        [sys.executable, "-c", _ALL, json.dumps(commands)],
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    codes, modules = json.loads(finished.stdout.rpartition("ENDED\n")[2])
    # Nothing says for how long archived objects should be restored, and no queue is set.
    refused = {name: code for name, code in zip(names, codes, strict=True) if code not in (0, 1)}
    assert refused == {"restore": 2, "follow": 2}
    assert "hyve_pipeline.operations.undo" in modules
    assert not {name for name in modules if name.partition(".")[0] in ("dagster", "dagster_shared", "sqlalchemy")}
    assert pair.store.read() == pair.source.read()


def _buckets(pair: Pair) -> list[str]:
    place = pair.source.place
    return [
        *("--in-bucket", pair.source.name, "--out-bucket", pair.store.name),
        *("--region", str(place.region), "--endpoint-url", str(place.endpoint_url)),
    ]


def test_the_end_loses_nothing_that_was_printed(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    with started(["dryrun"], is_new_interpreter=True) as child:
        out, err = child.communicate(timeout=_PATIENCE)
    assert child.returncode == 0
    assert out.splitlines()[-1].startswith("next: ")
    assert "compare: 7 keys" in err
    # Not a word of libraries about what was not freed.
    assert [line for line in err.splitlines() if not line.startswith("images: ")] == []
    assert len(hyve("plans", "--json").document["plans"]) == 1


@pytest.mark.parametrize("arguments", [("dryrun", "--sync", "unknown"), ("copy", "--plan", "unknown")], ids=" ".join)
def test_a_command_that_fails_early_ends_with_its_code(pair: Pair, arguments: tuple[str, ...]) -> None:
    with started(arguments, is_new_interpreter=True) as child:
        _, err = child.communicate(timeout=_PATIENCE)
    assert child.returncode == 2
    assert err.startswith("hyve: ")


def test_an_interrupt_that_is_held_back_while_it_starts_is_one_line(pair: Pair) -> None:
    with started(["dryrun"], preexec_fn=hold_an_interrupt_back) as child:
        out, err = child.communicate(timeout=_PATIENCE)
    assert (child.returncode, out) == (130, "")
    assert [line.partition(":")[0] for line in err.splitlines() if not line.startswith("images: ")] == ["hyve"]
    assert "interrupted" in err
