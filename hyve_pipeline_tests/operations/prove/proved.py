"""Plans of written listings, as if they had been applied and verified."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA, Inventory
from hyve_pipeline.core.model.journal import AttemptSummary, JournalRow, Outcome, count_outcomes
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.verification import DIFFERENCE_SCHEMA, PROVED_SCHEMA, ContentSummary, Verification
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.ends import note_end
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan, read_shard
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline.state.parquet import writing_parquet
from hyve_pipeline_tests.operations.listings import Entry, written_inventory

# key, source's ETag, store's ETag, how, checksum, and perhaps size and place
ProvedRow = tuple[Any, ...]


def plan_of(
    context: SyncContext,
    source: Mapping[str, Entry],
    store: Mapping[str, Entry],
    schema: pa.Schema = INVENTORY_SCHEMA,
) -> Plan:
    """A plan made from these objects; keys are whole keys."""
    source_inventory = written_inventory(context, "source", source, schema=schema)
    store_inventory = written_inventory(context, "store", store, schema=schema)
    return freeze_plan(context, diff_inventories(context, source_inventory, store_inventory))


def journal(
    context: SyncContext,
    plan: Plan,
    copied: Mapping[str, str | None],
    streamed: Mapping[str, tuple[str, str]] | None = None,
) -> None:
    """Journal every copy of a plan: as done with an ETag, or as skipped where there is none.

    What was `streamed` has a checksum too: how it proves the content, and the value.
    """
    for shard in plan.shards_of("copy"):
        of_shard = ShardJournal(context.state, plan.id, shard)
        with of_shard.claimed(context.actor) as claim, of_shard.begin(claim, "a run", datetime.now(UTC)) as writer:
            now = datetime.now(UTC)
            rows = [
                JournalRow(
                    key, "copy", Outcome.SKIPPED if copied[key] is None else Outcome.DONE, now, etag_after=copied[key]
                )
                for key in read_shard(context, plan, shard).column("key").to_pylist()
            ]
            for row in rows:
                how, checksum = (streamed or {}).get(row.key, (None, None))
                writer.append(row._replace(how=how, checksum=checksum))
            totals = dict(count_outcomes(rows))
            summary = AttemptSummary(attempt=claim.number, run_id="a run", started=now, ended=now, **totals)
            writer.finish(summary)
        note_end(context, plan, shard, summary)


def verify(context: SyncContext, plan: Plan, listed: Inventory, compared: Sequence[ProvedRow] | None = None) -> None:
    """Keep a verification without differences, which may have compared contents."""
    path = f"verifications/{plan.id}/{listed.id}"
    with writing_parquet(context.state, f"{path}.parquet", DIFFERENCE_SCHEMA):
        pass
    content = None
    if compared is not None:
        rows = [dict(zip(PROVED_SCHEMA.names, row, strict=False)) for row in compared]
        with writing_parquet(context.state, f"{path}-content.parquet", PROVED_SCHEMA) as writer:
            writer.write_table(pa.Table.from_pylist(rows, PROVED_SCHEMA))
        content = ContentSummary(
            percent=100, objects=len(rows), bytes=9, skipped={}, gets=2, file=f"{path}-content.parquet"
        )
    verification = Verification(
        sync=context.name,
        plan=plan.id,
        ended=datetime.now(UTC),
        objects=listed.objects,
        differences={},
        examples=(),
        inventory=listed.id,
        file=f"{path}.parquet",
        content=content,
        attempts=plan_status(context, plan).attempts,
    )
    context.state.write_manifest(f"{path}.json", verification)
