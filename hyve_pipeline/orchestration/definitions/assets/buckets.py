"""The two buckets as external assets: where the lineage begins and where it ends."""

import dagster as dg

from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.core.model.safety_rules import ACTIONS
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.orchestration.common.names import Names


def build_buckets(names: Names, sync: SyncSettings, location: str | None) -> list[dg.AssetSpec]:
    """The external assets `source` and `store`, with links to jobs of that code location where its name is known.

    The store's inventory must not depend on the store: the graph would have a cycle.
    """
    jobs = {f"written by {action}": names.shard_job(action) for action in ACTIONS}
    writers = {
        label: dg.MetadataValue.text(job) if location is None else dg.MetadataValue.job(job, location_name=location)
        for label, job in jobs.items()
    }
    return [
        _bucket(names, "source", sync.source.uri, f"The source bucket {sync.source.uri}. It is never written."),
        _bucket(
            names,
            "store",
            sync.store.uri,
            f"The store bucket {sync.store.uri}, as the copy and delete jobs make it. "
            "A partition is a shard of a plan; shards that failed show at their job's partitions.",
        )
        .replace_attributes(deps=[names.plan], partitions_def=names.store_shards)
        .merge_attributes(metadata=writers),
    ]


def _bucket(names: Names, side: Side, uri: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        names.bucket(side),
        description=description,
        group_name=names.sync,
        kinds={"s3"},
        metadata={"dagster/uri": uri},
    )
