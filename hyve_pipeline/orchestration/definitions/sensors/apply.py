"""The sensor that applies plans: copies shard by shard, then deletes, then the verification.

It is level-triggered: it keeps no cursor, and at each look works out from journal and runs what is left. Its
requests carry the attempt in their run keys, so a look that is repeated asks for nothing twice.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.model.automation import VERIFICATION, Decision, Request, Tries, decide
from hyve_pipeline.core.model.plan import Plan, plan_of_partition
from hyve_pipeline.core.model.status import PlanStatus, ShardStatus
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import last_undo, plan_status
from hyve_pipeline.operations.plan.freeze import check_places
from hyve_pipeline.operations.verify.read import is_verified
from hyve_pipeline.orchestration.common.liveness import GOING_ON, close_dead_runs
from hyve_pipeline.orchestration.common.names import ATTEMPT_TAG, GIVEN_UP_TAG, PARTITION_TAG, PLAN_TAG, Names
from hyve_pipeline.orchestration.common.partitions import register_shards
from hyve_pipeline.orchestration.common.run_config import verification_config
from hyve_pipeline.orchestration.definitions.asset_jobs import AnyJob
from hyve_pipeline.orchestration.definitions.sensors.switch import sensor_status


def build_apply_sensor(sync: SyncContext, names: Names, jobs: Sequence[AnyJob]) -> dg.SensorDefinition:
    """Applies the newest plan as far as `apply` and the safety rules allow.

    Args:
        sync: the sync.
        names: its names.
        jobs: those that it asks for.
    """
    # Of the plan that was looked at last: what is finished stays finished, and a large plan has many shards.
    finished: dict[str, dict[int, ShardStatus]] = {}

    @dg.sensor(
        name=names.apply_sensor,
        jobs=jobs,
        minimum_interval_seconds=sync.settings.automation.interval_seconds,
        default_status=sensor_status(sync),
        description=f'Applies each new plan; apply is "{sync.settings.apply}". Copies first, shard by shard, deletes '
        "when every copy has succeeded, then the verification. Works out at each look what is left, so it goes on "
        "after whatever went wrong.",
    )
    def apply_plan(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        close_dead_runs(context.instance, sync, names)
        if sync.settings.apply == "never":
            return dg.SkipReason('apply is "never": plans are applied by a person')
        plan = sync.plans.newest()
        if plan is None:
            return dg.SkipReason("there is no plan yet")
        try:
            check_places(sync, plan)
        except ConfigurationError as error:
            return dg.SkipReason(str(error))
        if last_undo(sync, plan):
            return dg.SkipReason(f"plan {plan.id} was undone: the next dryrun makes another one")
        for other in finished.keys() - {plan.id}:
            del finished[other]
        status = plan_status(sync, plan, finished.setdefault(plan.id, {}))
        going_on = _runs_going_on(context.instance, names)
        failed = _failed_runs(context.instance, names, plan)
        decision = decide(
            status,
            _tries(names, going_on, failed),
            sync.settings.apply,
            sync.settings.automation,
            datetime.now(UTC),
            is_verified=is_verified(sync, status),
        )
        _mark_given_up(context.instance, failed, decision)
        in_the_way = _in_the_way(sync, names, plan, going_on) if decision.requests else None
        if in_the_way is not None:
            return dg.SkipReason(f"plan {plan.id} waits: {in_the_way}")
        if not decision.requests:
            return dg.SkipReason(decision.reason)
        context.log.info(decision.reason)
        _register(context.instance, names, status, decision.requests)
        return dg.SensorResult(run_requests=[_run_request(names, plan, request) for request in decision.requests])

    return apply_plan


def _runs_going_on(instance: dg.DagsterInstance, names: Names) -> list[dg.DagsterRun]:
    """The sync's runs that wait or go on and have to do with the application of a plan."""
    jobs = {*names.applying_jobs, names.undo_job}
    runs = instance.get_runs(dg.RunsFilter(statuses=GOING_ON, tags=names.tags))
    return [run for run in runs if run.job_name in jobs]


def _failed_runs(instance: dg.DagsterInstance, names: Names, plan: Plan) -> dict[str, list[dg.RunRecord]]:
    """The runs of a plan that failed or were canceled, newest first, by what they were a try of.

    Those that succeeded are seen in the journal.
    """
    ended = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    failed: dict[str, list[dg.RunRecord]] = {}
    for record in instance.get_run_records(dg.RunsFilter(statuses=ended, tags={PLAN_TAG: plan.id})):
        name = _name_of(record.dagster_run, names)
        if name is not None and record.end_time is not None:
            failed.setdefault(name, []).append(record)
    return failed


def _tries(
    names: Names, going_on: Sequence[dg.DagsterRun], failed: Mapping[str, Sequence[dg.RunRecord]]
) -> dict[str, Tries]:
    """The runs of a plan's shards and of its verification, summed up."""
    busy = set(filter(None, (_name_of(run, names) for run in going_on)))
    tries = {name: Tries(is_going_on=True) for name in busy}
    for name, records in failed.items():
        last_end = max(record.end_time or 0.0 for record in records)
        # By their numbers too: a run that somebody deleted was there, and its number must not come again.
        numbers = [record.dagster_run.tags.get(ATTEMPT_TAG, "") for record in records]
        failures = max([len(records), *(int(number) for number in numbers if number.isdecimal())])
        tries[name] = Tries(failures, datetime.fromtimestamp(last_end, UTC), name in busy)
    return tries


def _name_of(run: dg.DagsterRun, names: Names) -> str | None:
    """What a run is a try of; None for a run of several shards."""
    if run.job_name == names.verify_job:
        return VERIFICATION
    return run.tags.get(PARTITION_TAG)


def _in_the_way(sync: SyncContext, names: Names, plan: Plan, going_on: Sequence[dg.DagsterRun]) -> str | None:
    """What must end before anything of a plan can begin, in words; None when nothing has to."""
    for run in going_on:
        key = run.tags.get(PARTITION_TAG)
        if run.job_name == names.verify_job:
            # It compares with a plan what would change under its eyes.
            other = run.tags.get(PLAN_TAG, plan.id)
        elif key is None:
            return f"run {run.run_id} of {run.job_name} goes on"
        else:
            other = plan_of_partition(key) or key
        if other != plan.id:
            return f"run {run.run_id} of plan {other} goes on"
    other = sync.applied_beside(plan.id)
    return None if other is None else f"plan {other} is being applied"


def _mark_given_up(
    instance: dg.DagsterInstance, failed: Mapping[str, Sequence[dg.RunRecord]], decision: Decision
) -> None:
    """Put a tag on the last run of whatever is given up, so that it can be found among the runs."""
    for name in decision.given_up:
        run = failed[name][0].dagster_run
        if GIVEN_UP_TAG not in run.tags:
            instance.add_run_tags(run.run_id, {GIVEN_UP_TAG: "true"})


def _register(instance: dg.DagsterInstance, names: Names, status: PlanStatus, requests: Sequence[Request]) -> None:
    """Make shards known to Dagster that were not when the plan was made, because a limit refused them then."""
    for request in requests:
        if request.step == "verify":
            return
        if not instance.has_dynamic_partition(names.shard_set(request.step), request.name):
            register_shards(instance, names, status.plan, status.refusals)
            return


def _run_request(names: Names, plan: Plan, request: Request) -> dg.RunRequest:
    tags = {PLAN_TAG: plan.id, ATTEMPT_TAG: str(request.attempt)}
    if request.step == "verify":
        # A plan with nothing to do is verified by the listing that it was made from.
        config = verification_config(names, plan=plan.id, list_again=bool(plan.shards))
        return dg.RunRequest(
            run_key=f"{plan.id}:{request.name}:{request.attempt}",
            job_name=names.verify_job,
            run_config=config,
            tags=tags,
        )
    return dg.RunRequest(
        run_key=f"{request.name}:{request.attempt}",
        job_name=names.shard_job(request.step),
        partition_key=request.name,
        tags=tags,
    )
