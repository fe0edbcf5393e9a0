"""CPU seconds and memory of a mapping: ``python -m benchmarks.mapping [OBJECTS]``. No server is needed.

The inventories of a source and of a store are mapped, each by a prefix and by an expression. The expression puts random
digits first, so that the keys of the source come in a wholly different order.
"""

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import run

_MAKE, _MAP, _NOTHING = "make", "map", "nothing"

# By side, as the made-up keys of both are the same: rules whose `from` or whose `to` they have.
_RULES = {
    "source": {
        "prefix": {"from": "albums/", "to": "archive/"},
        "expression": {"match": r"albums/(\d+)/photo-(\d{12})(.*)", "replace": r"photos/\3-\2-\1"},
    },
    "store": {
        "prefix": {"from": "raw/", "to": "albums/"},
        "expression": {"match": r"photos/(.*)-(\d{12})-(\d+)", "replace": r"albums/\3/photo-\2\1"},
    },
}

_SHOWN = {"prefix": "a prefix", "expression": "an expression"}


def main(arguments: list[str]) -> None:
    """Measure, and print a table in Markdown."""
    if arguments[:1] == [_MAKE]:
        _make(Path(arguments[1]), int(arguments[2]))
        return
    if arguments[:1] == [_MAP]:
        _map(Path(arguments[1]), arguments[2], arguments[3])
        return
    objects = int(arguments[0]) if arguments else 1_000_000
    print(f"| mapping of {objects:,} keys | seconds | CPU seconds | peak MB |\n|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="hyve-mapping-") as folder:
        # In a process of its own: the memory of this one would count as that of those it starts.
        run([*_itself(), _MAKE, folder, str(objects)], os.environ)
        for side, rule in [(_NOTHING, _NOTHING), *((one, rule) for one, rules in _RULES.items() for rule in rules)]:
            usage = run([*_itself(), _MAP, folder, side, rule], os.environ)
            what = "nothing: the process alone" if side == _NOTHING else f"{side}, by {_SHOWN[rule]}"
            print(f"| {what} | {usage.wall:.1f} | {usage.cpu:.1f} | {usage.memory / 1e6:.0f} |", flush=True)


def _itself() -> list[str]:
    return [sys.executable, "-m", "benchmarks.mapping"]


def _make(home: Path, objects: int) -> None:
    from benchmarks.made_up import make_home, make_inventories

    make_inventories(make_home(home), objects, has_random_names=True)


def _map(home: Path, side: str, rule: str) -> None:
    """Map the inventory of a side; with nothing to map, only look for it."""
    from benchmarks.made_up import newest_inventories, open_home
    from hyve_pipeline.core.settings.mapping import MappingRule
    from hyve_pipeline.operations.inventory.mapped import map_inventory

    context = open_home(home)
    source, store = newest_inventories(context)
    rules = () if side == _NOTHING else (MappingRule.model_validate(_RULES[side][rule]),)
    found = map_inventory(context, source if side == "source" else store, rules)
    if rules and (found.objects == 0 or found.mapped is None or found.mapped.left_out.objects):
        raise SystemExit(f"{found.objects:,} keys were mapped, and some were left out")


if __name__ == "__main__":
    main(sys.argv[1:])
