"""Worker processes: results, interrupts, and what happens when one of them dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError, HyveError, RefusedError
from hyve_pipeline.core.base.sizes import GIB
from hyve_pipeline.core.model.plan import Plan, Transfer
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.runtime.interruption import interrupted_by, pause
from hyve_pipeline.core.runtime.progress import Listener, end, estimate, expect, listening, report
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.inventory.take import take_inventories
from hyve_pipeline.operations.workers import pool
from hyve_pipeline.operations.workers.pool import WorkerProcess, processes_for, run_in_processes, usable_cores
from hyve_pipeline.operations.workers.worker import send_note
from hyve_pipeline_tests.processes import living, living_after
from hyve_pipeline_tests.syncs import MakePair, Pair

_PATIENCE = 30
_MODULE = "hyve_pipeline.core.runtime.progress"


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    worker = WorkerProcess(_MODULE)
    yield worker
    worker.close()


class _Heard(Listener):
    def __init__(self) -> None:
        self.reports: list[tuple[str, int, int]] = []
        self.others: list[tuple[object, ...]] = []

    def expect(self, activity: str, objects: int, size: int) -> None:
        self.others.append(("expect", activity, objects, size))

    def estimate(self, activity: str, objects: int) -> None:
        self.others.append(("estimate", activity, objects))

    def end(self, activity: str, objects: int | None, size: int | None, failed: int) -> None:
        self.others.append(("end", activity, objects, size, failed, sum(done for _, done, _ in self.reports)))

    def advance(self, activity: str, objects: int, size: int) -> None:
        self.reports.append((activity, objects, size))


def test_what_a_function_returns_comes_back(worker: WorkerProcess) -> None:
    assert worker.run(os.getpid) == worker.pid != os.getpid()
    assert worker.run(divmod, 17, 5) == (3, 2)


def test_progress_is_passed_on_and_adds_up(worker: WorkerProcess) -> None:
    heard = _Heard()
    with listening(heard):
        worker.run(report, "copy", 2, 10)
        worker.run(exec, f"from {_MODULE} import report\nfor _ in range(5000): report('copy', 1, 3)")
    assert {activity for activity, _, _ in heard.reports} == {"copy"}
    assert sum(objects for _, objects, _ in heard.reports) == 5002
    assert sum(size for _, _, size in heard.reports) == 15010
    assert len(heard.reports) < 100


def test_totals_and_ends_are_passed_on_in_their_order(worker: WorkerProcess) -> None:
    heard = _Heard()
    with listening(heard):
        worker.run(estimate, "list store", 7)
        worker.run(expect, "copy", 3, 30)
        # What was reported before the end arrives before it.
        worker.run(exec, f"from {_MODULE} import end, report\nreport('copy', 3, 30)\nend('copy', failed=1)")
        worker.run(end, "list store", 5, 50)
    assert heard.others == [
        ("estimate", "list store", 7),
        ("expect", "copy", 3, 30),
        ("end", "copy", None, None, 1, 3),
        ("end", "list store", 5, 50, 0, 3),
    ]


def test_progress_arrives_though_no_more_follows(worker: WorkerProcess) -> None:
    stop = threading.Event()

    class Stopping(_Heard):
        def advance(self, activity: str, objects: int, size: int) -> None:
            super().advance(activity, objects, size)
            if sum(done for _, done, _ in self.reports) == 2:
                stop.set()

    with listening(Stopping()), interrupted_by(stop), pytest.raises(KeyboardInterrupt):
        # The second one comes too soon after the first to be sent with it.
        worker.run(
            exec,
            f"""
from {_MODULE} import report
from hyve_pipeline.core.runtime.interruption import pause
report('copy', 1, 1)
report('copy', 1, 1)
pause({_PATIENCE})
raise SystemExit
""",
        )


@pytest.mark.parametrize(
    "error", [BucketError("no such bucket"), RefusedError("max_deletes", "too many"), OSError("full")]
)
def test_what_a_function_raises_is_raised_here(worker: WorkerProcess, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        worker.run(exec, "raise error", {"error": error})
    assert str(caught.value) == str(error)
    assert "Traceback" in caught.value.__notes__[0]
    if isinstance(caught.value, RefusedError):
        assert (caught.value.rule, caught.value.detail) == ("max_deletes", "too many")
    assert worker.run(abs, -1) == 1


def test_an_error_that_can_not_be_pickled_is_sent_as_text(worker: WorkerProcess) -> None:
    with pytest.raises(RuntimeError, match="Odd: 1, 2"):
        worker.run(exec, "class Odd(Exception):\n def __str__(self): return '1, 2'\nraise Odd")


def test_an_interrupt_ends_the_task_and_not_the_process(worker: WorkerProcess) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    begun = time.monotonic()
    with interrupted_by(stop), pytest.raises(KeyboardInterrupt):
        worker.run(pause, 60.0)
    assert time.monotonic() - begun < _PATIENCE
    assert worker.run(abs, -1) == 1


def test_a_process_whose_task_ignores_an_interrupt_is_killed(worker: WorkerProcess) -> None:
    worker.end_seconds = 0.5
    stop = threading.Event()
    stop.set()
    with interrupted_by(stop), pytest.raises(KeyboardInterrupt):
        worker.run(time.sleep, 60.0)
    worker.close()
    assert not living({worker.pid})


def test_a_process_that_was_killed_is_named(worker: WorkerProcess) -> None:
    with pytest.raises(
        HyveError, match=rf"worker process {worker.pid} was killed by SIGKILL; .* run the command again"
    ):
        worker.run(os.kill, worker.pid, signal.SIGKILL)
    with pytest.raises(HyveError, match=f"process {worker.pid}"):
        worker.run(abs, -1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_worker_ignores_signals_that_end_its_parent(worker: WorkerProcess, number: signal.Signals) -> None:
    assert worker.run(abs, -1) == 1
    os.kill(worker.pid, number)
    assert worker.run(os.getpid) == worker.pid


def test_a_worker_has_the_import_path_of_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "somewhere_else.py").write_text("def three():\n    return 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import somewhere_else  # pyright: ignore[reportMissingImports]

    with WorkerProcess("somewhere_else") as worker:
        assert worker.run(somewhere_else.three) == 3


def test_a_process_that_ended_is_named(worker: WorkerProcess) -> None:
    with pytest.raises(HyveError, match="ended with exit code 3"):
        worker.run(os._exit, 3)


def test_a_worker_ends_at_once_when_its_parent_is_killed() -> None:
    script = (
        "import time\n"
        "from hyve_pipeline.operations.workers.pool import WorkerProcess\n"
        f"worker = WorkerProcess({_MODULE!r})\n"
        "worker.run(abs, -1)\n"
        "print(worker.pid, flush=True)\n"
        "worker.run(time.sleep, 600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert living({pid})
        starter.kill()
    assert not living_after({pid}, _PATIENCE)


def _send_pid(seconds: float) -> None:
    send_note(os.getpid())
    time.sleep(seconds)


def _fail_or_wait(path: str) -> None:
    """The first process fails once the other has begun; the other waits long."""
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        send_note("waits")
        pause(_PATIENCE)
        raise AssertionError("it was not interrupted") from None
    time.sleep(0.5)
    raise ConfigurationError("the first one")


def _end_or_note(path: str) -> None:
    """The first process ends as if it was killed; the other continues."""
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        time.sleep(0.5)
        send_note("goes on")
        return
    os._exit(3)


def test_processes_do_the_same_task_and_send_notes() -> None:
    pids: list[int] = []
    run_in_processes(3, _send_pid, [0.1], pids.append)
    assert len(set(pids)) == 3
    assert os.getpid() not in pids
    assert not living(pids)


def test_when_one_fails_the_others_are_interrupted(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(ConfigurationError, match="the first one"):
        run_in_processes(2, _fail_or_wait, [str(tmp_path / "first")], lambda _: None)
    assert time.monotonic() - begun < _PATIENCE / 2


def test_when_one_dies_the_others_go_on(tmp_path: Path) -> None:
    notes: list[str] = []
    with pytest.raises(HyveError, match="ended with exit code 3"):
        run_in_processes(2, _end_or_note, [str(tmp_path / "first")], notes.append)
    assert notes == ["goes on"]


def test_an_interrupt_ends_all_processes() -> None:
    pids: list[int] = []
    stop = threading.Event()

    def interrupt_after_both(pid: int) -> None:
        pids.append(pid)
        if len(pids) == 2:
            stop.set()

    with interrupted_by(stop), pytest.raises(KeyboardInterrupt):
        run_in_processes(2, _wait_long, [], interrupt_after_both)
    assert not living(pids)


def _wait_long() -> None:
    send_note(os.getpid())
    pause(_PATIENCE)


def test_only_a_worker_can_send_notes() -> None:
    with pytest.raises(RuntimeError, match="worker"):
        send_note(1)


def _shards(*objects: int, size: int = 0) -> list[Shard]:
    return [
        Shard(number=number, action="copy", row_group=number, objects=count, bytes=size, first_key="a", last_key="b")
        for number, count in enumerate(objects)
    ]


@pytest.mark.parametrize(
    ("wanted", "objects", "cores", "expected"),
    [
        (None, (10_000, 10_000), 2, 2),
        (None, (10_000, 10_000), 1, 1),
        (None, (20_000,), 8, 1),  # one shard is done by one process
        (None, (4_000, 4_000), 2, 1),  # not worth it
        (None, (10_000, 4_000), 8, 2),
        (None, (10_000,) * 100, 64, 4),  # as many as a server takes
        (8, (10,) * 9, 2, 8),
        (8, (10, 10), 2, 2),
        (1, (10_000,) * 9, 64, 1),
    ],
)
def test_how_many(
    wanted: int | None, objects: tuple[int, ...], cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "usable_cores", lambda: cores)
    plan = Plan.model_construct(options=Options(processes=wanted), transfer=Transfer())
    assert processes_for(plan, _shards(*objects)) == expected


def test_fewer_objects_are_worth_a_process_when_they_go_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "usable_cores", lambda: 8)
    plan = Plan.model_construct(options=Options(), transfer=Transfer(by="stream"))
    few, enough, many = (_shards(*objects) for objects in ((600, 600), (1_250, 1_250), (2_500,) * 9))
    assert [processes_for(plan, shards) for shards in (few, enough, many)] == [1, 2, 4]
    assert processes_for(plan, _shards(1, 1, size=2 * GIB)) == 2  # and large ones by their bytes


def test_cores() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


def test_listings_in_two_processes_are_the_same(make_pair: MakePair) -> None:
    pair = make_pair()
    pair.source.put({f"{number:04d}": b"1" for number in range(40)})
    pair.store.put({f"{number:04d}": b"22" for number in range(25)})
    heard = _Heard()
    with listening(heard):
        beside = take_inventories(pair.context(processes=2), ["source", "store"])
    here = take_inventories(pair.context(processes=1), ["source", "store"])
    for side in ("source", "store"):
        told = [objects for activity, objects, _ in heard.reports if activity == f"list {side}"]
        assert sum(told) == beside[side].objects == here[side].objects
        assert (beside[side].bytes, beside[side].side, beside[side].place) == (
            here[side].bytes,
            here[side].side,
            here[side].place,
        )
        assert pair.context().state.exists(beside[side].files[0])


def test_a_missing_bucket_is_reported_from_a_worker_process_too(pair: Pair) -> None:
    pair.store.client.delete_bucket(Bucket=pair.store.name)
    with pytest.raises(BucketError, match=f"s3://{pair.store.name}/"):
        take_inventories(pair.context(processes=2), ["source", "store"])


def test_large_listings_get_two_processes_where_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "usable_cores", lambda: 4)
    assert pool.is_worth_two_processes(Options(), 2_000_000)
    assert not pool.is_worth_two_processes(Options(), 1_000_000)
    assert not pool.is_worth_two_processes(Options(processes=1), 2_000_000)
    monkeypatch.setattr(pool, "usable_cores", lambda: 2)
    assert not pool.is_worth_two_processes(Options(), 2_000_000)
