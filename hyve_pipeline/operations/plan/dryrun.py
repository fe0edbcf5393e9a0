"""Makes a plan: takes both inventories, compares them, and freezes the result."""

from collections.abc import Iterable
from datetime import datetime

from hyve_pipeline.core.model.diff import LIST_NAMES, Diff, planned_sets
from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.core.model.named_keys import NamedBy
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.estimate.prices import read_prices
from hyve_pipeline.operations.inventory.named_keys import keep_named_keys, take_named_inventories
from hyve_pipeline.operations.inventory.names_in_plans import names_in_plans
from hyve_pipeline.operations.inventory.take import take_inventories
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline.operations.plan.planning import planning
from hyve_pipeline.operations.stored_tables import StoredTable, TableShelf


def take_plan(context: SyncContext, *, as_of: datetime | None = None) -> Plan:
    """List both buckets, compare them and freeze a plan, refused or not; change nothing in either bucket.

    Dagster and notebooks load the newest version of each asset, whether a command or a run of Dagster made it.

    Args:
        context: the sync.
        as_of: the earlier time at which the source was as the plan copies it, by its versions; None for now.

    Raises:
        ConfigurationError: the options require what is impossible, or it is not known what the source had then.
        BucketError: a bucket can't be reached.
        IncompleteInventoryError: a listing failed or can't be proved complete.
        StateError: a file of the state can't be written or read.
    """
    # A file of prices that can't be read is known before a bucket is listed.
    read_prices(context.settings.options.prices)
    with planning(context):
        taken = take_inventories(context, SIDES, as_of=as_of)
        diff = diff_inventories(context, taken["source"], taken["store"])
        plan = freeze_plan(context, diff)
    tables = {f"{side}_inventory": StoredTable(id=found.id, files=found.files) for side, found in taken.items()}
    for name in planned_sets(diff.options):
        tables[LIST_NAMES[name]] = StoredTable(id=diff.id, files=diff.files[name])
    if not plan.refusals:
        tables["plan"] = StoredTable(id=plan.id, files=plan.all_files)
    for asset, table in tables.items():
        TableShelf(context.home, context.name, asset).keep(table, context.actor.run)
    return plan


def take_plan_of_keys(context: SyncContext, keys: Iterable[str], by: NamedBy) -> Plan:
    """Look at some keys in both buckets, compare them and freeze a plan of them; change nothing in either bucket.

    No other key is known, so none can be planned. What assets of Dagster load as the newest inventories, sets and plan
    stays that of the last plan of all keys.

    Args:
        context: the sync.
        keys: the keys of the source, below its prefix, in any order; one that is there twice counts once. With a
            mapping, those that no rule is about are left out, and counted.
        by: who names them.

    Raises:
        ConfigurationError: the options require what is impossible.
        BucketError: a bucket can't be reached.
        IncompleteInventoryError: a bucket did not say of a key whether it is there.
        RefusedError: by the mapping two keys would become one.
        StateError: a file of the state can't be written or read.
    """
    read_prices(context.settings.options.prices)
    names = names_in_plans(context, keys)
    found = [name for name in names.values() if name is not None]
    return freeze_plan(context, diff_keys(context, found, by, len(names) - len(found)))


def diff_keys(context: SyncContext, keys: Iterable[str], by: NamedBy, left_out: int = 0) -> Diff:
    """Look at some keys in both buckets, and compare them.

    Args:
        context: the sync.
        keys: the keys as plans have them.
        by: who names them.
        left_out: how many other keys were named, which no rule of the mapping is about.

    Raises:
        HyveError: as `take_plan_of_keys`.
    """
    taken = take_named_inventories(context, SIDES, keep_named_keys(context, keys, by, left_out))
    return diff_inventories(context, taken["source"], taken["store"])
