"""CPU seconds and memory of a proof: ``python -m benchmarks.proof [OBJECTS]``. No server is needed.

First of a store whose objects are mostly unchanged, then of one that was empty, so that every object is in the journal.
"""

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import run

_MAKE = "make"


def main(arguments: list[str]) -> None:
    """Measure, and print a table in Markdown."""
    if arguments[:1] == [_MAKE]:
        _make(Path(arguments[1]), int(arguments[2]), is_store_empty=arguments[3] == "True")
        return
    objects = int(arguments[0]) if arguments else 500_000
    print(f"| proof of {objects:,} objects | seconds | CPU seconds | peak MB |\n|---|--:|--:|--:|")
    for is_store_empty in (False, True):
        what = "all copied" if is_store_empty else "mostly unchanged"
        with tempfile.TemporaryDirectory(prefix="hyve-proof-") as folder:
            home, file = f"{folder}/home", f"{folder}/proof.json"
            # In a process of its own: the memory of this one would count as that of those it starts.
            run([sys.executable, "-m", "benchmarks.proof", _MAKE, home, str(objects), str(is_store_empty)], os.environ)
            for verb, option in (("write it", "--output"), ("check it", "--check")):
                usage = run([sys.executable, "-m", "hyve_pipeline", "prove", "--home", home, option, file], os.environ)
                print(f"| {what}: {verb} | {usage.wall:.1f} | {usage.cpu:.1f} | {usage.memory / 1e6:.0f} |", flush=True)


def _make(home: Path, objects: int, *, is_store_empty: bool) -> None:
    """Make a sync with one plan that is done and verified."""
    from benchmarks.made_up import make_home, make_inventories, make_journal, make_verification, newest_inventories
    from hyve_pipeline.operations.plan.diff import diff_inventories
    from hyve_pipeline.operations.plan.freeze import freeze_plan

    context = make_home(home)
    make_inventories(context, objects, is_store_empty=is_store_empty, has_random_names=True)
    plan = freeze_plan(context, diff_inventories(context, *newest_inventories(context)))
    make_journal(context, plan)
    make_verification(context, plan)


if __name__ == "__main__":
    main(sys.argv[1:])
