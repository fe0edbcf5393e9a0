"""``--profile``: where the CPU time of a command and of its processes goes."""

import re
import sys
from pathlib import Path

import pytest

from hyve_pipeline.core.runtime.cpu_profile import running_profile
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CPU profiles need Linux")


def test_a_profile_is_of_all_processes(make_pair: MakePair, hyve: Hyve, tmp_path: Path) -> None:
    pair = make_pair(shard_objects=2, processes=2)
    pair.source.put({f"{number}": b"1" for number in range(8)})
    assert hyve("dryrun").code == 0
    file = tmp_path / "profile.txt"
    finished = hyve("copy", "--json", "--profile", str(file))
    assert finished.document["copied"] == 8
    assert finished.err.endswith(f"profile of CPU time: {file}\n")
    table = file.read_text()
    assert re.match(r"CPU time: \d+\.\d\d s of 3 processes\n\nroom ", table)
    assert {"s3/connection", "operations/workers"} <= {line.split(" ")[0] for line in table.splitlines()}
    assert running_profile() is None


def test_a_profile_may_go_to_standard_error(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1"})
    finished = hyve("dryrun", "--json", "--profile", "-")
    assert finished.document["new"]["objects"] == 1
    assert "CPU time: " in finished.err
    assert "library" in finished.err


def test_a_profile_is_written_of_a_command_that_fails(pair: Pair, hyve: Hyve) -> None:
    finished = hyve("copy", "--plan", "none", "--profile", "-")
    assert finished.code == 2
    assert "CPU time: " in finished.err
    assert running_profile() is None


def test_where_a_profile_can_not_be_written_nothing_is_begun(pair: Pair, hyve: Hyve, tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "profile.txt"
    finished = hyve("dryrun", "--profile", str(missing))
    assert finished.code == 2
    reason = "No such file or directory"
    assert finished.err == f"hyve: dryrun: Invalid value for '--profile': '{missing}' can't be written: {reason}\n"
    assert pair.events() == []
    assert running_profile() is None
