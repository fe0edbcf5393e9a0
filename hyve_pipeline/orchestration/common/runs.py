"""Finds the runs of a sync by their tags."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import dagster as dg

from hyve_pipeline.orchestration.common.names import HOME_TAG, HOME_TAG_BEFORE, SYNC_TAG, Names


def find_runs(
    instance: dg.DagsterInstance,
    names: Names,
    statuses: Sequence[dg.DagsterRunStatus],
    *,
    job: str | None = None,
    tags: Mapping[str, str] | None = None,
    updated_after: datetime | None = None,
    limit: int | None = None,
    oldest_first: bool = False,
) -> list[dg.RunRecord]:
    """The runs of a sync, also those of versions that showed the tag of the home, newest first by default.

    Args:
        instance: the instance.
        names: the sync's names.
        statuses: the statuses that count.
        job: the name of their job; None means any.
        tags: tags that they must have too.
        updated_after: only those that have changed since.
        limit: the most runs.
        oldest_first: in the order in which they last changed.
    """
    found: dict[str, dg.RunRecord] = {}
    for home in (HOME_TAG, HOME_TAG_BEFORE):
        filters = dg.RunsFilter(
            statuses=[*statuses],
            job_name=job,
            tags={SYNC_TAG: names.sync, home: names.home, **(tags or {})},
            updated_after=updated_after,
        )
        order = {"order_by": "update_timestamp", "ascending": True} if oldest_first else {}
        for record in instance.get_run_records(filters, limit=limit, **order):
            found.setdefault(record.dagster_run.run_id, record)
    if oldest_first:
        records = sorted(found.values(), key=lambda record: (record.update_timestamp, record.storage_id))
    else:
        records = sorted(found.values(), key=lambda record: record.storage_id, reverse=True)
    return records[:limit]
