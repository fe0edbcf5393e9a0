"""One command's access to Dagster: the instance, one sync's jobs, and the runs that were made."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from hyve_pipeline.core.base.errors import HyveError, InterruptedRunError, ObjectsFailedError
from hyve_pipeline.core.model.plan import Plan, Shard
from hyve_pipeline.core.model.safety_rules import ACTIONS
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.core.model.undo_summary import UndoSummary
from hyve_pipeline.core.model.verification import Verification
from hyve_pipeline.core.runtime.progress import expect
from hyve_pipeline.operations.apply.shard import apply_shard
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.plan.freeze import choose_plan
from hyve_pipeline.operations.undo import latest_undo
from hyve_pipeline.operations.verify.read import latest_verification
from hyve_pipeline.operations.workers.pool import beside, processes_for
from hyve_pipeline.orchestration.commands.inprocess import RunOutcome, run_job
from hyve_pipeline.orchestration.commands.instance import captures_output, open_instance
from hyve_pipeline.orchestration.commands.janitor import close_dead_runs
from hyve_pipeline.orchestration.commands.overlap import RunMaker, run_overlapping
from hyve_pipeline.orchestration.common.names import PLAN_TAG, Names
from hyve_pipeline.orchestration.common.partitions import register_shards
from hyve_pipeline.orchestration.common.run_config import verification_config
from hyve_pipeline.orchestration.definitions.build import build_commands
from hyve_pipeline.orchestration.definitions.undo_job import undo_config
from hyve_pipeline.orchestration.metadata.events import PLAN_ENTRY

# One more than one is enough: while a shard comes to its end and the next one is begun, the other has all to do.
_MOST_OVERLAPPING = 2

_INTERRUPTED = "interrupted; what was done is in the journal"


def _is_undone(outcome: RunOutcome) -> bool:
    """Whether a shard failed for another reason than for single objects of it."""
    return not outcome.success and not isinstance(outcome.error, ObjectsFailedError)


class Session:
    """Runs one sync's jobs in this process, in the order that a command asks for.

    Attributes:
        runs: the ids of the runs made, in order.
    """

    def __init__(self, instance: dg.DagsterInstance, sync: SyncContext, command: str) -> None:
        """Use `open_session`."""
        self.runs: list[str] = []
        self._instance = instance
        self._sync = sync
        self._command = command
        self._names = Names(sync.name, sync.home.id)
        self._definitions = build_commands(sync.home, sync.settings)

    def dryrun(self, overrides: Mapping[str, str | None]) -> Plan:
        """Take both inventories, compare them and make a plan, refused or not.

        Args:
            overrides: options of this dryrun, by name; None leaves the configuration's.

        Raises:
            HyveError: a bucket can't be reached, or a listing is not complete.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        config = {"ops": {f"{self._sync.name}_diff": {"config": given}}} if given else {}
        outcome = self._run(self._names.dryrun_job, run_config=config)
        events = [outcome.materialized.get("plan", {}), *outcome.checks.values()]
        plan_id = next((str(event[PLAN_ENTRY].value) for event in events if PLAN_ENTRY in event), None)
        if plan_id is None:
            raise outcome.error or HyveError(f"run {outcome.run_id} made no plan: look at it in the UI")
        return choose_plan(self._sync, plan_id)

    def apply(self, plan: Plan, shards: list[Shard]) -> PlanStatus:
        """Do some shards of a plan, one run each, whether or not others fail.

        Objects that fail are in the status; they raise nothing.

        Raises:
            RefusedError: another plan of the sync is being applied.
            HyveError: something failed that is not about single objects, such as a bucket out of reach.
        """
        status = plan_status(self._sync, plan)
        register_shards(self._instance, self._names, plan, status.refusals)
        for action in ACTIONS:
            mine = [shard for shard in shards if shard.action == action]
            if mine:
                expect(action, sum(shard.objects for shard in mine), sum(shard.bytes for shard in mine))
        # From the first shard to the last: no other plan is to come in between.
        with self._sync.applying(plan.id):
            for _, group in groupby(shards, key=lambda shard: shard.action):
                self._apply_overlapping(plan, list(group))
        return plan_status(self._sync, plan)

    def _apply_overlapping(self, plan: Plan, shards: list[Shard]) -> None:
        """Do shards of one action; no other begins when one could not be done at all."""
        # Deletes are a thousand to a request: one core makes more of them than a server takes.
        processes = processes_for(plan, shards) if shards[0].action == "copy" else 1
        most = _MOST_OVERLAPPING if processes == 1 else processes + 1
        if captures_output(self._instance):
            # It belongs to the process: runs would capture each other's.
            processes = most = 1

        def maker(shard: Shard) -> RunMaker:
            return lambda on_begin: run_job(
                self._instance,
                self._definitions.resolve_job_def(self._names.shard_job(shard.action)),
                command=self._command,
                partition_key=plan.partition_key(shard),
                tags={PLAN_TAG: plan.id},
                on_begin=on_begin,
            )

        try:
            with beside(processes, apply_shard):
                makers = [maker(shard) for shard in shards]
                sharers = processes if processes > 1 else None
                outcomes = run_overlapping(self._instance, makers, most, _is_undone, sharers)
        except (KeyboardInterrupt, DagsterExecutionInterruptedError) as interrupt:
            raise InterruptedRunError(_INTERRUPTED) from interrupt
        self.runs += [outcome.run_id for outcome in outcomes]
        if any(outcome.interrupted for outcome in outcomes):
            raise InterruptedRunError(_INTERRUPTED)
        for outcome in filter(_is_undone, outcomes):
            raise outcome.error or HyveError(f"run {outcome.run_id} failed: look at it in the UI")

    def verify(self, plan: Plan, *, list_again: bool = True, content: str | None = None) -> Verification:
        """List the store again and compare it with a plan.

        Args:
            plan: the plan.
            list_again: False takes the plan's own listing where the plan has nothing to do.
            content: the share of the objects whose content is compared too, such as ``1%``.

        Raises:
            HyveError: the store can't be reached, or its listing is not complete.
        """
        config = verification_config(self._names, plan=plan.id, list_again=list_again, content=content)
        outcome = self._run(self._names.verify_job, run_config=config)
        verification = latest_verification(self._sync, plan)
        if not outcome.success or verification is None:
            raise outcome.error or HyveError(f"run {outcome.run_id} failed: look at it in the UI")
        return verification

    def undo(self, plan: Plan) -> UndoSummary:
        """Put back what a plan overwrote or deleted.

        Objects that could not be put back are in the summary; they raise nothing.

        Raises:
            HyveError: a bucket is out of reach, or a shard of the plan is being worked on.
        """
        outcome = self._run(
            self._names.undo_job, run_config=undo_config(self._names, plan.id), tags={PLAN_TAG: plan.id}
        )
        summary = latest_undo(self._sync, plan)
        if summary is None or (not outcome.success and not isinstance(outcome.error, ObjectsFailedError)):
            raise outcome.error or HyveError(f"run {outcome.run_id} failed: look at it in the UI")
        return summary

    def _run(self, job: str, **arguments: Any) -> RunOutcome:
        try:
            outcome = run_job(
                self._instance, self._definitions.resolve_job_def(job), command=self._command, **arguments
            )
        except (KeyboardInterrupt, DagsterExecutionInterruptedError) as interrupt:
            raise InterruptedRunError(_INTERRUPTED) from interrupt
        self.runs.append(outcome.run_id)
        if outcome.interrupted:
            raise InterruptedRunError(_INTERRUPTED)
        return outcome


@contextmanager
def open_session(sync: SyncContext, command: str) -> Iterator[Session]:
    """Open Dagster's storage for a command, and close runs that killed commands left behind.

    Raises:
        StateError: the storage can't be opened.
    """
    with open_instance(sync.home) as instance:
        close_dead_runs(instance)
        yield Session(instance, sync, command)
