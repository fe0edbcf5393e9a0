"""The steps of the commands that change the store, and what they print at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

from hyve_pipeline.cli.batch_text import describe_round, round_document, warn_of_reports
from hyve_pipeline.cli.exit_code import changed_error, has_acted
from hyve_pipeline.cli.failures import say_failure
from hyve_pipeline.cli.interrupted import applying_plan, helping_to_plan, last_words, making_plan, verifying_plan
from hyve_pipeline.cli.output import (
    counted,
    describe_status,
    describe_verification,
    planned_objects,
    print_json,
    refusal_document,
    say,
    warn,
    warn_of_lacks,
)
from hyve_pipeline.cli.plan_text import (
    describe_next,
    describe_plan,
    describe_refusals,
    describe_totals,
    of_plan,
    warn_of_loss,
)
from hyve_pipeline.cli.questions import is_agreed
from hyve_pipeline.cli.restore_text import describe_restore, describe_restores, restore_document
from hyve_pipeline.cli.typed import typed
from hyve_pipeline.core.base.errors import ConfigurationError, HyveError, InterruptedRunError, RefusedError, StateError
from hyve_pipeline.core.model.batch import RoundResult
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.restore import RestoreStatus, RestoreSummary
from hyve_pipeline.core.model.safety_rules import ONE_BUCKET, Action, Refusal
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.core.model.verification import Verification
from hyve_pipeline.core.runtime.interruption import pause
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import has_begun_attempts, last_undo, plan_status
from hyve_pipeline.operations.plan.freeze import approve_plan, choose_plan

# How often a worker looks for ranges that became free while a plan is being made.
_POLL_SECONDS = 1.0


class Work:
    """One command's work on one plan, step by step.

    Attributes:
        is_stopped: whether a step was refused or failed, or is not complete, so that what follows must not begin.
    """

    def __init__(self, sync: SyncContext) -> None:
        self.is_stopped = False
        self._sync = sync
        self._finished_before: set[int] | None = None
        self._plan: Plan | None = None
        self._status: PlanStatus | None = None
        self._asked: list[Action] = []
        self._refusal: Refusal | None = None
        self._verification: Verification | None = None
        self._restore: RestoreSummary | None = None
        self._restores = RestoreStatus()
        self._round: RoundResult | None = None
        self._error: HyveError | None = None
        self._is_shown = False
        self._is_cancelled = False
        self._has_acted = False

    @property
    def plan(self) -> Plan:
        """The plan; `take_plan` or `choose_plan` comes first."""
        if self._plan is None:
            raise ConfigurationError("no plan was chosen")
        return self._plan

    @property
    def status(self) -> PlanStatus:
        """The plan's progress after the last step; finished shards are not read again."""
        if self._status is None:
            self._status = plan_status(self._sync, self.plan)
        return self._status

    def take_plan(self, inventory_date: str | None = None, keys_file: str | None = None, **limits: str | None) -> None:
        """Make a new plan, of all keys or of those of a list; `limits` override the configured ones, by name."""
        from hyve_pipeline.cli.key_list import take_plan_of_list
        from hyve_pipeline.operations.plan.dryrun import take_plan

        with making_plan(self._sync):
            limited = self._sync.with_inventory_date(inventory_date).overridden(**limits)
            self._plan = take_plan(limited) if keys_file is None else take_plan_of_list(limited, keys_file)

    def choose_plan(self, plan_id: str | None, **limits: str | None) -> None:
        """Take up an existing plan, the newest one by default; limits given here, by name, apply from now on."""
        self._plan = choose_plan(self._sync, plan_id)
        approve_plan(self._sync, self._plan, **limits)

    def show_plan(self) -> None:
        """Print the plan before anything is done, for the user who is asked."""
        describe_plan(self.plan, self._sync, keys=10)
        describe_totals(self.plan)
        self._is_shown = True

    def warn_of_loss(self, *actions: Action) -> None:
        """Warn if what is left of these actions can't be undone."""
        warn_of_loss(self.plan, [action for action in actions if self.status.unfinished(action)])

    def is_agreed(self, *, asks: bool) -> bool:
        """Whether the deletes may begin: the user agrees, or is not asked. Without deletes nothing is asked.

        Raises:
            InterruptedRunError: Ctrl-C or the end of the input was the answer.
        """
        with self._after_changes():
            if not asks or not self.has_deletes_to_ask_about():
                return True
            left = self._deletes_left()
        try:
            self._is_cancelled = not is_agreed(f"Delete {counted(left)} of {self.plan.store.uri}?")
        except click.Abort as error:
            line = (
                f"interrupted: plan {self.plan.id}: {counted(left)} left to delete; '{self._typed('delete')}' continues"
            )
            raise InterruptedRunError(line) from error
        if self._is_cancelled:
            self._asked.append("delete")
        return not self._is_cancelled

    def has_deletes_to_ask_about(self) -> bool:
        """Whether there are deletes left that no safety rule refuses."""
        return self._deletes_left() > 0 and not self._is_refused("delete")

    def _deletes_left(self) -> int:
        tally = self.status.tally("delete")
        return planned_objects(self.plan, "delete") - tally.done - tally.skipped

    def _is_refused(self, action: Action) -> bool:
        """Whether a safety rule refuses an action, which `act` reports."""
        from hyve_pipeline.operations.apply.shard import check_allowed

        try:
            check_allowed(self._sync, self.plan, action, self.status)
        except RefusedError:
            return True
        return any(refusal.rule == ONE_BUCKET for refusal in self.plan.refusals)

    def act(self, action: Action) -> None:
        """Do the plan's remaining copies or deletes, unless a safety rule forbids it."""
        from hyve_pipeline.operations.apply.loop import apply_plan

        self._act(action, apply_plan)

    def copy_by_batch(self) -> None:
        """Let jobs of S3 Batch Operations copy what they can, copy the rest, and verify all unless deletes are left."""
        from hyve_pipeline.operations.batch.by_batch import copy_by_batch

        def keep(result: RoundResult) -> None:
            self._round = result
            warn_of_reports(result)

        self._act("copy", partial(copy_by_batch, on_round=keep, say=warn))
        if not self.is_stopped and not self.status.unfinished("delete"):
            self.verify()

    def help_planning(self, *, until_done: bool) -> None:
        """Take part in the plan that is being made, and wait for it where `until_done`."""
        from hyve_pipeline.operations.plan.planning import help_planning, is_planning

        with helping_to_plan(self._sync):
            while help_planning(self._sync) or (until_done and is_planning(self._sync)):
                pause(_POLL_SECONDS)

    def join(self, action: Action, *, until_done: bool) -> None:
        """Do those of them that no other process works on, and wait for the others where `until_done`."""
        from hyve_pipeline.operations.apply.join import join_plan

        self._act(action, partial(join_plan, until_done=until_done))

    def _act(self, action: Action, apply: Callable[..., PlanStatus]) -> None:
        self._asked.append(action)
        refusal = next((refusal for refusal in self.plan.refusals if refusal.rule == ONE_BUCKET), None)
        if refusal is not None:
            # Also if there is nothing to do: such a store is not a second copy.
            self._refusal = refusal.model_copy(update={"action": action})
            self.is_stopped = True
            return
        if not self.plan.total(action).shards:
            return
        try:
            with applying_plan(self._sync, self.plan, action):
                if self._finished_before is None:
                    self._finished_before = {*self.status.finished}
                self._status = apply(self._sync, self.plan, action, known=self._status)
        except RefusedError as error:
            self._refusal = Refusal(rule=error.rule, action=action, detail=error.detail)
            self.is_stopped = True
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, what was done must be printed
            self._note_action(action)
            self._stop(error)
            return
        self._note_action(action)
        self.is_stopped = bool(self.status.unfinished(action))

    def restore(self) -> None:
        """Ask for the restore of what the plan skipped as archived, if the option says so; not where copies stopped."""
        from hyve_pipeline.operations.restore.asked import restore_status
        from hyve_pipeline.operations.restore.request import request_restores

        if self.is_stopped or self.plan.options.restore is None:
            return
        try:
            self._restore = request_restores(self._sync, self.plan)
            self._restores = restore_status(self._sync)
        except RefusedError:
            pass  # the copies say so
        except Exception as error:  # noqa: BLE001 - as above
            # What is archived stays skipped, as without the option.
            warn(f"warning: nothing was restored: {changed_error(error, lambda: True)}")

    def verify(self) -> None:
        """Compare the store with the plan: by listing it again, unless the plan just taken had nothing to do."""
        from hyve_pipeline.operations.verify.verify import verify_plan

        try:
            with verifying_plan(self.plan):
                self._verification = verify_plan(self._sync, self.plan, list_again=False)
        except Exception as error:  # noqa: BLE001 - as above
            self._stop(error)

    def _stop(self, error: Exception) -> None:
        """Start no further step; raise the error if this command has changed nothing.

        Raises:
            HyveError: nothing was changed, or the journal can't be read.
        """
        self.is_stopped = True
        self._error = changed_error(error, self._has_begun)
        if self._error.exit_code != 1:
            raise self._error
        known = {} if self._status is None else self._status.finished
        try:
            self._status = plan_status(self._sync, self.plan, known)
        except StateError:
            raise self._error from error  # it is the journal that can't be read

    def _has_begun(self) -> bool:
        return has_acted(
            lambda: has_begun_attempts(self._sync, self.plan, self._finished_before or ()), lambda: self._has_acted
        )

    def _note_action(self, action: Action) -> None:
        """Keep in mind whether an object was copied or deleted, for the case that the state can't be read any more."""
        found = last_words.activities and last_words.activities.find(action)
        self._has_acted |= found is not None and found.objects > 0

    @contextmanager
    def _after_changes(self) -> Iterator[None]:
        """A block in which a failure must not look as if nothing was changed, if something was."""
        try:
            yield
        except HyveError as error:
            raise changed_error(error, lambda: self._has_acted) from error

    def finish(self, *, as_json: bool) -> int:
        """Print the results, and return the exit code."""
        with self._after_changes():
            return self._finish(as_json=as_json)

    def _finish(self, *, as_json: bool) -> int:
        if as_json:
            print_json(self._document())
            warn_of_lacks(self.status)
        else:
            self._describe()
        self._say_what_stopped_it()
        if not as_json:
            self._describe_next()
        if self._refusal is not None:
            return 3
        failed = any(self.status.unfinished(action) or self.status.changed(action) for action in self._asked)
        unverified = self._verification is not None and not self._verification.verified
        unasked = self._restore is not None and self._restore.failed > 0
        return 1 if failed or unverified or unasked or self._error is not None else 0

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
            **({} if self._round is None else {"batch": round_document(self._round)}),
            **({} if self._restore is None else {"restore": restore_document(self._restore, self._restores)}),
        }

    def _describe(self) -> None:
        if not self._is_shown:
            describe_plan(self.plan)
        describe_status(self.status)
        if self._round is not None:
            describe_round(self._round)
        if self._restore is not None:
            describe_restore(self._restore)
            describe_restores(self._restores)
        if self._verification is not None:
            describe_verification(self._sync, self._verification)
        left = self._deletes_left() if self.status.unfinished("delete") else 0
        if left and "delete" not in self._asked:
            say(f"  left to delete: {counted(left)}")

    def _describe_next(self) -> None:
        if self._verification is not None or (self._refusal is not None and self._refusal.rule == "one_at_a_time"):
            return
        is_undone = last_undo(self._sync, self.plan) > 0
        describe_next(self._sync, self.status, is_undone=is_undone, has_failed=self._error is not None)

    def _say_what_stopped_it(self) -> None:
        """Print on standard error why not everything was done that was asked for."""
        if self._refusal is not None:
            describe_refusals([self._refusal])
        changed = sum(self.status.changed(action) for action in self._asked)
        if changed:
            which = f"'{typed(f'show {self.plan.id} --failed')}' lists them"
            warn(f"skipped: {counted(changed)} changed since the plan was made: {which}, a new plan has them")
        failed = sum(self.status.tally(action).failed for action in self._asked)
        if failed:
            kept = "" if self.status.has_begun("delete") else ", and nothing was deleted after that"
            reasons = f"'{typed(f'show {self.plan.id} --failed')}' shows why, '{self._typed('retry')}' tries again"
            warn(f"failed: {counted(failed)}{kept}: {reasons}")
        if self._is_cancelled:
            more = "more " if self.status.tally("delete").done else ""
            say_failure(f"cancelled; nothing {more}was deleted")
        elif self._error is not None:
            say_failure(str(self._error))
        elif not failed and self._refusal is None:
            self._describe_rest()

    def _describe_rest(self) -> None:
        """Print what other processes still do, or have left undone."""
        rest = sum(len(self.status.unfinished(action)) for action in self._asked)
        if rest:
            again = self._typed("retry")
            warn(f"not finished: {counted(rest, 'shard')} that another process works on; '{again}' does what is left")

    def _typed(self, command: str) -> str:
        """A command on this plan, for the user to type."""
        return typed(of_plan(self._sync, command, self.plan))
