"""The web UI takes over what killed commands and killed runs left behind, and does not touch what is in progress."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import copied_keys
from hyve_pipeline_tests.pages import Page, running_ui
from hyve_pipeline_tests.processes import descendants, living_after
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc"),
    pytest.mark.timeout(300),
]

_PATIENCE = 90


class _Stall:
    """A fault that lets some copies through and holds the others back; `reached` when it holds one."""

    def __init__(self, after: int) -> None:
        self.reached = threading.Event()
        self.release = threading.Event()
        self._left = after
        self._lock = threading.Lock()

    def __call__(self, received: Received) -> Answer | None:
        if "x-amz-copy-source" not in received.headers:
            return None
        with self._lock:
            self._left -= 1
            is_held = self._left < 0
        if is_held:
            self.reached.set()
            self.release.wait(_PATIENCE)
            # The requester may have ended; what it requested is not done.
            return Answer(status=500)
        return None


@pytest.fixture
def held(request: pytest.FixtureRequest, make_pair: MakePair, faulty: FaultyServer) -> Iterator[Pair]:
    """A sync behind the proxy, of some objects a shard; whatever is held back is let go at the end."""
    pair = make_pair(through=faulty, shard_objects=request.param, concurrency=2)
    pair.source.put({f"{number:02d}": b"new" for number in range(12)})
    yield pair
    if isinstance(faulty.fault, _Stall):
        faulty.fault.release.set()


@pytest.mark.parametrize("held", [6], indirect=True)
def test_a_killed_command_is_finished_by_a_run(held: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    stall = faulty.fault = _Stall(after=5)
    with running_ui(held.home, os.environ) as page:
        with started(["copy"]) as child:
            assert stall.reached.wait(_PATIENCE)
            # While a command works on a plan, a run from the UI on another one is refused.
            other = _plan_another(held, hyve)
            refused = page.launch("images_copy", executionMetadata={"tags": [_partition(f"{other}-0001")]})
            assert page.await_end(refused) == "FAILURE"
            (reason,) = page.failures(refused)
            assert re.search(r"refused by one_at_a_time: plan \S+ of sync images is being applied", reason)
            assert f"by process {child.pid}" in reason
            child.kill()
            child.communicate(timeout=_PATIENCE)
        stall.release.set()
        before = set(held.store.keys())
        assert len(before) == 5
        faulty.fault = lambda _: None
        faulty.received.clear()
        first, _ = held.context().plans.ids()
        finishing = page.launch(
            "images_copy", runConfigData={"ops": {"images_copy_shard": {"config": {"plan": first}}}}
        )
        assert page.await_end(finishing) == "SUCCESS"
    held.source.delete("other")
    assert held.store.read() == held.source.read()
    assert not set(copied_keys(faulty.received)) & before


def _plan_another(pair: Pair, hyve: Hyve) -> str:
    pair.source.put({"other": b"1"})
    return hyve("dryrun", "--json").document["plan"]


def _partition(name: str) -> dict[str, str]:
    return {"key": "dagster/partition", "value": name}


@pytest.mark.parametrize("held", [12], indirect=True)
def test_runs_of_the_ui_that_ended_early_are_gone_on_with(held: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    with running_ui(held.home, os.environ) as page:
        _kill_a_run(page, held, faulty, hyve)
        held.source.put({f"later/{number:02d}": b"new" for number in range(12)})
        _terminate_a_run(page, held, faulty, hyve)
    assert hyve("verify").code == 0


def _kill_a_run(page: Page, held: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    """A command finishes it."""
    plan = hyve("dryrun", "--json").document["plan"]
    stall = faulty.fault = _Stall(after=3)
    page.launch("images_copy", executionMetadata={"tags": [_partition(f"{plan}-0001")]})
    assert stall.reached.wait(_PATIENCE)
    # The shard that the UI's run works on is left alone by a command.
    busy = hyve("copy", "--json")
    assert (busy.code, busy.document["copied"], busy.document["refused"]) == (1, 0, None)
    assert "another process works on" in hyve("copy").err
    # It notes itself as the owner of the plan's lock.
    worker = int((held.home / "state" / "images" / "applying" / f"{plan}.lock").read_text())
    assert worker in descendants(page.process.pid)
    os.kill(worker, signal.SIGKILL)
    assert not living_after({worker}, _PATIENCE)
    stall.release.set()
    faulty.fault = lambda _: None
    before = set(held.store.keys())
    assert len(before) == 3
    faulty.received.clear()
    assert hyve("retry").code == 0
    assert held.store.read() == held.source.read()
    assert not set(copied_keys(faulty.received)) & before
    (entry,) = hyve("plans", "--json").document["plans"]
    assert (entry["copy"]["done"], entry["copy"]["planned"]) == (12, 12)


def _terminate_a_run(page: Page, held: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    """It ends within seconds, and another one finishes what it began."""
    plan = hyve("dryrun", "--json").document["plan"]
    already = set(held.store.keys())

    def slow(received: Received) -> Answer | None:
        time.sleep(1.5 if "x-amz-copy-source" in received.headers else 0)
        return None

    faulty.fault = slow
    run = page.launch("images_copy", executionMetadata={"tags": [_partition(f"{plan}-0001")]})
    deadline = time.monotonic() + _PATIENCE
    while set(held.store.keys()) == already:
        assert time.monotonic() < deadline, "nothing was copied"
        time.sleep(0.1)
    page.terminate(run)
    asked = time.monotonic()
    assert page.await_end(run) == "CANCELED"
    assert time.monotonic() - asked < 15
    before = set(held.store.keys()) - already
    assert 0 < len(before) < 12
    faulty.fault = lambda _: None
    faulty.received.clear()
    again = page.launch("images_copy", executionMetadata={"tags": [_partition(f"{plan}-0001")]})
    assert page.await_end(again) == "SUCCESS"
    assert held.store.read() == held.source.read()
    assert not set(copied_keys(faulty.received)) & before
