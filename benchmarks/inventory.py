"""Hyve's listing alone, without the command line and Dagster: ``python -m benchmarks.inventory HOME``."""

import sys
from pathlib import Path

from hyve_pipeline.flow.context import Home, SyncContext
from hyve_pipeline.flow.inventory import take_inventory


def main() -> None:
    """Take the inventory of the source of the home's only sync."""
    inventory = take_inventory(SyncContext.choose(Home(Path(sys.argv[1])), None), "source")
    print(inventory.objects)


if __name__ == "__main__":
    main()
