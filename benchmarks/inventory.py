"""Hyve's listing alone, without the command line and Dagster: ``python -m benchmarks.inventory HOME [both]``."""

import sys
from pathlib import Path

from hyve_pipeline.core.runtime import startup


def main() -> None:
    """Take the inventory of the source of the home's only sync, or of both sides."""
    # What is imported before it has Arrow's own memory pool, and NumPy, which no command has.
    startup.begin()
    from hyve_pipeline.core.model.inventory import SIDES
    from hyve_pipeline.operations.context import Home, SyncContext
    from hyve_pipeline.operations.inventory.take import take_inventories

    startup.finish()
    home, *which = sys.argv[1:]
    taken = take_inventories(SyncContext.choose(Home(Path(home)), None), SIDES if which else ["source"])
    print(sum(inventory.objects for inventory in taken.values()))
    startup.end()


if __name__ == "__main__":
    main()
