"""Runs a plan with several workers, as on several machines, breaks something, and checks what came of it.

    python -m benchmarks.cluster [--objects N] [--scenarios NAME …]

Each worker is `hyve work` in a process group of its own, with a home, a cache and a configuration of its own. It has
process numbers of its own too, which takes root. Workers share only the state, in a bucket of another server. Source
and store are on the benchmarks' server, which counts the copies.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from benchmarks.serving import ServerProcess
from benchmarks.tools import SOURCE, STORE, Site, find
from hyve_pipeline.demo.server import EmbeddedServer

TRASH = "benchmark-trash"
STATE = "benchmark-state"

# The share of objects that the store has with other content, and the objects that only the store has.
_OTHERS = 20
_MORE = 40

_FILLED = 1_700_000_000
_PATIENCE = 1200.0


# Process numbers of its own, as a container has them: whether the process of another machine is alive can't be seen.
_APART = ("unshare", "--pid", "--fork", "--kill-child")


@dataclass
class Cluster:
    """Workers on one plan.

    Attributes:
        site: where source and store are.
        state: the server of the state.
        server: the server of source and store.
        objects: of the source.
        workers: the processes of the workers.
    """

    site: Site
    state: EmbeddedServer
    server: ServerProcess
    objects: int
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of all commands."""
        return self.site.environment | {"HYVE_STATE": f"s3://{STATE}/home/?endpoint_url={self.state.endpoint_url}"}

    def hyve(self, *arguments: str) -> dict[str, Any]:
        """Run a command in the first home and give its document, with the exit code as ``code``."""
        command = [find("hyve"), *arguments, "--json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, check=False, timeout=_PATIENCE)
        if not done.stdout:
            raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr.decode()[-1000:]}")
        return json.loads(done.stdout) | {"code": done.returncode}

    def plan(self, latency: float = 0.0) -> str:
        """Fill the buckets anew and make a plan; its id."""
        client = boto3.client(
            "s3",
            endpoint_url=self.state.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",  # noqa: S106 - the embedded server takes any
        )
        self.site.empty_hyve_home(
            "shard_objects = 2000",
            'max_overwrites = "100%"',
            f'trash = "s3://{TRASH}/{time.time_ns()}/"',
            "processes = 1",
        )
        client.create_bucket(Bucket=STATE)
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=STATE):
            for found in page.get("Contents", []):
                client.delete_object(Bucket=STATE, Key=found["Key"])
        self.server.control(
            fill={SOURCE: (self.objects, _FILLED + 60), STORE: (self.objects // _OTHERS, _FILLED), TRASH: (0, _FILLED)},
            differ={STORE: (self.objects // _OTHERS, self.objects // _MORE)},
            snapshot=STORE,
            latencies={},
        )
        plan = self.hyve("dryrun", "--max-deletes", "100%")["plan"]
        self.server.control(latencies={"CopyObject": latency, "HeadObject": latency} if latency else {})
        self.counts = Counter()
        return plan

    def start(self, number: int, *prefix: str) -> subprocess.Popen[bytes]:
        """Start a worker as on a machine of its own."""
        host = self.site.folder / f"host{number}"
        shutil.rmtree(host, ignore_errors=True)
        host.mkdir()
        environment = self.environment | {"HOME": str(host), "HYVE_HOME": str(host / "hyve")}
        with (host / "log").open("wb") as log:
            worker = subprocess.Popen(
                [*_APART, *prefix, find("hyve"), "work", "--until-done", "--deletes"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(worker)
        return worker

    def signal(self, worker: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """Send a signal to all processes of a worker's machine."""
        os.killpg(worker.pid, number)

    def count(self) -> Counter[str]:
        """What the server of source and store has counted since the plan was made."""
        self.counts.update(self.server.control()["counts"])
        return self.counts

    def wait(self) -> list[int]:
        """Wait until all workers have ended; their exit codes."""
        deadline = time.monotonic() + _PATIENCE
        codes = [worker.wait(max(1.0, deadline - time.monotonic())) for worker in self.workers]
        self.workers = []
        return codes


def _until_a_third(cluster: Cluster) -> None:
    # Not at the end of a shard, where a worker has nothing to lose.
    while cluster.count()["CopyObject"] < cluster.objects // 3 + 777 and all(
        one.poll() is None for one in cluster.workers
    ):
        time.sleep(0.1)


def _kill(cluster: Cluster) -> None:
    cluster.signal(cluster.workers[0], signal.SIGKILL)


def _pause(cluster: Cluster) -> None:
    cluster.signal(cluster.workers[0], signal.SIGSTOP)
    time.sleep(90)
    cluster.signal(cluster.workers[0], signal.SIGCONT)


def _lose_state(cluster: Cluster) -> None:
    os.kill(cluster.state.pid, signal.SIGSTOP)
    time.sleep(30)
    os.kill(cluster.state.pid, signal.SIGCONT)


def _nothing(_: Cluster) -> None:
    pass


@dataclass(frozen=True)
class Scenario:
    """What happens to the workers when a third of the objects are copied.

    Attributes:
        title: its name in the table.
        happen: does it.
        prefix: what the first worker is started with.
    """

    title: str
    happen: Callable[[Cluster], None] = _nothing
    prefix: tuple[str, ...] = ()


SCENARIOS = {
    "nothing": Scenario("nothing happens"),
    "kill": Scenario("a machine is lost (kill -9)", _kill),
    "pause": Scenario("a worker is paused for 90 s", _pause),
    "clock": Scenario("a worker's clock is 10 minutes fast", prefix=("faketime", "-f", "+10m")),
    "state": Scenario("the state is out of reach for 30 s", _lose_state),
}


def run_scenario(cluster: Cluster, scenario: Scenario, workers: int) -> str:
    """Apply a plan with some workers, and undo it; a row of the table.

    Raises:
        RuntimeError: a command had no result.
    """
    if scenario.prefix and shutil.which(scenario.prefix[0]) is None:
        return f"| {scenario.title} | not run: {scenario.prefix[0]} is not installed | | | | | | |"
    plan = cluster.plan()
    began = time.monotonic()
    for number in range(workers):
        cluster.start(number, *(scenario.prefix if number == 0 else ()))
    _until_a_third(cluster)
    scenario.happen(cluster)
    codes = cluster.wait()
    seconds = time.monotonic() - began
    again = cluster.count()["copied again"]
    shown = cluster.hyve("show", plan)
    equal = cluster.server.control(compare=[SOURCE, STORE])["equal"]
    counted = (
        shown["state"],
        *(shown["copy"][name] for name in ("done", "skipped", "failed")),
        shown["delete"]["done"],
    )
    undone = cluster.hyve("undo", plan)["code"]
    lost = cluster.server.control(restored=STORE)["lost"]
    cells = [
        scenario.title,
        f"{seconds:.0f}",
        ", ".join(map(str, codes)),
        "yes" if equal else "NO",
        f"{again:,}",
        "{}: {:,} copied, {:,} skipped, {:,} failed, {:,} deleted".format(*counted),
        f"{undone}",
        f"{lost:,}",
    ]
    return f"| {' | '.join(cells)} |"


def measure_speed_up(cluster: Cluster, latency: float, workers: Sequence[int]) -> str:
    """Copy with one and with several workers; a row of the table."""
    seconds: list[float] = []
    for count in workers:
        cluster.plan(latency)
        began = time.monotonic()
        for number in range(count):
            cluster.start(number)
        cluster.wait()
        seconds.append(time.monotonic() - began)
    shown = " | ".join(f"{found:.1f} ({seconds[0] / found:.1f}x)" for found in seconds)
    return f"| {latency * 1000:.0f} ms | {shown} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, run, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--objects", type=int, default=20_000, help="objects of the source; docs/scale.md has 200,000")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=64, help="requests that each worker may have in flight")
    parser.add_argument("--scenarios", nargs="*", default=list(SCENARIOS), choices=SCENARIOS)
    parser.add_argument("--latencies", nargs="*", type=float, default=[0.0, 0.03], help="seconds of each copy")
    options = parser.parse_args(arguments)
    with (
        ServerProcess() as server,
        EmbeddedServer() as state,
        tempfile.TemporaryDirectory(prefix="cluster-") as folder,
    ):
        cluster = Cluster(Site(server.endpoint_url, Path(folder), options.in_flight), state, server, options.objects)
        if options.scenarios:
            print(f"{options.objects:,} objects, {options.workers} workers")
            print("| what happens | seconds | exit codes | equal | copied again | journal | undo | not restored |")
            print("|---|--:|---|---|--:|---|--:|--:|")
            for name in options.scenarios:
                print(run_scenario(cluster, SCENARIOS[name], options.workers), flush=True)
        if options.latencies:
            print(f"\n| a copy takes | 1 worker, s | {options.workers} workers, s |\n|---|--:|--:|")
            for latency in options.latencies:
                print(measure_speed_up(cluster, latency, (1, options.workers)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
