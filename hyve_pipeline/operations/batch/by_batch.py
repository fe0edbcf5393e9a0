"""Copies the new objects of a plan by jobs of S3 Batch Operations, and the rest as always."""

from collections.abc import Callable

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError, HyveError, StateError
from hyve_pipeline.core.model.batch import RoundResult
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.core.model.status import PlanStatus, ShardStatus
from hyve_pipeline.core.settings.batch import BatchSettings
from hyve_pipeline.operations.apply.loop import apply_plan
from hyve_pipeline.operations.apply.shard import check_allowed
from hyve_pipeline.operations.batch.follow import FIRST_PAUSE, follow_round
from hyve_pipeline.operations.batch.places import open_control, open_places
from hyve_pipeline.operations.batch.prepare import prepare_round
from hyve_pipeline.operations.batch.take_in import take_in
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.ends import note_missed_ends
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.state.batch_rounds import RoundFolder, open_round, raise_if_open


def copy_by_batch(
    context: SyncContext,
    plan: Plan,
    action: Action = "copy",
    *,
    known: PlanStatus | None = None,
    on_round: Callable[[RoundResult], None],
    say: Callable[[str], None],
    first_pause: float = FIRST_PAUSE,
) -> PlanStatus:
    """Let jobs copy what they can of a plan, take in what they did, and copy all the rest.

    A round of jobs that an earlier process has left is followed to its end, and no other one is started. While there is
    one, this process alone works on the plan, and the state keeps others from it also when this one is killed.

    Args:
        context: the sync; the table ``batch`` of its settings says whose jobs they are.
        plan: the plan.
        action: copies; jobs never delete.
        known: the progress at an earlier time.
        on_round: gets what the jobs did, before the rest is copied.
        say: gets a line about what a user has to know meanwhile.
        first_pause: seconds before the second look at the jobs.

    Returns:
        The progress of the plan.

    Raises:
        ConfigurationError: there is no such table, or jobs can't do what the plan asks for, such as all versions.
        RefusedError: a safety rule forbids it, or another process works on this or another plan.
        HyveError: a job did not come to its end, what it did is in the journal, and nothing else was copied; or another
            failure, see `apply_plan`.
    """
    plan.require_objects("--by batch")
    finished = {} if known is None else known.finished
    if plan.total(action).shards:
        result = _do_round(context, plan, finished, say, first_pause)
        on_round(result)
        _raise_if_cut_short(plan, result)
    return apply_plan(context, plan, action, known=known)


def jobs_of(context: SyncContext) -> BatchSettings:
    """The settings of a sync's jobs.

    Raises:
        ConfigurationError: it has none.
    """
    if context.settings.batch is None:
        raise ConfigurationError(
            f"sync {context.name}: --by batch requires a table [sync.{context.name}.batch] with account_id, role_arn "
            "and location"
        )
    return context.settings.batch


def _do_round(
    context: SyncContext, plan: Plan, finished: dict[int, ShardStatus], say: Callable[[str], None], first_pause: float
) -> RoundResult:
    """Start a round of jobs, or take up the one that was left, and follow it to its end."""
    with context.applying(plan.id, alone=True, follows_jobs=True) as epoch:
        status = plan_status(context, plan, finished)
        note_missed_ends(context, status)
        opened = open_round(context.state)
        folder, asked = None, None
        if opened is None:
            check_allowed(context, plan, "copy", status)
        elif opened.plan != plan.id:
            raise_if_open(context.state)
        else:
            folder = RoundFolder(context.state, opened.plan, opened.number)
            asked = folder.asked()
        settings = jobs_of(context) if asked is None else asked.settings
        with open_places(context, plan, settings, epoch.check) as places:
            if folder is None or asked is None:
                folder, asked = prepare_round(context, plan, status, settings, places)
            if not asked.jobs:
                return RoundResult(left_out=asked.left_out)
            try:
                with open_control(context, settings) as control:
                    jobs = follow_round(folder, asked, control, epoch, say, first_pause)
                result = take_in(context, plan, folder, asked, jobs, places, epoch)
                epoch.check()
                folder.end(result)
            except (BucketError, ConfigurationError, StateError) as error:
                # Their own exit codes would mean that nothing is changed.
                raise HyveError(
                    f"{error}; jobs may be copying: 'hyve copy --by batch --plan {plan.id}' follows them"
                ) from error
            return result


def _raise_if_cut_short(plan: Plan, result: RoundResult) -> None:
    """Copy nothing more where a job has failed or was cancelled: somebody has to know, and to decide.

    Raises:
        BucketError: no job could be created, so nothing was changed.
        HyveError: a job did not come to its end.
    """
    problem = result.problem
    if problem is None:
        return
    if all(job.id is None for job in result.jobs):
        raise BucketError(f"{problem}; 'hyve doctor' checks the settings, and 'hyve copy' copies without jobs")
    raise HyveError(
        f"{problem}; what it did is in the journal. 'hyve copy --plan {plan.id}' copies the rest itself, and the same "
        "with --by batch starts another job"
    )
