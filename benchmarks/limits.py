"""The limits a second as a server counts them: ``python -m benchmarks.limits [SECONDS]``.

Objects are streamed by one process, by two processes of one command, and by two commands that share a plan. The
server's counters are read twice a second: the requests, and the content that arrived, once all have begun.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.serving import ServerProcess
from benchmarks.tools import SOURCE, STORE, Site, find

_WRITTEN = 1_700_000_000

# Low enough that two cores are never the limit.
_REQUESTS = 100
_BYTES = 5_000_000

_SIZE = 50_000

_LIMITS = {
    f"requests_per_second = {_REQUESTS}": (_SIZE, float(_REQUESTS)),
    f'bandwidth = "{_BYTES // 10**6} MB/s"': (_SIZE, float(_BYTES)),
}

# The processes of the first command, and how many commands share the plan.
_WAYS = {"one process": (1, 1), "two processes": (2, 1), "two workers": (1, 2)}

# Until then a worker may not yet have noticed another one.
_SETTLING_SECONDS = 5.0
_STEP_SECONDS = 0.5

# Requests of listings and of the beginning are not what is measured.
_CONTENT = ("GetObject", "PutObject", "HeadObject", "GetObjectTagging")


def main(arguments: list[str]) -> None:
    """Measure, and print a table in Markdown."""
    seconds = float(arguments[0]) if arguments else 15.0
    print("| limit | by | least to most in 2 seconds | in all | of the limit |\n|---|---|--:|--:|--:|")
    for line, (size, limit) in _LIMITS.items():
        is_bytes = limit == _BYTES
        for way, (processes, commands) in _WAYS.items():
            rates = _measure(line, size, limit, seconds, processes, commands, is_bytes=is_bytes)
            whole = sum(rates) / len(rates)
            spans = [sum(rates[place : place + 4]) / 4 for place in range(len(rates) - 3)] or rates
            unit = 10**6 if is_bytes else 1
            print(
                f"| `{line}` | {way} | {min(spans) / unit:.2f} to {max(spans) / unit:.2f} | {whole / unit:.2f} "
                f"| {whole / limit:.1%} |",
                flush=True,
            )


def _measure(
    line: str, size: int, limit: float, seconds: float, processes: int, commands: int, *, is_bytes: bool
) -> list[float]:
    """What passed a second, in each half second."""
    # Each object takes a read and a write; some more, so that none comes to its end before.
    objects = int((seconds + _SETTLING_SECONDS + 20) * (limit / size if is_bytes else limit / 2))
    with ServerProcess() as server, tempfile.TemporaryDirectory(prefix="limits-") as folder, ExitStack() as stack:
        site = Site(server.endpoint_url, Path(folder), 256)
        # Large ones: at its end, a shard has nothing more to read, and at its beginning nothing to write.
        shard = f"shard_objects = {objects // 4 + 1}"
        options = [f"processes = {processes}", 'transfer = "stream"', shard]
        server.control(contents={SOURCE: (objects, size, _WRITTEN)}, fill={STORE: (0, _WRITTEN)}, latencies={})
        site.empty_hyve_home(*options)
        subprocess.run([find("hyve"), "dryrun"], env=site.environment, check=True, capture_output=True)
        with (site.hyve_home / "hyve.toml").open("a") as file:
            file.write(f"{line}\n")
        for _ in range(commands):
            stack.enter_context(_running([find("hyve"), "work", "--until-done"], site))
        while not server.control()["counts"].get("PutObject"):
            time.sleep(_STEP_SECONDS)
        time.sleep(_SETTLING_SECONDS)
        server.control()
        rates: list[float] = []
        before = time.perf_counter()
        end = before + seconds
        while before < end:
            time.sleep(_STEP_SECONDS)
            counts = server.control()["counts"]
            now = time.perf_counter()
            passed = counts.get("PutObject", 0) * size if is_bytes else sum(counts.get(name, 0) for name in _CONTENT)
            rates.append(passed / (now - before))
            before = now
        return rates


@contextmanager
def _running(command: list[str], site: Site) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        env=site.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
