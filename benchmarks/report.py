"""Tables of what was measured, for the terminal and for the documentation."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.measure import MIB, Usage
from benchmarks.tasks import Task
from benchmarks.tools import Contender

BEGIN = "<!-- benchmarks: begin, written by make bench -->"
END = "<!-- benchmarks: end -->"

# The server was at its limit: a faster one might have given other results.
_SERVER_BOUND = 0.9


@dataclass(frozen=True)
class Row:
    """The runs of one contender at one task.

    Attributes:
        contender: who.
        runs: what each round cost.
        server: the server's CPU seconds in each round.
    """

    contender: Contender
    runs: tuple[Usage, ...]
    server: tuple[float, ...]

    @property
    def wall(self) -> float:
        """Median seconds."""
        return median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        """Median CPU seconds."""
        return median(run.cpu for run in self.runs)

    @property
    def memory(self) -> float:
        """Median peak of resident memory, bytes."""
        return median(run.memory for run in self.runs)

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped before it was done."""
        return any(run.is_stopped for run in self.runs)

    @property
    def server_load(self) -> float:
        """The share of its one core that the server used."""
        return median(cpu / run.wall for cpu, run in zip(self.server, self.runs, strict=True))


def describe_task(task: Task, rows: list[Row]) -> str:
    """A table of one task, in Markdown, with the ratios to its first row."""
    lines = [
        f"### {task.title}",
        "",
        "| | wall, s | least to most | CPU, s | peak, MiB | objects/s | wall, ratio | CPU, ratio | server's core |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    first = rows[0]
    for row in rows:
        walls = [run.wall for run in row.runs]
        bound = " (!)" if row.server_load > _SERVER_BOUND else ""
        more, less = ("over ", "under ") if row.is_stopped else ("", "")
        lines.append(
            f"| {row.contender.title} | {more}{row.wall:.2f} | {min(walls):.2f} to {max(walls):.2f} "
            f"| {more}{row.cpu:.2f} | {row.memory / MIB:.0f} | {less}{task.objects / row.wall:,.0f} "
            f"| {more}{row.wall / first.wall:.2f} | {more}{row.cpu / first.cpu:.2f} | {row.server_load:.0%}{bound} |"
        )
    return "\n".join([*lines, "", _judge(rows)])


def _judge(rows: list[Row]) -> str:
    """A sentence on the tools that are better than Hyve's first row."""
    first = rows[0]
    if first.contender.tool != "hyve":
        return "Hyve was not measured."
    peers = [row for row in rows if row.contender.tool != first.contender.tool]
    sentences = []
    for measure, word in (("wall", "slower"), ("cpu", "costlier in CPU"), ("memory", "larger in memory")):
        ahead = {}
        for row in peers:
            ratio = getattr(first, measure) / getattr(row, measure)
            # What a tool that was stopped would have cost is unknown.
            if ratio > 1 and not row.is_stopped:
                ahead[row.contender.tool] = max(ratio, ahead.get(row.contender.tool, 0))
        if ahead:
            said = ", ".join(f"{tool} ({ratio:.1f} times)" for tool, ratio in ahead.items())
            sentences.append(f"Hyve's first row is {word} than {said}.")
    return " ".join(sentences) or "No peer is faster, or needs less CPU or memory, than Hyve's first row."


def describe_machine(versions: dict[str, str], rounds: int, patience: float, in_flight: int, *, is_full: bool) -> str:
    """What it was measured on."""
    tools = ", ".join(f"{tool} {number}" for tool, number in versions.items())
    size = "" if is_full else " Sizes are small: the fixed costs of starting a tool weigh heavily."
    taken = (
        "One round"
        if rounds == 1
        else f"Medians of {rounds} rounds; another tool was stopped after {patience:.0f} seconds, and got no other "
        "round when it had taken that long in all"
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB, "
        f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}; {tools}. "
        f"{taken}, {in_flight} requests in flight.{size}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def write_document(path: Path, text: str) -> None:
    """Replace what is between the markers of a document.

    Raises:
        ValueError: the document has no markers.
    """
    before, found, rest = path.read_text().partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"{path}: has no {BEGIN} with {END} after it")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
