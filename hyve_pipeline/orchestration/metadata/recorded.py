"""Turns events of the state, caused outside of Dagster, into the events that a Dagster run would have logged."""

from collections.abc import Iterator

import dagster as dg

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.model.diff import planned_sets
from hyve_pipeline.core.model.event import Actor, Event, EventKind
from hyve_pipeline.core.model.journal import AttemptSummary
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.restore import RestoreSummary
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import ended_attempt, plan_refusals, plan_status
from hyve_pipeline.operations.journal.undos import latest_undo
from hyve_pipeline.operations.prove.read import read_proof
from hyve_pipeline.operations.restore.asked import restore_summary
from hyve_pipeline.operations.stored_tables import StoredTable
from hyve_pipeline.operations.verify.read import read_verification
from hyve_pipeline.orchestration.common.checks import (
    ALTERED_CHECK_SET,
    LIMIT_CHECKS,
    LISTING_COMPLETE,
    NO_FAILURES,
    NOTHING_ALTERED,
    PLAN_HOLDS,
    altered_text,
    refusal_text,
)
from hyve_pipeline.orchestration.common.failures import FAILED_OBJECTS
from hyve_pipeline.orchestration.common.io_manager import table_metadata
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.partitions import shards_to_register
from hyve_pipeline.orchestration.metadata.events import (
    PLAN_ENTRY,
    altered_metadata,
    change_lineage,
    inventory_metadata,
    journal_metadata,
    limit_metadata,
    proof_metadata,
    proved_metadata,
    restores_metadata,
    set_metadata,
    shard_metadata,
    undo_metadata,
    verification_metadata,
)
from hyve_pipeline.orchestration.metadata.lineage import journal_lineage, verification_lineage
from hyve_pipeline.orchestration.metadata.plan import plan_metadata, refusals_text
from hyve_pipeline.orchestration.metadata.reading_order import Metadata
from hyve_pipeline.orchestration.metadata.verification import judge_verification

AssetEvent = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation


def recorded(sync: SyncContext, names: Names, event: Event) -> list[AssetEvent]:
    """The events that a Dagster run would have logged, with who did it instead.

    Nothing for an event about a plan or an inventory that is not kept any more.

    Raises:
        HyveError: a file of the state can't be read.
    """
    if event.plan is not None and not sync.plans.exists(event.plan):
        return []
    build = _BUILDERS.get(event.kind)
    return [] if build is None else list(build(sync, names, event))


def partitions_of(sync: SyncContext, names: Names, event: Event) -> list[dg.AddDynamicPartitionsRequest]:
    """The partitions that an event adds: the allowed shards of a plan that was made or approved."""
    if event.kind not in (EventKind.PLAN_FROZEN, EventKind.PLAN_APPROVED):
        return []
    if event.plan is None or not sync.plans.exists(event.plan):
        return []
    plan = sync.plans.load(event.plan)
    return [
        dg.AddDynamicPartitionsRequest(partitions, keys)
        for partitions, keys in shards_to_register(names, plan, plan_refusals(sync, plan))
    ]


def shard_event(
    names: Names, plan: Plan, shard: Shard, summary: AttemptSummary, by: Metadata | None = None
) -> dg.AssetMaterialization | dg.AssetObservation:
    """The event of a shard that has ended: only one without failures materializes its partition."""
    key, partition = names.bucket("store"), plan.partition_key(shard)
    metadata = {**shard_metadata(plan, shard, summary), **(by or {})}
    if not summary.tally.failed:
        return dg.AssetMaterialization(key, partition=partition, metadata=metadata)
    description = f"{summary.tally.failed:,} of {counted(shard.objects)} failed"
    return dg.AssetObservation(key, partition=partition, description=description, metadata=metadata)


def _inventory(sync: SyncContext, names: Names, event: Event) -> Iterator[AssetEvent]:
    side, inventory_id = event.side, event.inventory
    if side is None or inventory_id is None or not sync.inventories(side).exists(inventory_id):
        return
    inventory = sync.inventories(side).load(inventory_id)
    key, by = names.inventory(side), _by(event)
    table = StoredTable(id=inventory.id, files=inventory.files)
    metadata = {**inventory_metadata(sync, inventory), **table_metadata(sync.state, table), **by}
    yield dg.AssetMaterialization(key, metadata=metadata)
    yield dg.AssetCheckEvaluation(key, LISTING_COMPLETE, True, metadata={**proof_metadata(inventory), **by})


def _plan(sync: SyncContext, names: Names, event: Event) -> Iterator[AssetEvent]:
    plan, by = sync.plans.load(event.plan or ""), _by(event)
    diff = sync.diffs.load(event.diff or "")
    for name in planned_sets(diff.options):
        table = StoredTable(id=diff.id, files=diff.files[name])
        metadata = {
            **set_metadata(sync, diff, name),
            "dagster/column_lineage": change_lineage(names),
            **table_metadata(sync.state, table),
            **by,
        }
        yield dg.AssetMaterialization(names.change_set(name), metadata=metadata)
    for check, action, name in LIMIT_CHECKS:
        refusal = refusal_text(names, action, plan.refusals)
        yield dg.AssetCheckEvaluation(
            names.change_set(name),
            check,
            refusal is None,
            metadata={**limit_metadata(diff, name, plan if plan.refusals else None), **by},
            description=refusal,
            blocking=True,
        )
    altered = altered_text(diff)
    yield dg.AssetCheckEvaluation(
        names.change_set(ALTERED_CHECK_SET),
        NOTHING_ALTERED,
        altered is None,
        metadata={**altered_metadata(sync, diff), **by},
        severity=dg.AssetCheckSeverity.WARN,
        description=altered,
    )
    if plan.refusals:
        description = f"refused by {refusals_text(plan)}"
        yield dg.AssetObservation(names.plan, description=description, metadata={**plan_metadata(sync, plan), **by})
    else:
        table = StoredTable(id=plan.id, files=plan.all_files)
        metadata = {**plan_metadata(sync, plan), **table_metadata(sync.state, table), **by}
        yield dg.AssetMaterialization(names.plan, metadata=metadata)


def _approval(_: SyncContext, names: Names, event: Event) -> Iterator[AssetEvent]:
    yield dg.AssetObservation(
        names.plan,
        description=f"other limits were accepted for plan {event.plan}",
        metadata={PLAN_ENTRY: event.plan or "", **_by(event)},
    )


def _shard(sync: SyncContext, names: Names, event: Event) -> Iterator[AssetEvent]:
    plan = sync.plans.load(event.plan or "")
    shard, summary = ended_attempt(sync, plan, event.shard or 0, event.attempt or 0)
    yield shard_event(names, plan, shard, summary, _by(event))


def _verification(sync: SyncContext, names: Names, event: Event) -> Iterator[AssetEvent]:
    plan, by = sync.plans.load(event.plan or ""), _by(event)
    outcome = read_verification(sync, plan.id, event.verification or "")
    metadata = {**verification_metadata(outcome), **by}
    table = table_metadata(sync.state, StoredTable(id=plan.id, files=(outcome.file,)))
    lineage = {"dagster/column_lineage": verification_lineage(names)}
    yield dg.AssetMaterialization(names.verification, metadata={**metadata, **table, **lineage})
    status = plan_status(sync, plan)
    found = judge_verification(names, status, outcome)
    yield dg.AssetCheckEvaluation(
        names.verification,
        PLAN_HOLDS,
        found.passed,
        metadata=metadata,
        severity=found.severity,
        description=found.description,
    )
    # Without its table, which has all rows of the plan: to get that, the user materializes the asset.
    progress = {**journal_metadata(status), **by}
    lineage = {"dagster/column_lineage": journal_lineage(names)}
    yield dg.AssetMaterialization(names.journal, metadata={**progress, **lineage})
    yield dg.AssetCheckEvaluation(names.journal, NO_FAILURES, not progress[FAILED_OBJECTS], metadata=progress)


def _undo(sync: SyncContext, names: Names, event: Event) -> Iterator[AssetEvent]:
    plan = sync.plans.load(event.plan or "")
    summary = latest_undo(sync, plan)
    undone = {} if summary is None else undo_metadata(summary)
    metadata = {PLAN_ENTRY: plan.id, **undone, **_by(event)}
    yield dg.AssetObservation(names.bucket("store"), description=f"Plan {plan.id} was undone", metadata=metadata)


def _restores(sync: SyncContext, names: Names, event: Event) -> Iterator[AssetEvent]:
    summary = restore_summary(sync, event.restore or "")
    if summary is not None:
        yield restores_event(names, summary, _by(event))


def restores_event(names: Names, summary: RestoreSummary, by: Metadata | None = None) -> dg.AssetObservation:
    """What was asked for of archived objects, as an observation of the source.

    Args:
        names: the sync's names.
        summary: what was asked for.
        by: who did it, where that is not the run that logs it.
    """
    return dg.AssetObservation(
        names.bucket("source"),
        description="The restore of archived objects was asked for",
        metadata={**restores_metadata(summary), **(by or {})},
    )


def _proof(sync: SyncContext, names: Names, event: Event) -> Iterator[AssetEvent]:
    plan = sync.plans.load(event.plan or "")
    proof = read_proof(sync, plan, event.verification or "")
    metadata = {**proved_metadata(proof), **_by(event)}
    yield dg.AssetObservation(names.verification, description=f"Plan {plan.id} was proved", metadata=metadata)


_BUILDERS = {
    EventKind.RESTORES_ASKED: _restores,
    EventKind.INVENTORY_TAKEN: _inventory,
    EventKind.PLAN_FROZEN: _plan,
    EventKind.PLAN_APPROVED: _approval,
    EventKind.SHARD_ENDED: _shard,
    EventKind.PLAN_VERIFIED: _verification,
    EventKind.PLAN_UNDONE: _undo,
    EventKind.PLAN_PROVED: _proof,
}


def _by(event: Event) -> Metadata:
    """Who did it, where and when."""
    return {**_actor(event.actor), "time": dg.MetadataValue.timestamp(event.at)}


def _actor(actor: Actor) -> Metadata:
    what = {"run": actor.id} if actor.command is None else {"command": f"hyve {actor.command}"}
    return {**what, "host": actor.host, "user": actor.user}
