"""The job that follows a sync by its events: it takes what is in the queue, and ends."""

import dagster as dg

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.follow.follow import drain, open_queue
from hyve_pipeline.operations.follow.round import Round
from hyve_pipeline.orchestration.common.failures import as_failure
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.steps import Steps
from hyve_pipeline.orchestration.definitions.op_job import build_op_job
from hyve_pipeline.orchestration.definitions.resources import sync_of_run
from hyve_pipeline.orchestration.metadata.reading_order import Metadata

_DESCRIPTION = (
    "Takes the messages of the queue of events, looks at the keys that they name in both buckets, and copies what is "
    'new or modified, under the same rules as every plan; deletes only where apply is "all". Messages are deleted when '
    "their plan is applied. The record sensor reports its plans."
)

_FIGURES = ("messages", "keys", "copied", "deleted", "skipped", "failed", "deletes_left")


def build_events_job(names: Names, steps: Steps, settings: SyncSettings) -> dg.JobDefinition:
    """Follows one sync by its events, round after round, until its queue is empty."""

    def follow(context: dg.OpExecutionContext) -> None:
        sync = _following(sync_of_run(context, names), settings)
        with as_failure(), open_queue(sync) as queue:
            rounds = drain(sync, queue)
        for note in (note for done in rounds for note in done.notes):
            context.log.warning(note)
        metadata = _metadata(rounds)
        context.log_event(
            dg.AssetObservation(
                names.bucket("source"), description=counted(metadata["messages"], "message"), metadata=metadata
            )
        )
        refused = [refusal.described for done in rounds for refusal in done.refused]
        if refused or any(done.exit_code for done in rounds):
            what = refused[0] if refused else "some objects failed or changed meanwhile; their messages come again"
            raise dg.Failure(what, metadata=metadata, allow_retries=False)

    return build_op_job(names, steps, names.events_job, "follow", _DESCRIPTION, follow)


def _following(sync: SyncContext, settings: SyncSettings) -> SyncContext:
    """The sync of a run, with the queue and what may be applied."""
    changed = sync.settings.model_copy(update={"events": settings.events, "apply": settings.apply})
    return SyncContext(sync.home, changed, sync.keys).acting_as(sync.actor.unlogged())


def _metadata(rounds: list[Round]) -> Metadata:
    metadata: Metadata = {name.replace("_", " "): sum(getattr(done, name) for done in rounds) for name in _FIGURES}
    return {**metadata, "plans": dg.MetadataValue.json([done.plan for done in rounds if done.plan is not None])}
