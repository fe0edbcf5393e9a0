"""What a comparison of very many keys costs: ``python -m benchmarks.scale [--random-names] [KEYS ...]``.

By default 1 and 5 million keys in each bucket. `--random-names` gives each key 20 random hexadecimal digits.

The inventories are made up, so neither a server nor a network takes part. Each step is a process of its own, whose peak
memory and CPU seconds are measured: the inventories, the comparison and the plan, how far the plan came, and a tick of
the sensor that applies it.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import MIB, Usage, run

_MILLION = 1_000_000

_STEPS = {
    "make": "make up both inventories",
    "compare": "compare them, and freeze the plan",
    "status": "how far the plan came, not begun",
    "tick": "a tick of the apply sensor",
}


def main() -> None:
    """Measure each size, and print a table in Markdown."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--step"]:
        _, step, home, size, *names = arguments
        _do(step, Path(home), int(size), has_random_names=bool(names))
        return
    names = [name for name in arguments if name == "--random-names"]
    sizes = [int(text) for text in arguments if text not in names] or [_MILLION, 5 * _MILLION]
    print("| keys in each bucket | step | CPU s | CPU s a million keys | s | peak MiB |\n|--:|---|--:|--:|--:|--:|")
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="hyve-scale-") as folder:
            for step, words in _STEPS.items():
                usage = _usage(step, Path(folder), size, names)
                figures = f"{usage.cpu:.1f} | {usage.cpu / size * _MILLION:.2f} | {usage.wall:.1f}"
                print(f"| {size:,} | {words} | {figures} | {usage.memory / MIB:.0f} |", flush=True)
            for name, bytes_on_disk in _sizes(Path(folder)).items():
                print(f"| {size:,} | on disk, {name} | {bytes_on_disk / size:.1f} bytes a key | | | |", flush=True)


def _usage(step: str, home: Path, size: int, names: Sequence[str]) -> Usage:
    command = [sys.executable, "-m", "benchmarks.scale", "--step", step, str(home), str(size), *names]
    return run(command, {"PYTHONPATH": str(Path(__file__).parent.parent), "HOME": str(home), "PATH": ""})


def _sizes(home: Path) -> dict[str, int]:
    """The bytes of each kind of file."""
    state = home / "state" / "images"
    kinds = {
        "inventory of the source": "inventories/source",
        "inventory of the store": "inventories/store",
        "differences": "diffs",
        "plan": "plans",
    }
    return {
        name: sum(path.stat().st_size for path in (state / folder).rglob("*") if path.is_file())
        for name, folder in kinds.items()
    }


def _do(step: str, home: Path, size: int, *, has_random_names: bool) -> None:
    """One step, in a process of its own."""
    # Imported late: the process that measures must be small, see `measure.run`.
    from benchmarks.made_up import make_home, make_inventories, newest_inventories, open_home

    if step == "make":
        make_inventories(make_home(home), size, has_random_names=has_random_names)
        return
    context = open_home(home)
    if step == "compare":
        from hyve_pipeline.operations.plan.diff import diff_inventories
        from hyve_pipeline.operations.plan.freeze import freeze_plan

        freeze_plan(context, diff_inventories(context, *newest_inventories(context)))
    elif step == "status":
        from hyve_pipeline.operations.journal.status import plan_status

        print(plan_status(context, context.plans.find(None)).state)
    else:
        import dagster as dg

        from hyve_pipeline.orchestration.common.instance import open_instance
        from hyve_pipeline.orchestration.definitions.build import build_sync

        definitions = build_sync(context.home, context.settings)
        with open_instance(context.home) as instance:
            sensor = definitions.resolve_sensor_def(f"{context.name}_apply_sensor")
            sensor.evaluate_tick(dg.build_sensor_context(instance=instance, definitions=definitions))


if __name__ == "__main__":
    main()
