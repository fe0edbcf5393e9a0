"""The example for Celery as it is: two workers with homes of their own apply a plan, and one of them is lost.

It takes four minutes, since the claims of a lost worker hold for one, and its run is closed after three; so it runs
only with HYVE_THOROUGHNESS=2 or more.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline_tests.conftest import MakeBucket, MakePlace
from hyve_pipeline_tests.faults import FaultyServer, faulty_server
from hyve_pipeline_tests.heeding import heed_signals
from hyve_pipeline_tests.postgresql import PostgreSql, postgresql_server
from hyve_pipeline_tests.redis import redis_server
from hyve_pipeline_tests.s3.scripted import Received
from hyve_pipeline_tests.syncs import Hyve, Pair, new_pair
from hyve_pipeline_tests.tally import THOROUGHNESS

_DEPLOY = Path(__file__).parents[2] / "deploy"
_PROGRAMS = Path(sys.executable).parent

_START_SECONDS = 120
_PLAN_SECONDS = 600
_CLOSE_SECONDS = 400
_STOP_SECONDS = 60

# A worker alone would copy for a minute and a half.
_OBJECTS = 1_500
_CONCURRENCY = 2
_COPY_SECONDS = 0.12

pytestmark = [
    pytest.mark.skipif(THOROUGHNESS < 2, reason="takes minutes; HYVE_THOROUGHNESS=2 runs it"),
    pytest.mark.timeout(1_200),
]


@dataclass(frozen=True)
class Machine:
    """What each machine has for itself: a home, a cache, and Dagster's home."""

    folder: Path
    pair: Pair
    shared: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        folders = {"HYVE_HOME": "home", "HYVE_CACHE": "cache", "DAGSTER_HOME": "dagster"}
        return {**os.environ, **self.shared, **{name: str(self.folder / value) for name, value in folders.items()}}

    def prepare(self) -> None:
        """Do what docs/deployment.md says."""
        for name in ("home", "dagster"):
            (self.folder / name).mkdir(parents=True)
        shutil.copy(self.pair.home / "hyve.toml", self.folder / "home")
        parts = (_DEPLOY / name for name in ("postgresql/dagster.example.yaml", "celery/launcher.example.yaml"))
        (self.folder / "dagster" / "dagster.yaml").write_text("".join(part.read_text() for part in parts))

    @contextmanager
    def running(self, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A service on this machine, in a process group of its own, as a container would be."""
        program, *arguments = command
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [_PROGRAMS / program, *arguments],
                cwd=self.folder,
                env=self.environment | {"PATH": f"{_PROGRAMS}:{os.environ['PATH']}"},
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=heed_signals,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    lose(process)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


def lose(process: "subprocess.Popen[bytes]") -> None:
    """End all processes of a machine at once, without any notice."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait(seconds: float, true: Callable[[], bool], logs: Callable[[], str]) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, logs()[-20_000:]
        time.sleep(0.5)


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def is_copy(received: Received) -> bool:
    return "x-amz-copy-source" in received.headers


@pytest.fixture
def slow(moto_endpoint: str) -> Iterator[FaultyServer]:
    """The server of source and store, which takes its time for each copy."""
    with faulty_server(moto_endpoint) as server:

        def fault(received: Received) -> None:
            if is_copy(received):
                time.sleep(_COPY_SECONDS)

        server.fault = fault
        yield server


@pytest.fixture
def pair(
    make_place: MakePlace,
    make_bucket: MakeBucket,
    slow: FaultyServer,
    moto_endpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Pair:
    """Many objects to copy and some to delete, and a state in a bucket."""
    made = new_pair(make_place, tmp_path / "home", through=slow)
    made.configure(shard_objects=50, concurrency=_CONCURRENCY)
    made.automate("all", running=True, runs=2, interval_seconds=5, retry_seconds=1)
    state = make_bucket("state")
    monkeypatch.setenv("HYVE_HOME", str(made.home))
    monkeypatch.setenv("HYVE_CACHE", str(tmp_path / "cache"))
    place = made.source.place
    monkeypatch.setenv("HYVE_STATE", f"s3://{state}/home/?endpoint_url={moto_endpoint}&profile={place.profile}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", str(place.region))
    made.source.put({f"new/{number:05}": b"%d" % number for number in range(_OBJECTS)})
    made.store.put({f"old/{number:03}": b"" for number in range(100)})
    return made


def statuses(server: PostgreSql, job: str) -> list[str]:
    query = sa.text("SELECT status FROM runs WHERE pipeline_name = :job ORDER BY id")
    engine = sa.create_engine(server.url)
    try:
        with engine.connect() as connection:
            return list(connection.execute(query, {"job": job}).scalars())
    finally:
        engine.dispose()


def test_a_plan_is_applied_by_two_workers_of_which_one_is_lost(
    pair: Pair, slow: FaultyServer, hyve: Hyve, tmp_path: Path
) -> None:
    assert hyve("dryrun").code == 0
    copied = len(pair.store.keys())
    with ExitStack() as stack:
        server = stack.enter_context(postgresql_server())
        broker = stack.enter_context(redis_server(tmp_path))
        port = free_port()
        workspace = tmp_path / "workspace.yaml"
        workspace.write_text(re.sub("port: 4000", f"port: {port}", (_DEPLOY / "workspace.yaml").read_text()))
        shared = server.environment | {"HYVE_CELERY_BROKER": broker, "HYVE_CODE_HOST": "127.0.0.1"}
        shared |= {"PYTHONPATH": str(_DEPLOY / "celery")}
        main, *workers = (Machine(tmp_path / name, pair, shared) for name in ("main", "one", "two"))
        for machine in (main, *workers):
            machine.prepare()

        def logs() -> str:
            return "\n".join(machine.log()[-6_000:] for machine in (main, *workers))

        grpc = ("dagster", "api", "grpc", "-h", "127.0.0.1", "-p", str(port), "-m", "hyve_pipeline.definitions")
        code = stack.enter_context(main.running(*grpc))
        check = [_PROGRAMS / "dagster", "api", "grpc-health-check", "-p", str(port)]
        wait(
            _START_SECONDS,
            lambda: code.poll() is None and subprocess.run(check, capture_output=True, check=False).returncode == 0,
            logs,
        )
        worker = ("celery", "-A", "dagster_celery.app", "worker", "--concurrency", "1")
        lost, _ = (stack.enter_context(machine.running(*worker)) for machine in workers)
        stack.enter_context(main.running("dagster-daemon", "run", "-w", str(workspace)))
        wait(
            _START_SECONDS,
            lambda: statuses(server, "images_copy") == ["STARTED"] * 2 and len(pair.store.keys()) > copied + 100,
            logs,
        )
        lose(lost)
        left = _OBJECTS - (len(pair.store.keys()) - copied)
        assert left > _OBJECTS / 4, "the plan was nearly done"
        slow.fault = lambda _: None
        wait(_PLAN_SECONDS, lambda: pair.events()[-1].kind == EventKind.PLAN_VERIFIED, logs)
        wait(_START_SECONDS, lambda: "SUCCESS" in statuses(server, "images_verify"), logs)
        # Long after other runs have taken its shards over, nothing is left open.
        wait(_CLOSE_SECONDS, lambda: "FAILURE" in statuses(server, "images_copy"), logs)
        runs = [statuses(server, f"images_{action}") for action in ("copy", "delete")]
        shown = hyve("show", "latest", "--json")
    copies = [
        {key: (etag, size) for key, (_, etag, size) in side.listing().items()} for side in (pair.source, pair.store)
    ]
    assert copies[0] == copies[1]
    twice = [
        target
        for target, times in Counter(request.target for request in slow.received if is_copy(request)).items()
        if times > 1
    ]
    assert len(twice) <= _CONCURRENCY, twice
    assert runs[0].count("FAILURE") == 1
    assert set(runs[0] + runs[1]) == {"SUCCESS", "FAILURE"}
    assert shown.code == 0, shown
