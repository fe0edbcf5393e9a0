"""Watching a plan that others apply."""

import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hyve_pipeline.operations.plan.dryrun import take_plan
from hyve_pipeline_tests.children import blocks_of, started
from hyve_pipeline_tests.cli.test_processes import Stall
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

_PATIENCE = 60


def _filled(pair: Pair) -> str:
    """Put objects into both buckets, and return the id of a plan of them."""
    pair.source.put({f"{number:02d}": b"new" for number in range(12)})
    pair.store.put({"gone": b"1"})
    return take_plan(pair.context()).id


@contextmanager
def _watching(stall: Stall) -> Iterator["subprocess.Popen[str]"]:
    """Watch the newest plan, once a command is at work on it."""
    assert stall.reached.wait(_PATIENCE)
    with started(["show", "--watch", "0.1"]) as watch:
        yield watch


def test_a_plan_that_nobody_works_at_is_not_waited_for(pair: Pair, hyve: Hyve) -> None:
    plan = _filled(pair)
    watched = hyve("show", "--watch", "0.1")
    assert watched.code == 0
    assert watched.out.splitlines()[1:] == [
        "planned, copied 0 of 12, 0 B, deleted 0 of 1, 0 B",
        f"nobody works at plan {plan}; left: 12 objects to copy, 1 object to delete",
        "next: hyve copy",
    ]
    assert hyve("copy").code == 0
    assert hyve("show", "--watch", "0.1").out.splitlines()[1:] == [
        "copied, copied 12 of 12, 36 B, deleted 0 of 1, 0 B",
        f"nobody works at plan {plan}; left: 1 object to delete",
        "next: hyve delete",
    ]
    assert hyve("delete").code == 0
    assert f"plan {plan} is done" in hyve("show", plan, "--watch", "0.1").out.splitlines()


def test_a_shard_of_which_only_the_end_is_missing_is_not_called_no_objects(pair: Pair, hyve: Hyve) -> None:
    plan = _filled(pair)
    assert hyve("copy").code == 0
    # As a kill leaves it right after the last object.
    for name in pair.state_files(f"journals/{plan}"):
        if name.startswith("ended/") or name.endswith("summary.json"):
            pair.state.remove(f"journals/{plan}/{name}")
    lines = hyve("show", "--watch", "0.1").out.splitlines()
    assert lines[-2:] == [
        f"nobody works at plan {plan}; left: the end of 1 shard to copy, 1 object to delete",
        "next: hyve copy",
    ]
    assert hyve("copy").code == 0
    assert hyve("show", "--watch", "0.1").out.splitlines()[-1] == "next: hyve delete"


def test_what_was_skipped_is_counted(pair: Pair, hyve: Hyve) -> None:
    plan = _filled(pair)
    pair.source.client.delete_object(Bucket=pair.source.name, Key="03")
    hyve("copy")
    watched = hyve("show", plan, "--watch", "0.1")
    assert watched.code == 0
    assert "copied 11 of 12, 33 B, 1 skipped" in watched.out


def test_the_copies_of_another_process_are_followed_to_their_end(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve
) -> None:
    pair = make_pair(through=faulty, shard_objects=4, concurrency=2)
    plan = _filled(pair)
    stall = faulty.fault = Stall("PUT", f"/{pair.store.name}/", after=8)
    with started(["copy"]) as child, _watching(stall) as watch:
        assert watch.stdout is not None
        for line in watch.stdout:
            if line.startswith("started, copied"):
                break
        # Longer than it waits for somebody to come.
        with pytest.raises(subprocess.TimeoutExpired):
            watch.wait(1)
        stall.release.set()
        assert child.wait(_PATIENCE) == 0
        rest = watch.stdout.read()
        assert watch.wait(_PATIENCE) == 0
    assert "copied, copied 12 of 12, 36 B, deleted 0 of 1, 0 B" in rest
    assert rest.splitlines()[-2:] == [
        f"nobody works at plan {plan}; left: 1 object to delete",
        "next: hyve delete",
    ]


def test_nothing_is_next_for_a_plan_that_is_verified(pair: Pair, hyve: Hyve) -> None:
    _filled(pair)
    assert [hyve(command).code for command in ("dryrun", "copy", "delete")] == [0, 0, 0]
    shown = (("show", "--watch", "0.1"), ("show",), ("copy",), ("delete",))
    assert [hyve(*arguments).out.splitlines()[-1] for arguments in shown] == ["next: hyve verify"] * 4
    assert hyve("verify").code == 0
    assert [arguments for arguments in shown if "next: " in hyve(*arguments).out] == []


def test_an_interrupt_ends_the_watch_alone(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty, concurrency=2)
    plan = _filled(pair)
    stall = faulty.fault = Stall("PUT", f"/{pair.store.name}/", after=2)
    with started(["copy"]) as child, _watching(stall) as watch:
        assert watch.stdout is not None
        assert plan in watch.stdout.readline()
        assert "copied" in watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        _, err = watch.communicate(timeout=_PATIENCE)
        stall.release.set()
        assert child.wait(_PATIENCE) == 0
    assert watch.returncode == 130
    assert err == f"hyve: interrupted: the watch ended, plan {plan} goes on\n"


def test_a_terminal_gets_bars(pair: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _filled(pair)
    assert hyve("sync").code == 0
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    master, slave = pty.openpty()
    with started(["show", "--watch", "0.1"], stdout=slave, stderr=slave) as child:
        os.close(slave)
        written = b"".join(blocks_of(master)).decode()
        os.close(master)
        assert child.wait(_PATIENCE) == 0
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written).replace("\r", "\n").splitlines()
    assert [line for line in lines if line.startswith("✓ copy")][-1].split()[3:] == ["12/12", "36", "B", "0:00"]
    assert [line for line in lines if line.startswith("✓ delete")]
    assert not [line for line in lines if plan in line and line.startswith("nobody")]
    assert max(map(len, (line for line in lines if "━" in line))) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--watch", "latest"), "'latest' is no number of seconds; the id of a plan goes before this option"),
        (("--watch", "0"), "0 is not in the range x>=0.1"),
        (("--watch", "--json"), "--watch and --json or --failed exclude each other"),
        (("--watch", "--failed"), "--watch and --json or --failed exclude each other"),
    ],
)
def test_mistakes_are_wrong_usage(arguments: tuple[str, ...], message: str, pair: Pair, hyve: Hyve) -> None:
    finished = hyve("show", *arguments)
    assert finished.code == 2
    assert message in finished.err
