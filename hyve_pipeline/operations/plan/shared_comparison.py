"""Compares two large inventories by several processes at the same time, also on other machines: each some ranges.

diffs/<id>/order.json   the ranges; in progress until the diff's manifest diff.json is written
"""

from dataclasses import replace
from datetime import datetime

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.runtime.progress import report
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.compare_range import COMPARE, ComparedRange, compare_range, end_comparison
from hyve_pipeline.operations.workers.shared_parts import ORDER, SharedParts

# Rows of both inventories in a range: some seconds of work.
SHARED_ROWS = 1_000_000


class ComparisonOrder(Frozen):
    """A comparison in which any process may take part.

    Attributes:
        id: the id of the diff.
        source, store: the ids of the inventories.
        memory: the id of what is remembered of earlier copies.
        created: the time of the comparison.
        options: the options in force.
        ranges: the ranges, which tile the key space.
    """

    id: str
    source: str
    store: str
    memory: str | None
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
    return _parts(context, order, source, store).lead(order)


def help_comparisons(context: SyncContext) -> int:
    """Do the free ranges of the sync's newest comparison, while it is in progress.

    Returns:
        How many ranges were compared here.

    Raises:
        HyveError: see `compare_range`.
    """
    newest = context.diffs.newest_id()
    file = f"diffs/{newest}/{ORDER}"
    if newest is None or not context.state.exists(file) or context.diffs.exists(newest):
        return 0
    order = context.state.read_manifest(file, ComparisonOrder)
    source = context.inventories("source").load(order.source)
    store = context.inventories("store").load(order.store)
    places = {"source": source.place, "store": store.place, "options": order.options}
    settings = context.settings.model_copy(update=places)
    compared = _parts(replace(context, settings=settings), order, source, store).help()
    if compared:
        end_comparison(order.options)
    return compared


def _parts(
    context: SyncContext, order: ComparisonOrder, source: Inventory, store: Inventory
) -> SharedParts[ComparedRange]:
    memory = None if order.memory is None else context.memories.load(order.memory)

    def do(number: int, folder: str) -> ComparedRange:
        return compare_range(context, source, store, memory, order.created, order.ranges[number], folder)

    def note(compared: ComparedRange) -> None:
        report(COMPARE, sum(count.objects for count in compared.counts.values()), 0)

    return SharedParts(context, f"diffs/{order.id}", len(order.ranges), ComparedRange, do, note_of_others=note)
