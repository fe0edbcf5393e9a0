"""Finds objects of the source that are dated in the future: their copies are older.

Those that are not remembered as copies are modified in each plan until then.
"""

from datetime import datetime, timedelta

import pyarrow.compute as pc

from hyve_pipeline.core.model.diff import FutureDates
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.operations.inventory.sorted_rows import open_inventory
from hyve_pipeline.state.files import Folder

# The clocks of this machine and of the server may differ by this much: S3 refuses signatures beyond it.
_CLOCK_SLACK = timedelta(minutes=15)


def find_future_dates(state: Folder, inventory: Inventory, now: datetime) -> FutureDates | None:
    """The objects of an inventory that were written after `now`, by more than clocks may differ.

    Raises:
        StateError: the inventory's file is damaged or can't be read.
    """
    limit = now + _CLOCK_SLACK
    # Nearly always there is none, which the manifest says.
    if inventory.newest is None or inventory.newest <= limit:
        return None
    objects = 0
    first: tuple[str, datetime] | None = None
    with open_inventory(state, inventory, ["key", "last_modified"]) as reader:
        ends = [*(key for key, _ in reader.chunks[1:]), None]
        for (begin, _), end in zip(reader.chunks, ends, strict=True):
            rows = reader.read(RelativeRange(begin, end))
            rows = rows.filter(pc.field("last_modified") > limit)
            objects += rows.num_rows
            if first is None and rows.num_rows:
                first = rows.column("key")[0].as_py(), rows.column("last_modified")[0].as_py()
    if first is None:
        return None
    place = inventory.place
    return FutureDates(objects=objects, key=place.key_of(first[0][len(place.prefix) :]), last_modified=first[1])
