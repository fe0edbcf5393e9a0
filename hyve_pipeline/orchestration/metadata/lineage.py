"""What every asset shows before its first materialization, and where its columns come from."""

from collections.abc import Callable

import dagster as dg

from hyve_pipeline.core.model.diff import CHANGE_SCHEMA, planned_sets
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA, SIDES
from hyve_pipeline.core.model.journal import JOURNAL_SCHEMA
from hyve_pipeline.core.model.verification import DIFFERENCE_SCHEMA
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.orchestration.common.freshness import freshness_of
from hyve_pipeline.orchestration.common.io_manager import column_schema
from hyve_pipeline.orchestration.common.names import SYNC_TAG, Names


def describer(names: Names, sync: SyncSettings) -> Callable[[dg.AssetSpec], dg.AssetSpec]:
    """Adds to an asset's spec: owners, tags, columns, and its freshness policy."""
    sets = planned_sets(sync.options)
    schemas = {
        **{names.inventory(side): INVENTORY_SCHEMA for side in SIDES},
        **{names.change_set(name): CHANGE_SCHEMA for name in sets},
        names.plan: CHANGE_SCHEMA,
        names.verification: DIFFERENCE_SCHEMA,
        names.journal: JOURNAL_SCHEMA,
    }
    scheduled = {*map(names.inventory, SIDES), *map(names.change_set, sets), names.plan}
    policy = None if sync.schedule is None else freshness_of(sync.schedule, sync.timezone)

    def describe(spec: dg.AssetSpec) -> dg.AssetSpec:
        described = spec.merge_attributes(owners=list(sync.owners), tags={SYNC_TAG: sync.name, **sync.tags})
        if spec.key in schemas:
            described = described.merge_attributes(metadata={"dagster/column_schema": column_schema(schemas[spec.key])})
        if policy is not None and spec.key in scheduled:
            described = described.replace_attributes(freshness_policy=policy)
        return described

    return describe


# Columns of a verification that come from the plan; the others come from the new listing of the store.
_EXPECTED = {"key": "key", "expected_etag": "source_etag", "expected_size": "size"}

# Columns of a journal that come from the plan; the others are its results.
_PLANNED = {"key": "key", "action": "set", "etag_before": "store_etag", "bytes": "size"}


def verification_lineage(names: Names) -> dg.TableColumnLineage:
    """Which columns of a verification come from the plan."""
    return dg.TableColumnLineage({name: [dg.TableColumnDep(names.plan, of)] for name, of in _EXPECTED.items()})


def journal_lineage(names: Names) -> dg.TableColumnLineage:
    """Which columns of a journal come from the plan."""
    return dg.TableColumnLineage({name: [dg.TableColumnDep(names.plan, of)] for name, of in _PLANNED.items()})
