"""What it costs that a command begins and ends: little is loaded, and nothing is lost at the end."""

import os
import re
import subprocess
import sys

import pytest

from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.syncs import Hyve, Pair

_PATIENCE = 60


def test_a_dryrun_loads_no_more_than_it_needs(pair: Pair) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    command = [sys.executable, "-X", "importtime", "-m", "hyve_pipeline", "dryrun"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=True)
    loaded = set(re.findall(r"^import time:.*\| +(\S+)$", finished.stderr, re.MULTILINE))
    assert "dagster" in loaded
    # Modules within: what could not be imported is named too.
    assert not loaded & {"numpy.linalg", "pandas.core", "boto3.session", "rich.progress", "pygments.token", "moto.core"}


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
