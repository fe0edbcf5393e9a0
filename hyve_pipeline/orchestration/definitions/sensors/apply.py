"""The sensor that applies plans: the copies, then the deletes, then the verification.

A plan of all keys takes the place of all before it. Plans of lists take no other's place: they are applied in their
order after it, each when nothing more happens to the ones before by themselves.

It is level-triggered: it keeps no cursor, and at each tick determines what is left from the journal and the runs. Its
run keys contain the attempt, so a repeated tick requests nothing twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.model.automation import LOOP, VERIFICATION, Decision, Loops, Request, Tries, decide
from hyve_pipeline.core.model.plan import Plan, plan_of_partition
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action
from hyve_pipeline.core.model.status import PlanStatus, ShardStatus
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import last_undo, plan_status
from hyve_pipeline.operations.plan.freeze import check_places
from hyve_pipeline.operations.restore.asked import is_restore_due
from hyve_pipeline.operations.verify.read import is_verified
from hyve_pipeline.orchestration.common.liveness import GOING_ON, close_dead_runs
from hyve_pipeline.orchestration.common.names import ATTEMPT_TAG, GIVEN_UP_TAG, PARTITION_TAG, PLAN_TAG, Names
from hyve_pipeline.orchestration.common.partitions import register_shards
from hyve_pipeline.orchestration.common.run_config import op_config
from hyve_pipeline.orchestration.common.runs import find_runs
from hyve_pipeline.orchestration.definitions.asset_jobs import AnyJob
from hyve_pipeline.orchestration.definitions.sensors.switch import sensor_status

# The most plans of which a tick that does nothing says why.
_MOST_REASONS = 3

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def build_apply_sensor(sync: SyncContext, names: Names, jobs: Sequence[AnyJob]) -> dg.SensorDefinition:
    """Applies the newest plan of all keys, and then the plans of lists since, as far as `apply` and the rules allow.

    Args:
        sync: the sync.
        names: its names.
        jobs: those that it requests runs of.
    """
    # Of the plans of the last tick: what is finished stays finished, and a large plan has many shards.
    finished: dict[str, dict[int, ShardStatus]] = {}
    settled: set[str] = set()

    @dg.sensor(
        name=names.apply_sensor,
        jobs=jobs,
        minimum_interval_seconds=sync.settings.automation.interval_seconds,
        default_status=sensor_status(sync),
        description=f'Applies each new plan; apply is "{sync.settings.apply}". Copies first, shard by shard, then the '
        "restores of archived objects where the option restore is set, deletes when every copy has succeeded, then the "
        "verification. Determines at each tick what is left, so it "
        "resumes after any failure.",
    )
    def apply_plan(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        close_dead_runs(context.instance, sync, names)
        if sync.settings.apply == "never":
            return dg.SkipReason('apply is "never": plans are applied manually')
        plans = sync.plans.ids_to_apply()
        if not plans:
            return dg.SkipReason("there is no plan yet")
        for other in finished.keys() - {*plans}:
            del finished[other]
        settled.intersection_update(plans)
        restores: list[dg.RunRequest] = []
        reasons: list[str] = []
        for number, plan_id in enumerate(plans, start=1):
            is_last = number == len(plans)
            if plan_id in settled and not is_last:
                continue
            plan = sync.plans.load(plan_id)
            step = _Step.of(context.instance, sync, names, plan, finished)
            if step.status is not None and step.in_the_way is None and is_restore_due(sync, step.status):
                restores.append(_restore_request(names, plan))
            if step.decision.is_over:
                if step.is_settled:
                    settled.add(plan_id)
                if is_last or not step.is_settled:
                    reasons.append(step.decision.reason)
                continue
            if step.status is not None and step.decision.requests and step.in_the_way is None:
                context.log.info(step.decision.reason)
                _register(context.instance, names, step.status, step.decision.requests)
                runs = [_run_request(names, plan, request) for request in step.decision.requests]
                return dg.SensorResult(run_requests=[*restores, *runs])
            later = "" if is_last else f"; newer plans of lists wait for it: {len(plans) - number:,}"
            reason = step.decision.reason if step.in_the_way is None else f"plan {plan_id} waits: {step.in_the_way}"
            reasons = [reason + later]
            break
        if restores:
            return dg.SensorResult(run_requests=restores)
        return dg.SkipReason("; ".join(reasons[-_MOST_REASONS:]))

    return apply_plan


@dataclass(frozen=True)
class _Step:
    """What to do next with one plan.

    Attributes:
        decision: what, and why.
        status: how far it came; None where that does not matter.
        is_settled: whether it is finished and verified.
        in_the_way: what must end before what is decided can be done.
    """

    decision: Decision
    status: PlanStatus | None = None
    is_settled: bool = False
    in_the_way: str | None = None

    @classmethod
    def of(
        cls,
        instance: dg.DagsterInstance,
        sync: SyncContext,
        names: Names,
        plan: Plan,
        finished: dict[str, dict[int, ShardStatus]],
    ) -> "_Step":
        """Decide it by the journal and the runs, and mark what is given up."""
        try:
            check_places(sync, plan)
        except ConfigurationError as error:
            return cls(Decision.over(str(error)))
        if last_undo(sync, plan):
            return cls(Decision.over(f"plan {plan.id} was undone: the next dryrun makes another one"))
        status = plan_status(sync, plan, finished.setdefault(plan.id, {}))
        runs = _Runs.of(instance, names, plan)
        verified = is_verified(sync, status)
        decision = decide(
            status,
            runs.tries(names),
            runs.loops(names, plan),
            sync.settings.apply,
            sync.settings.automation,
            datetime.now(UTC),
            is_verified=verified,
        )
        _mark_given_up(instance, names, runs, decision)
        in_the_way = _in_the_way(sync, names, plan, runs.going_on) if decision.requests else None
        is_settled = decision.is_over and verified and not any(map(status.unfinished, ACTIONS))
        return cls(decision, status, is_settled, in_the_way)


@dataclass(frozen=True)
class _Runs:
    """The runs that apply one plan.

    Attributes:
        going_on: those that wait or are in progress, also of other plans of the sync.
        ended: those of the plan that have ended, newest first, by what they were an attempt at.
    """

    going_on: Sequence[dg.DagsterRun]
    ended: Mapping[str, Sequence[dg.RunRecord]]

    @classmethod
    def of(cls, instance: dg.DagsterInstance, names: Names, plan: Plan) -> "_Runs":
        """Read them."""
        jobs = {*names.applying_jobs, names.undo_job}
        runs = [record.dagster_run for record in find_runs(instance, names, GOING_ON)]
        ended: dict[str, list[dg.RunRecord]] = {}
        for record in find_runs(instance, names, _ENDED, tags={PLAN_TAG: plan.id}):
            name = _name_of(record.dagster_run, names)
            if name is not None and record.end_time is not None:
                ended.setdefault(name, []).append(record)
        return cls([run for run in runs if run.job_name in jobs], ended)

    def failed(self, name: str) -> list[dg.RunRecord]:
        """Those that failed or were canceled, newest first."""
        ended = self.ended.get(name, [])
        return [record for record in ended if record.dagster_run.status is not dg.DagsterRunStatus.SUCCESS]

    def tries(self, names: Names) -> dict[str, Tries]:
        """The runs of shards and of the verification, summed up. Those that succeeded are seen in the journal."""
        busy = {name for run in self.going_on if (name := _name_of(run, names)) is not None}
        tries = {name: Tries(is_going_on=True) for name in busy}
        for name in self.ended:
            records = self.failed(name)
            if records:
                # The number of a run that the user deleted must not be used again.
                tries[name] = Tries(len(records), _last_end(records), name in busy, max(_numbers(records)))
        return tries

    def loops(self, names: Names, plan: Plan) -> dict[Action, Loops]:
        """The runs without a partition of each action, summed up."""
        loops: dict[Action, Loops] = {}
        for action in ACTIONS:
            name = _loop_of(names.shard_job(action))
            ended = self.ended.get(name, [])
            going_on = [
                run for run in self.going_on if _name_of(run, names) == name and run.tags.get(PLAN_TAG) == plan.id
            ]
            made = max(len(ended) + len(going_on), *_numbers(ended), *map(_number, going_on), 0)
            last_end = _last_end(ended) if ended else None
            loops[action] = Loops(made, len(self.failed(name)), last_end, len(going_on))
        return loops


def _numbers(records: Sequence[dg.RunRecord]) -> list[int]:
    return [_number(record.dagster_run) for record in records]


def _number(run: dg.DagsterRun) -> int:
    number = run.tags.get(ATTEMPT_TAG, "")
    return int(number) if number.isdecimal() else 0


def _last_end(records: Sequence[dg.RunRecord]) -> datetime:
    return datetime.fromtimestamp(max(record.end_time or 0.0 for record in records), UTC)


def _name_of(run: dg.DagsterRun, names: Names) -> str | None:
    """What a run is an attempt at."""
    if run.job_name == names.verify_job:
        return VERIFICATION
    if run.job_name == names.undo_job:
        return None
    return run.tags.get(PARTITION_TAG) or _loop_of(run.job_name)


def _loop_of(job: str) -> str:
    """The name for the runs of a job without a partition."""
    return f"{job}:{LOOP}"


def _in_the_way(sync: SyncContext, names: Names, plan: Plan, going_on: Sequence[dg.DagsterRun]) -> str | None:
    """What must end before the plan can be applied, in words; None if nothing must."""
    for run in going_on:
        key = run.tags.get(PARTITION_TAG)
        if run.job_name == names.undo_job:
            return f"run {run.run_id} of {run.job_name} is in progress"
        if key is not None:
            other = plan_of_partition(key) or key
        elif run.job_name == names.verify_job:
            # It compares the store with a plan, so the store must not change meanwhile.
            other = run.tags.get(PLAN_TAG, plan.id)
        else:
            # Until it has chosen its plan, it may be any plan.
            other = run.tags.get(PLAN_TAG)
        if other is None:
            return f"run {run.run_id} of {run.job_name} is in progress"
        if other != plan.id:
            return f"run {run.run_id} of plan {other} is in progress"
    return sync.applying_beside(plan.id)


def _mark_given_up(instance: dg.DagsterInstance, names: Names, runs: _Runs, decision: Decision) -> None:
    """Tag the last run of each shard or step that is given up, so that the user can find it."""
    for name in decision.given_up:
        listed = [name] if name != LOOP else [_loop_of(names.shard_job(action)) for action in ACTIONS]
        for record in (failed[0] for failed in map(runs.failed, listed) if failed):
            if GIVEN_UP_TAG not in record.dagster_run.tags:
                instance.add_run_tags(record.dagster_run.run_id, {GIVEN_UP_TAG: "true"})


def _register(instance: dg.DagsterInstance, names: Names, status: PlanStatus, requests: Sequence[Request]) -> None:
    """Add partitions for shards that a limit refused when the plan was made."""
    for request in requests:
        if request.step == "verify":
            return
        if request.name != LOOP and not instance.has_dynamic_partition(names.shard_set(request.step), request.name):
            register_shards(instance, names, status.plan, status.refusals)
            return


def _restore_request(names: Names, plan: Plan) -> dg.RunRequest:
    """Once a plan: what fails is asked for again with the next plan."""
    return dg.RunRequest(
        run_key=f"{plan.id}:restore",
        job_name=names.restore_job,
        run_config=op_config(names, "ask_restores", plan=plan.id),
        tags={PLAN_TAG: plan.id},
    )


def _run_request(names: Names, plan: Plan, request: Request) -> dg.RunRequest:
    partition: str | None = None
    config: dict[str, object] = {}
    if request.step == "verify":
        # A plan with nothing to do is verified by the listing that it was made from.
        config = op_config(names, "verification", plan=plan.id, list_again=not plan.is_empty)
        job, target = names.verify_job, f"{plan.id}:{request.name}"
    elif request.name == LOOP:
        config = op_config(names, request.step, plan=plan.id)
        job, target = names.shard_job(request.step), f"{plan.id}:{request.step}"
    else:
        job, target = names.shard_job(request.step), request.name
        partition = request.name
    return dg.RunRequest(
        run_key=f"{target}:{request.attempt}",
        job_name=job,
        partition_key=partition,
        run_config=config,
        tags={PLAN_TAG: plan.id, ATTEMPT_TAG: str(request.attempt)},
    )
