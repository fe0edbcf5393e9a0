"""Where CPU time goes: by room and by library, of all threads, and nothing is counted twice."""

import gc
import sys
import sysconfig
import threading
import time
import weakref
from pathlib import Path

import pytest

import hyve_pipeline
from hyve_pipeline.core.base.keys import printable
from hyve_pipeline.core.runtime.cpu_profile import (
    ITSELF,
    PYTHON,
    START,
    Times,
    begin_profile,
    place_of,
    running_profile,
)

_ROOT = Path(hyve_pipeline.__file__).parent
_SITE = sysconfig.get_path("purelib")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CPU profiles need Linux")


@pytest.mark.parametrize(
    ("file", "place"),
    [
        (f"{_ROOT}/s3/wire/xml.py", "s3/wire"),
        (f"{_ROOT}/orchestration/definitions/assets/plan.py", "orchestration/definitions"),
        (f"{_ROOT}/state/plans.py", "state"),
        (f"{_ROOT}/definitions.py", "hyve_pipeline"),
        (f"{_SITE}/urllib3/response.py", "urllib3"),
        (f"{_SITE}/typing_extensions.py", "typing_extensions"),
        (threading.__file__, PYTHON),
        ("<frozen importlib._bootstrap>", PYTHON),
    ],
)
def test_the_place_of_a_file(file: str, place: str) -> None:
    assert place_of(file) == place


def _work(ended: threading.Event) -> None:
    text = "a\x00é" * 2000
    while not ended.is_set():
        printable(text)


def test_the_room_that_works_is_in_front_whatever_its_thread() -> None:
    ended = threading.Event()
    profile = begin_profile()
    assert running_profile() is profile
    begun = time.process_time()
    thread = threading.Thread(target=_work, args=(ended,))
    thread.start()
    # Time of the CPU: however busy the machine is, there is something to see then.
    while time.process_time() - begun < 0.5:
        time.sleep(0.01)
    ended.set()
    thread.join()
    times = profile.end()
    total = time.process_time()
    assert running_profile() is None
    assert max(times.caused, key=lambda room: times.caused[room]) == "core/base"
    assert times.caused["core/base"] > 0.25
    assert {START, ITSELF} <= set(times.own)
    # All of the process's time, once.
    assert sum(times.own.values()) == pytest.approx(total, abs=0.05)
    assert times.processes == 1


class _Thing:
    pass


def _hold(things: "weakref.WeakSet[_Thing]", held: threading.Event, ended: threading.Event) -> None:
    thing = _Thing()
    things.add(thing)
    held.set()
    ended.wait()


def test_what_a_thread_has_is_not_kept_by_the_profile() -> None:
    """A client of the CRT ends when the last that knows it has: until then, who closes a connection waits."""
    held, ended = threading.Event(), threading.Event()
    things: weakref.WeakSet[_Thing] = weakref.WeakSet()
    gc.disable()
    try:
        profile = begin_profile()
        thread = threading.Thread(target=_hold, args=(things, held, ended))
        thread.start()
        held.wait()
        profile.take()
        ended.set()
        thread.join()
        profile.end()
        assert len(things) == 0
    finally:
        gc.enable()


def test_times_of_several_processes_are_one_table() -> None:
    times = Times(processes=1)
    times.add("s3/wire", "s3/wire", 1.0)
    times.add("lxml", "s3/wire", 0.5)
    beside = Times(processes=1)
    beside.add("state", "state", 2.5)
    times.merge(beside)
    assert times.table().splitlines() == [
        "CPU time: 4.00 s of 2 processes",
        "",
        "room                          own, s  share  with libraries, s",
        "state                           2.50    62%               2.50",
        "s3/wire                         1.00    25%               1.50",
        "",
        "library                       own, s  share",
        "lxml                            0.50    12%",
    ]
