"""Runs every task with every tool, in turn, several times, and writes the results."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from benchmarks import growth, report
from benchmarks.measure import CommandFailedError, Usage
from benchmarks.serving import ServerProcess
from benchmarks.tasks import FULL, QUICK, Sizes, Task, WorkNotDoneError, tasks
from benchmarks.tools import MissingToolError, Site, find, versions

_TOOLS = ("hyve", "s5cmd", "rclone", "aws")
_WARM_UP = Sizes(listed=100, unchanged=100, copied=100, deleted=100, listed_slowly=100, listed_both=100, streamed=100)
_DOCUMENTS = Path(__file__).parent.parent / "docs"
_GROWTH = "growth"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, measure, print, and write."""
    options = _parser().parse_args(arguments)
    base = FULL if options.full else QUICK
    sizes = Sizes(**{field.name: getattr(options, field.name) or getattr(base, field.name) for field in fields(Sizes)})
    rounds = options.rounds or (3 if options.full else 1)
    chosen = [task for task in tasks(sizes) if not options.tasks or task.name in options.tasks]
    growth_sizes = options.growth or (growth.FULL_SIZES if options.full else growth.QUICK_SIZES)
    points: list[growth.Point] = []
    try:
        for tool in options.tools:
            find(tool)
        with ServerProcess() as server, tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
            site = Site(server.endpoint_url, Path(folder), options.in_flight)
            _warm_up(options.tools, server, site)
            results = {
                task.name: _measure(task, options.tools, rounds, options.patience, server, site) for task in chosen
            }
            if not options.tasks or _GROWTH in options.tasks:
                points = growth.measure_growth(sorted(growth_sizes), options.tools, options.patience, server, site)
        machine = report.describe_machine(
            versions(options.tools), rounds, options.patience, site.in_flight, is_full=options.full
        )
    except (CommandFailedError, MissingToolError, WorkNotDoneError) as error:
        print(error, file=sys.stderr)
        return 1
    parts = [machine, *(report.describe_task(task, results[task.name]) for task in chosen)]
    if points:
        parts.append(growth.describe_growth(points, options.patience))
    print("\n\n".join(parts))
    if options.json:
        raw = {
            name: {row.contender.title: [asdict(run) for run in row.runs] for row in results[name]} for name in results
        }
        options.json.write_text(json.dumps(raw, indent=1))
    if options.write:
        if points:
            growth.draw_growth(points, _DOCUMENTS / "pictures" / "growth.png")
            parts.append("![Seconds, CPU seconds and memory by number of objects](pictures/growth.png)")
        report.write_document(_DOCUMENTS / "performance.md", "\n\n".join(parts))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the sizes and rounds that docs/performance.md shows")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single run into a file")
    parser.add_argument("--rounds", type=int, help="how often each tool does each task")
    parser.add_argument(
        "--patience",
        type=float,
        default=30,
        metavar="SECONDS",
        help="a tool that needs longer for a task is stopped; one that took longer for all rounds so far gets no other "
        "round or larger size; Hyve always does",
    )
    parser.add_argument("--growth", type=int, nargs="+", metavar="N", help="objects in each bucket, as many sizes")
    parser.add_argument("--in-flight", type=int, default=256, help="requests that each tool may have in flight")
    parser.add_argument(
        "--tasks", nargs="+", choices=[*(task.name for task in tasks(QUICK)), _GROWTH], help="only these"
    )
    parser.add_argument("--tools", nargs="+", choices=_TOOLS, default=list(_TOOLS), help="only these")
    for field in fields(Sizes):
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=int, metavar="N", help=f"objects {field.name.replace('_', ' ')}")
    return parser


def _warm_up(tools: Sequence[str], server: ServerProcess, site: Site) -> None:
    """Copy a few objects with every tool, so that its files are in the page cache."""
    (copy,) = (task for task in tasks(_WARM_UP) if task.name == "copy")
    for tool in tools:
        copy.run(next(contender for contender in copy.contenders if contender.tool == tool), server, site)


def _measure(
    task: Task, tools: Sequence[str], rounds: int, patience: float, server: ServerProcess, site: Site
) -> list[report.Row]:
    """Run one task with the tools in turn, round after round."""
    contenders = [contender for contender in task.contenders if contender.tool in tools]
    runs: dict[int, list[tuple[Usage, float]]] = {place: [] for place in range(len(contenders))}
    for number in range(1, rounds + 1):
        for place, contender in enumerate(contenders):
            if contender.tool != "hyve" and sum(usage.wall for usage, _ in runs[place]) > patience:
                continue
            usage, busy = task.run(contender, server, site, patience)
            runs[place].append((usage, busy))
            print(
                f"{task.name} {number}/{rounds}: {usage.wall:7.2f} s, {usage.cpu:7.2f} s CPU  {contender.title}",
                file=sys.stderr,
            )
    return [
        report.Row(contender, tuple(usage for usage, _ in runs[place]), tuple(busy for _, busy in runs[place]))
        for place, contender in enumerate(contenders)
    ]


if __name__ == "__main__":
    sys.exit(main())
