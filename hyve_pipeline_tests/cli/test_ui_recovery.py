"""The web UI takes over what killed commands and killed runs left behind, and does not touch what is in progress."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from hyve_pipeline.state.holder import Holder
from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import copied_keys
from hyve_pipeline_tests.pages import Page, running_ui
from hyve_pipeline_tests.processes import descendants, living, living_after
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair, next_second

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


def test_what_ended_early_is_gone_on_with(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    """Commands and runs of one UI, which is killed itself at last: to start one takes seconds."""
    held = make_pair(through=faulty, shard_objects=12, concurrency=2)
    try:
        with running_ui(held.home, os.environ) as page:
            _kill_a_command(page, held, faulty, hyve)
            _kill_a_run(page, held, faulty, hyve)
            _terminate_a_run(page, held, faulty, hyve)
            assert hyve("verify").code == 0
            children = descendants(page.process.pid)
            page.process.kill()
            assert living(children)
            assert not living_after(children, _PATIENCE), "nothing outlives a killed UI"
    finally:
        if isinstance(faulty.fault, _Stall):
            faulty.fault.release.set()


def _plan(pair: Pair, hyve: Hyve, folder: str) -> str:
    """A plan to copy twelve objects, as one shard."""
    pair.source.put({f"{folder}/{number:02d}": b"new" for number in range(12)})
    # A copy of the same second could be an older one.
    next_second()
    return hyve("dryrun", "--json").document["plan"]


def _await_copies(pair: Pair, objects: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while len(pair.store.keys()) < objects:
        assert time.monotonic() < deadline, "what was let through was not copied"
        time.sleep(0.05)


def _partition(plan: str) -> dict[str, list[dict[str, str]]]:
    return {"tags": [{"key": "dagster/partition", "value": f"{plan}-0001"}]}


def _kill_a_command(page: Page, held: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    """A run finishes it."""
    plan = _plan(held, hyve, "command")
    stall = faulty.fault = _Stall(after=5)
    with started(["copy"]) as child:
        assert stall.reached.wait(_PATIENCE)
        # The last one that was let through may still be on its way when the next one is held.
        _await_copies(held, 5)
        child.kill()
        child.communicate(timeout=_PATIENCE)
    stall.release.set()
    before = set(held.store.keys())
    assert len(before) == 5
    faulty.fault = lambda _: None
    faulty.received.clear()
    finishing = page.launch("images_copy", runConfigData={"ops": {"images_copy_shard": {"config": {"plan": plan}}}})
    assert page.await_end(finishing) == "SUCCESS"
    assert held.store.read() == held.source.read()
    assert not set(copied_keys(faulty.received)) & before


def _kill_a_run(page: Page, held: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    """A command finishes it."""
    plan = _plan(held, hyve, "run")
    already = set(held.store.keys())
    stall = faulty.fault = _Stall(after=3)
    page.launch("images_copy", executionMetadata=_partition(plan))
    assert stall.reached.wait(_PATIENCE)
    # The shard that the UI's run works on is left alone by a command.
    busy = hyve("copy", "--json")
    assert (busy.code, busy.document["copied"], busy.document["refused"]) == (1, 0, None)
    assert "another process works on" in hyve("copy").err
    _await_copies(held, len(already) + 3)
    worker = _worker(held, plan)
    assert worker in descendants(page.process.pid)
    os.kill(worker, signal.SIGKILL)
    assert not living_after({worker}, _PATIENCE)
    stall.release.set()
    faulty.fault = lambda _: None
    before = set(held.store.keys()) - already
    assert len(before) == 3
    faulty.received.clear()
    assert hyve("retry").code == 0
    assert held.store.read() == held.source.read()
    assert not set(copied_keys(faulty.received)) & before
    entry = hyve("plans", "--json").document["plans"][-1]
    assert (entry["plan"], entry["copy"]["done"], entry["copy"]["planned"]) == (plan, 12, 12)


def _worker(pair: Pair, plan: str) -> int:
    """The process that works on the plan: the state has its number."""
    state = pair.context().state
    if state.local_path is not None:
        # It notes itself as the owner of the plan's lock.
        return int((state.local_path / "applying" / f"{plan}.lock").read_text().split()[0])
    return state.read_manifest(f"journals/{plan}/0001/0001/claim.json", Holder).pid


def _terminate_a_run(page: Page, held: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    """It ends within seconds, and another one finishes what it began."""
    plan = _plan(held, hyve, "terminated")
    already = set(held.store.keys())

    def slow(received: Received) -> Answer | None:
        time.sleep(1.5 if "x-amz-copy-source" in received.headers else 0)
        return None

    faulty.fault = slow
    run = page.launch("images_copy", executionMetadata=_partition(plan))
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
    again = page.launch("images_copy", executionMetadata=_partition(plan))
    assert page.await_end(again) == "SUCCESS"
    assert held.store.read() == held.source.read()
    assert not set(copied_keys(faulty.received)) & before
