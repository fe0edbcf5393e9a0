"""Compares two large inventories by several processes at the same time, also on other machines: each some ranges.

diffs/<id>/order.json   the ranges; present until the diff's manifest diff.json is written
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.settings.model import Options
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.compare_range import ComparedRange, compare_range
from hyve_pipeline.operations.workers.shared_parts import SharedParts

_ORDER = "order.json"

# Rows of both inventories in a range: some seconds of work.
SHARED_ROWS = 1_000_000


class ComparisonOrder(Frozen):
    """A comparison in which any process may take part.

    Attributes:
        id: the id of the diff.
        source, store: the ids of the inventories.
        created: the time of the comparison.
        options: the options in force.
        ranges: the ranges, which tile the key space.
    """

    id: str
    source: str
    store: str
    created: datetime
    options: Options
    ranges: tuple[RelativeRange, ...]


def compare_together(
    context: SyncContext, order: ComparisonOrder, source: Inventory, store: Inventory
) -> list[ComparedRange]:
    """Compare all ranges of an order, beside the processes that take part, and wait for theirs.

    Raises:
        HyveError: see `compare_range`.
    """
    parts = _parts(context, order, source, store)
    context.state.write_manifest(f"diffs/{order.id}/{_ORDER}", order)
    with parts.leading():
        return parts.all_results()


def help_comparisons(context: SyncContext) -> int:
    """Do the free ranges of the sync's comparisons that are in progress.

    Returns:
        How many ranges were compared here.

    Raises:
        HyveError: see `compare_range`.
    """
    done = 0
    for order in _orders(context):
        source = context.inventories("source").load(order.source)
        store = context.inventories("store").load(order.store)
        settings = context.settings.model_copy(
            update={"source": source.place, "store": store.place, "options": order.options}
        )
        parts = _parts(replace(context, settings=settings), order, source, store)
        if parts.is_led:
            done += parts.do_free()
    return done


def _orders(context: SyncContext) -> Iterator[ComparisonOrder]:
    """The newest comparison, unless it is complete."""
    newest = context.diffs.newest_id()
    folder = f"diffs/{newest}"
    if newest is not None and context.state.exists(f"{folder}/{_ORDER}") and not context.diffs.exists(newest):
        yield context.state.read_manifest(f"{folder}/{_ORDER}", ComparisonOrder)


def _parts(
    context: SyncContext, order: ComparisonOrder, source: Inventory, store: Inventory
) -> SharedParts[ComparedRange]:
    def do(number: int, folder: str) -> ComparedRange:
        return compare_range(context, source, store, order.created, order.ranges[number], folder)

    return SharedParts(context, f"diffs/{order.id}", len(order.ranges), ComparedRange, do)
