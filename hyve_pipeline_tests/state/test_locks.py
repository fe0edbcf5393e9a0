"""One plan of a sync at a time, and a lock that is released when its owner is killed."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import RefusedError, StateError
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.locks import locking
from hyve_pipeline_tests.heeding import heed_signals

_OWNER = """
import pathlib, sys, time
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.locks import locking
with locking(Folder.local(pathlib.Path(sys.argv[1])), "images", sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


def _names(state: Path) -> list[str]:
    return sorted(path.name for path in (state / "applying").glob("*.lock"))


def test_shards_of_one_plan_at_the_same_time(tmp_path: Path) -> None:
    state = Folder.local(tmp_path)
    together = threading.Barrier(4, timeout=30)
    ended: list[int] = []

    def work(number: int) -> None:
        with locking(state, "images", "one"):
            together.wait()
            ended.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == [0, 1, 2, 3]


def test_another_plan_is_refused_meanwhile(tmp_path: Path) -> None:
    state = Folder.local(tmp_path)
    with locking(state, "images", "one"):
        with pytest.raises(RefusedError) as caught, locking(state, "images", "two"):
            pass
        assert caught.value.rule == "one_at_a_time"
        assert f"plan one of sync images is being applied by process {os.getpid()}" in str(caught.value)
        with locking(state, "images", "one"):
            pass
        # The later process did not release the lock of the first.
        with pytest.raises(RefusedError), locking(state, "images", "two"):
            pass
    with locking(state, "images", "two"):
        assert _names(tmp_path) == ["two.lock"]


def test_other_syncs_are_not_locked(tmp_path: Path) -> None:
    with locking(Folder.local(tmp_path / "a"), "a", "one"), locking(Folder.local(tmp_path / "b"), "b", "two"):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_ends_with_its_owner(tmp_path: Path, number: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(tmp_path), "one"], stdout=subprocess.PIPE, text=True, preexec_fn=heed_signals
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with (
            pytest.raises(RefusedError, match=f"by process {owner.pid}"),
            locking(Folder.local(tmp_path), "images", "two"),
        ):
            pass
    finally:
        owner.send_signal(number)
        owner.communicate(timeout=30)
    with locking(Folder.local(tmp_path), "images", "two"):
        pass


def test_a_state_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "applying").write_text("")
    with pytest.raises(StateError, match="applying: can't be locked"), locking(Folder.local(tmp_path), "a", "one"):
        pass
