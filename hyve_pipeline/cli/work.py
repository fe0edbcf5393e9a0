"""The steps that the acting commands are made of, and what they print at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hyve_pipeline.cli.output import (
    counted,
    describe_plan,
    describe_refusals,
    describe_status,
    describe_verification,
    planned_objects,
    print_json,
    refusal_document,
    say,
    warn,
)
from hyve_pipeline.cli.progress import showing_progress
from hyve_pipeline.cli.signals import ending_signals_interrupt
from hyve_pipeline.core.base.errors import ConfigurationError, RefusedError
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import Action, Refusal
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.core.model.verification import Verification
from hyve_pipeline.core.runtime import startup
from hyve_pipeline.operations.apply.shard import check_allowed
from hyve_pipeline.operations.context import Home, SyncContext, syncs_with_same_store
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.plan.freeze import approve_plan, choose_plan
from hyve_pipeline.orchestration.commands.session import Session, open_session


@contextmanager
def opened(home: Path, sync_name: str | None, command: str) -> Iterator[tuple[SyncContext, Session]]:
    """A sync and a session to work on it, with progress shown until the block ends.

    Raises:
        ConfigurationError: the configuration is wrong, or the sync can't be chosen.
    """
    sync = SyncContext.choose(Home(home), sync_name)
    for other in syncs_with_same_store(sync):
        warn(
            f"warning: syncs {sync.name} and {other} have the same store {sync.settings.store.uri}: unless filters "
            "keep them apart, each deletes what the other copies"
        )
    with ending_signals_interrupt(), showing_progress(sync.name), open_session(sync, command) as session:
        startup.finish()
        yield sync, session


class Work:
    """One command's work on one plan, step by step.

    Attributes:
        is_stopped: whether a step was refused or failed, so that what follows must not begin.
    """

    def __init__(self, sync: SyncContext, session: Session) -> None:
        self.is_stopped = False
        self._sync = sync
        self._session = session
        self._plan: Plan | None = None
        self._asked: list[Action] = []
        self._refusal: Refusal | None = None
        self._verification: Verification | None = None

    @property
    def plan(self) -> Plan:
        """The plan; `take_plan` or `choose_plan` comes first."""
        if self._plan is None:
            raise ConfigurationError("no plan was chosen")
        return self._plan

    @property
    def status(self) -> PlanStatus:
        """How far the plan came."""
        return plan_status(self._sync, self.plan)

    def take_plan(self, **limits: str | None) -> None:
        """Make a new plan; `limits` override the configured ones, by name."""
        self._plan = self._session.dryrun(limits)

    def choose_plan(
        self, plan_id: str | None, *, max_deletes: str | None = None, max_overwrites: str | None = None
    ) -> None:
        """Take up an existing plan, the newest one by default; limits given here count from now on."""
        self._plan = choose_plan(self._sync, plan_id)
        approve_plan(self._sync, self._plan, max_deletes, max_overwrites)

    def act(self, action: Action) -> None:
        """Do the plan's copies or deletes that are left, unless a safety rule forbids it."""
        self._asked.append(action)
        if not self.plan.shards_of(action):
            return
        try:
            check_allowed(self._sync, self.plan, action)
            status = self._session.apply(self.plan, self.status.unfinished(action))
        except RefusedError as error:
            self._refusal = Refusal(rule=error.rule, action=action, detail=error.detail)
            self.is_stopped = True
            return
        self.is_stopped = bool(status.tally(action).failed)

    def verify(self) -> None:
        """Compare the store with the plan: by listing it again, unless the plan just taken had nothing to do."""
        self._verification = self._session.verify(self.plan, list_again=False)

    def finish(self, *, as_json: bool) -> int:
        """Print what came of it, and return the exit code."""
        if as_json:
            print_json(self._document())
        else:
            self._describe()
        if self._refusal is not None:
            return 3
        status = self.status
        failed = any(status.tally(action).failed or status.changed(action) for action in self._asked)
        unverified = self._verification is not None and not self._verification.verified
        return 1 if failed or unverified else 0

    def _document(self) -> dict[str, Any]:
        copied, deleted = self.status.tally("copy"), self.status.tally("delete")
        return {
            "sync": self._sync.name,
            "plan": self.plan.id,
            "copied": copied.done,
            "copy_failed": copied.failed,
            "copy_skipped": copied.skipped,
            "deleted": deleted.done,
            "delete_failed": deleted.failed,
            "delete_skipped": deleted.skipped,
            "verified": None if self._verification is None else self._verification.verified,
            "refused": refusal_document(self._refusal),
            "runs": self._session.runs,
        }

    def _describe(self) -> None:
        describe_plan(self.plan)
        describe_status(self.status)
        if self._verification is not None:
            describe_verification(self._verification)
        if self._refusal is not None:
            describe_refusals([self._refusal])
        left = planned_objects(self.plan, "delete") if self.status.unfinished("delete") else 0
        if left and "delete" not in self._asked:
            say(f"  left to delete: {counted(left)}, by 'hyve delete'")
        failed = sum(self.status.tally(action).failed for action in self._asked)
        if failed:
            warn(
                f"failed: {counted(failed)}, and nothing was deleted after that: 'hyve show {self.plan.id} --failed' "
                "tells why, 'hyve retry' tries again"
            )
