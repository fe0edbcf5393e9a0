"""What only a process of its own can show: signals, pipes, terminals, and several at a time."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline_tests.children import blocks_of, started
from hyve_pipeline_tests.conftest import MakeBucket
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.processes import descendants, living_after
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

_PATIENCE = 60


class Stall:
    """A fault that holds the requests back from the one on that is waited for; `reached` when it holds so many."""

    def __init__(self, method: str, path: str, after: int, held: int = 1) -> None:
        self.reached = threading.Event()
        self.release = threading.Event()
        self._wanted = (method, path)
        self._left = after
        self._held = held
        self._lock = threading.Lock()

    def __call__(self, received: Received) -> Answer | None:
        if received.method == self._wanted[0] and received.path.startswith(self._wanted[1]):
            with self._lock:
                self._left -= 1
            if self._left <= -self._held:
                self.reached.set()
            if self._left < 0:
                self.release.wait(_PATIENCE)
        return None


@pytest.fixture
def held(request: pytest.FixtureRequest, make_pair: MakePair, faulty: FaultyServer) -> Iterator[Pair]:
    """A sync behind the proxy, with three copy shards and one delete shard, done by so many processes.

    Whatever is held is let go at the end.
    """
    pair = make_pair(through=faulty, shard_objects=4, concurrency=2, processes=request.param)
    pair.source.put({f"{number:02d}": b"new" for number in range(12)})
    pair.store.put({"06": b"older", "gone": b"1"})
    yield pair
    if isinstance(faulty.fault, Stall):
        faulty.fault.release.set()


@pytest.mark.parametrize(("number", "held"), [(signal.SIGINT, 1), (signal.SIGKILL, 2)], indirect=["held"])
def test_an_interrupted_copy_is_finished_by_a_retry(
    number: signal.Signals, held: Pair, faulty: FaultyServer, hyve: Hyve
) -> None:
    stall = faulty.fault = Stall("PUT", f"/{held.store.name}/", after=6)
    with started(["sync", "--json"]) as child:
        assert stall.reached.wait(_PATIENCE)
        child.send_signal(number)
        time.sleep(0.5)  # otherwise the rest may be copied before the processes have received the signal
        stall.release.set()
        out, err = child.communicate(timeout=_PATIENCE)
    assert out == ""
    if number is signal.SIGINT:
        assert child.returncode == 130
        assert re.fullmatch(
            r"hyve: interrupted: plan \S+: [6-9] of 12 copied; 'hyve copy' continues", err.splitlines()[-1]
        )
        assert "Traceback" not in err
    faulty.fault = lambda _: None
    assert "gone" in held.store.listing()

    (entry,) = hyve("plans", "--json").document["plans"]
    assert entry["copy"]["planned"] == 12
    assert entry["state"] in ("started", "copying")
    copied = {key for key, content in held.store.read().items() if content == b"new"}
    assert len(copied) >= 6
    faulty.received.clear()
    retried = hyve("retry", "--json")
    assert (retried.code, retried.document["copied"], retried.document["copy_failed"]) == (0, 12, 0)
    copied_again = {
        received.path.rpartition("/")[2] for received in faulty.received if "x-amz-copy-source" in received.headers
    }
    assert not copied_again & copied
    assert hyve("delete").code == 0
    assert held.store.read() == held.source.read()


@pytest.mark.parametrize(
    ("number", "held"),
    [(signal.SIGINT, 2), (signal.SIGTERM, 1), (signal.SIGHUP, 1)],
    indirect=["held"],
)
def test_an_interrupt_ends_all_processes_and_journals_what_they_did(
    number: signal.Signals, held: Pair, faulty: FaultyServer, hyve: Hyve
) -> None:
    stall = faulty.fault = Stall("PUT", f"/{held.store.name}/", after=1, held=2)
    with started(["copy", "--json"]) as child:
        assert stall.reached.wait(_PATIENCE)
        child.send_signal(number)
        # One at the same moment does not cut short what the first one began.
        child.send_signal(number)
        time.sleep(1)
        stall.release.set()
        out, err = child.communicate(timeout=_PATIENCE)
    assert (child.returncode, out) == (130, ""), err
    assert re.fullmatch(r"hyve: interrupted: plan \S+: 3 of 12 copied; 'hyve copy' continues", err.splitlines()[-1])
    assert "Traceback" not in err
    faulty.fault = lambda _: None
    copied = {key for key, content in held.store.read().items() if content == b"new"}
    (entry,) = hyve("plans", "--json").document["plans"]
    assert entry["copy"]["done"] == len(copied) == 3


@pytest.mark.parametrize("held", [1, 2], indirect=True)
def test_a_second_signal_ends_a_copy_at_once(
    held: Pair, faulty: FaultyServer, hyve: Hyve, state_place: BucketSettings | None
) -> None:
    stall = faulty.fault = Stall("PUT", f"/{held.store.name}/", after=5, held=2)
    with started(["copy", "--json"]) as child:
        assert stall.reached.wait(_PATIENCE)
        workers = descendants(child.pid)
        child.send_signal(signal.SIGINT)
        time.sleep(0.6)
        begun = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=_PATIENCE)
    assert time.monotonic() - begun < 5  # requests in flight get ten seconds otherwise
    assert (child.returncode, out) == (130, ""), err
    lease = "" if state_place is None else ", once its claims have expired after a minute"
    assert re.fullmatch(
        rf"hyve: interrupted: plan \S+: about [3-5] of 12 copied; 'hyve copy' continues{lease}", err.splitlines()[-1]
    )
    assert "Traceback" not in err
    stall.release.set()
    faulty.fault = lambda _: None
    # In a bucket, a worker that is about to end has its claim until it is known to have ended.
    assert not living_after(workers, _PATIENCE)
    assert hyve("copy", "--json").document["copied"] == 12


def test_a_second_signal_ends_a_listing_at_once(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    stall = faulty.fault = Stall("GET", f"/{pair.source.name}", after=0)
    with started(["dryrun"]) as child:
        assert stall.reached.wait(_PATIENCE)
        for _ in range(2):
            child.send_signal(signal.SIGINT)
            time.sleep(0.6)
        _, err = child.communicate(timeout=_PATIENCE)
    stall.release.set()
    assert child.returncode == 130
    assert err.splitlines()[-1] == "hyve: interrupted: no plan was made; run 'hyve dryrun' again"


def test_an_interrupted_undo_says_what_it_did(
    make_pair: MakePair, make_bucket: MakeBucket, faulty: FaultyServer, hyve: Hyve
) -> None:
    pair = make_pair(through=faulty, concurrency=1, trash=f"s3://{make_bucket('trash')}/", max_overwrites="100%")
    pair.store.put({f"{number}": b"longer before" for number in range(5)})
    pair.source.put({f"{number}": b"after" for number in range(5)})
    plan = hyve("sync", "--json").document["plan"]
    stall = faulty.fault = Stall("PUT", f"/{pair.store.name}/", after=2)
    with started(["undo", plan, "--json"]) as child:
        assert stall.reached.wait(_PATIENCE)
        child.send_signal(signal.SIGINT)
        time.sleep(1.5)  # otherwise the next object may be put back before the process has received the signal
        stall.release.set()
        out, err = child.communicate(timeout=_PATIENCE)
    assert child.returncode == 130, err
    assert err.splitlines()[-1] == f"hyve: interrupted: undo of plan {plan}: 3 put back; 'hyve undo {plan}' continues"
    back = [key for key, content in pair.store.read().items() if content == b"longer before"]
    assert json.loads(out)["restored"] == len(back) == 3
    faulty.fault = lambda _: None
    assert hyve("plans").out.endswith(", undone in part\n")
    assert hyve("undo", plan, "--json").document["restored"] == 5
    assert hyve("plans").out.endswith(", undone\n")


@pytest.mark.parametrize("held", [2], indirect=True)
def test_another_plan_is_refused_while_one_is_being_applied(held: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    stall = faulty.fault = Stall("PUT", f"/{held.store.name}/", after=1, held=2)
    with started(["copy", "--json"]) as child:
        assert stall.reached.wait(_PATIENCE)
        held.source.put({"new": b"1"})
        refused = hyve("sync", "--json")
        assert refused.code == 3
        assert refused.document["refused"]["rule"] == "one_at_a_time"
        assert f"is being applied by process {child.pid}" in refused.document["refused"]["detail"]
        assert (refused.document["copied"], refused.document["deleted"]) == (0, 0)
        stall.release.set()
        out, err = child.communicate(timeout=_PATIENCE)
    assert child.returncode == 0, err
    assert json.loads(out)["copied"] == 12
    assert hyve("sync").code == 0
    assert held.store.read() == held.source.read()


@pytest.mark.parametrize("held", [1, 2], indirect=True)
def test_an_interrupted_listing_ends_at_once_and_makes_no_plan(held: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    faulty.page_keys = 4
    stall = faulty.fault = Stall("GET", f"/{held.source.name}", after=2)
    with started(["dryrun"]) as child:
        assert stall.reached.wait(_PATIENCE)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=_PATIENCE - 15)  # it does not wait for a server that says nothing
    assert child.returncode == 130
    assert (out, err.splitlines()[-1]) == ("", "hyve: interrupted: no plan was made; run 'hyve dryrun' again")
    stall.release.set()
    assert hyve("plans", "--json").document["plans"] == []


def test_two_commands_can_open_a_new_home_at_once(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1"})
    with started(["dryrun"]) as one, started(["dryrun"]) as other:
        finished = [(*child.communicate(timeout=_PATIENCE), child.returncode) for child in (one, other)]
    for out, err, code in finished:
        assert code == 0, err
        assert re.search(r"new +1 object .*\(to copy\)", out)
        # Nothing but progress: no warnings of libraries, no log of Dagster.
        assert [line for line in err.splitlines() if not line.startswith("images: ")] == []
    plans = [entry["plan"] for entry in hyve("plans", "--json").document["plans"]]
    assert len(plans) == 2
    assert all(plan in finished[0][0] + finished[1][0] for plan in plans)


def test_a_terminal_gets_bars(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.source.put({f"{number}": b"12345" for number in range(7)})
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    master, slave = pty.openpty()
    with started(["sync"], stdout=slave, stderr=slave) as child:
        os.close(slave)
        written = b"".join(blocks_of(master)).decode()
        os.close(master)
        assert child.wait(_PATIENCE) == 0
    assert "━" in written
    assert re.search(r"\x1b\[[0-9;]*3[0-9]", written), "no colours"
    final = [line for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written).splitlines() if "copy ━" in line]
    assert "7/7" in final[-1]
    assert "35 B" in final[-1]
    assert written.rstrip().endswith("has them")


def test_closed_streams_are_no_obstacle(pair: Pair) -> None:
    """As some daemons and schedulers start their commands."""
    pair.source.put({"a": b"1"})
    command = 'exec "$0" -m hyve_pipeline sync >&- 2>&-'
    finished = subprocess.run(["/bin/sh", "-c", command, sys.executable], timeout=_PATIENCE, check=False)
    assert finished.returncode == 0
    assert pair.store.read() == {"a": b"1"}


def test_a_reader_that_went_away_is_no_crash(pair: Pair) -> None:
    for arguments in (["help"], ["plans", "--json"]):
        reader, writer = os.pipe()
        os.close(reader)
        with started(arguments, stdout=writer) as child:
            os.close(writer)
            _, err = child.communicate(timeout=_PATIENCE)
        assert err == ""
        assert child.returncode == 0
