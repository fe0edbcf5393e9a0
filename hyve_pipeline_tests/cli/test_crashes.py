"""A process that is killed at any point: the next command resumes where it ended, and reaches the right state."""

import os
import random
import signal
import threading

import pytest

from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import copied_keys, outcomes
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair
from hyve_pipeline_tests.tally import THOROUGHNESS, counts

_PATIENCE = 90
_KILLS = 6


class _Killer:
    """Kills a process when its n-th request that changes the store comes, before or after the store is changed."""

    def __init__(self, faulty: FaultyServer, store: str, number: int, *, is_done: bool) -> None:
        self.pid: int | None = None
        self._faulty = faulty
        self._path = f"/{store}"
        self._left = number
        self._is_done = is_done
        self._lock = threading.Lock()

    def __call__(self, received: Received) -> Answer | None:
        if received.method not in ("PUT", "POST") or not received.path.startswith(self._path):
            return None
        with self._lock:
            self._left -= 1
            is_time = self._left == 0
        if not is_time or self.pid is None:
            return None
        answer = self._faulty.forward(received) if self._is_done else Answer(status=500)
        os.kill(self.pid, signal.SIGKILL)
        return answer


def _done_keys(pair: Pair) -> set[str]:
    """What the newest plan's journal calls copied."""
    context = pair.context()
    plan_ids = context.plans.ids()
    if not plan_ids:
        return set()
    found = outcomes(context, context.plans.load(plan_ids[-1]))
    return {key for key, (outcome, _) in found.items() if outcome == "done"}


@pytest.mark.parametrize("seed", range(THOROUGHNESS))
@pytest.mark.both_states
def test_kills_at_random_points(seed: int, make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    dice = random.Random(seed)
    processes = 1 + seed % 2
    pair = make_pair(through=faulty, shard_objects=20, concurrency=8, max_deletes="100%", processes=processes)
    new = {f"new/{number:03d}": b"new" for number in range(50)}
    modified = {f"modified/{number:03d}": b"modified" for number in range(15)}
    unchanged = {f"unchanged/{number:03d}": b"same" for number in range(10)}
    pair.source.put(new | modified | unchanged)
    pair.store.put(dict.fromkeys(modified, b"old"))
    pair.store.put({f"gone/{number:03d}": b"gone" for number in range(30)})
    pair.store.take_from(pair.source, unchanged)
    before = pair.store.listing()

    killed = 0
    command = ["sync"]
    while killed < _KILLS:
        done = _done_keys(pair)
        faulty.received.clear()
        killer = faulty.fault = _Killer(faulty, pair.store.name, dice.randrange(1, 25), is_done=dice.random() < 0.5)
        with started([*command, "--json"]) as child:
            killer.pid = child.pid
            _, err = child.communicate(timeout=_PATIENCE)
        if command == ["retry"]:
            assert not done & set(copied_keys(faulty.received))
        if child.returncode != -signal.SIGKILL:
            # Too few requests were left for this kill.
            assert child.returncode in (0, 1, 3), err
            break
        killed += 1
        command = dice.choice([["sync"], ["retry"], ["retry"]])
    assert killed > 1

    faulty.fault = lambda _: None
    last = hyve("sync", "--json")
    assert (last.code, last.document["verified"]) == (0, True)
    assert pair.store.read() == pair.source.read()
    counts["processes killed"] += killed
    counts["objects compared after kills"] += len(new) + len(modified) + len(unchanged)
    after = pair.store.listing()
    assert {key: after[key] for key in unchanged} == {key: before[key] for key in unchanged}
    for plan in hyve("plans", "--json").document["plans"]:
        for action in ("copy", "delete"):
            counted = plan[action]
            assert counted["done"] + counted["skipped"] + counted["failed"] <= counted["planned"]
