"""``hyve plans`` and ``hyve show``: what was planned, and its progress."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyve_pipeline.cli.options import keys_option, plan_argument, sync_options

if TYPE_CHECKING:
    from hyve_pipeline.core.model.plan import Plan
    from hyve_pipeline.core.model.safety_rules import Action
    from hyve_pipeline.core.model.status import PlanStatus
    from hyve_pipeline.operations.context import SyncContext

_DONE: "dict[Action, str]" = {"copy": "copied", "delete": "deleted"}


class _Seconds(click.FloatRange):
    """Seconds. They may be left out, so what follows the option may have been meant for something else."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            float(value)
        except ValueError:
            self.fail(f"{value!r} is no number of seconds; the id of a plan goes before this option", param, ctx)
        return super().convert(value, param, ctx)


@click.command()
@sync_options
def plans(home: Path, sync_name: str | None, as_json: bool) -> int:
    """List the plans, oldest first, and the state of each."""
    from hyve_pipeline.cli.output import print_json, say, say_in_columns, status_document
    from hyve_pipeline.cli.typed import typed
    from hyve_pipeline.core.model.safety_rules import ACTIONS
    from hyve_pipeline.operations.context import Home, SyncContext
    from hyve_pipeline.operations.journal.status import plan_status

    sync = SyncContext.of_state(Home(home), sync_name)
    statuses = [plan_status(sync, sync.plans.load(plan_id)) for plan_id in sync.plans.ids()]
    if as_json:
        entries = [{**status_document(status), **_undo_document(sync, status.plan)} for status in statuses]
        print_json({"sync": sync.name, "plans": entries})
        return 0
    if not statuses:
        say(f"sync {sync.name} has no plan yet: run '{typed('dryrun')}'")
    for status in statuses:
        done = [f"{_DONE[action]} {_described(status, action)}" for action in ACTIONS]
        say_in_columns(
            f"{status.plan.id}  {status.plan.created:%Y-%m-%d %H:%M} UTC  {status.state:<8}",
            ", ".join(done) + _undone(sync, status.plan),
        )
    return 0


def _described(status: "PlanStatus", action: "Action") -> str:
    """How many objects an action has done, as a part of a plan's line."""
    from hyve_pipeline.cli.output import planned_objects

    tally = status.tally(action)
    rest = {"skipped": tally.skipped, "failed": tally.failed}
    others = ", ".join(f"{objects:,} {word}" for word, objects in rest.items() if objects)
    return f"{tally.done:,} of {planned_objects(status.plan, action):,}" + (f" ({others})" if others else "")


def _undone(sync: "SyncContext", plan: "Plan") -> str:
    """Whether a plan was undone, as the last part of its line."""
    from hyve_pipeline.operations.journal.status import last_undo
    from hyve_pipeline.operations.journal.undos import latest_undo

    if last_undo(sync, plan) == 0:
        return ""
    return ", undone" if latest_undo(sync, plan) is not None else ", undone in part"


@click.command()
@plan_argument
@sync_options
@keys_option
@click.option(
    "--watch",
    "watch_seconds",
    metavar="[SECONDS]",
    type=_Seconds(min=0.1),
    is_flag=False,
    flag_value=2.0,
    help="Show how it goes on, whatever works at it, until nothing does; every so many seconds, 2 by default.",
)
@click.option("--failed", "only_unsettled", is_flag=True, help="List the keys that failed or were skipped, and why.")
def show(
    home: Path,
    sync_name: str | None,
    as_json: bool,
    plan_id: str | None,
    watch_seconds: float | None,
    only_unsettled: bool,
    keys: int,
) -> int:
    """Show one plan in detail, the newest by default: its sets, its shards, and what its journal says."""
    from hyve_pipeline.cli.output import (
        describe_shards,
        describe_status,
        describe_verified,
        print_json,
        say_what_servers_lack,
        status_document,
    )
    from hyve_pipeline.cli.plan_text import (
        describe_next,
        describe_plan,
        describe_refusals,
        describe_totals,
        warn_of_loss,
    )
    from hyve_pipeline.cli.restore_text import describe_restores
    from hyve_pipeline.core.model.safety_rules import ACTIONS
    from hyve_pipeline.operations.context import Home, SyncContext
    from hyve_pipeline.operations.journal.status import last_undo, plan_status
    from hyve_pipeline.operations.restore.asked import restore_status
    from hyve_pipeline.operations.verify.read import is_verified, latest_verification

    if watch_seconds is not None and (as_json or only_unsettled):
        raise click.UsageError("--watch and --json or --failed exclude each other")
    sync = SyncContext.of_state(Home(home), sync_name)
    plan = sync.plans.find(plan_id)
    if watch_seconds is not None:
        from hyve_pipeline.cli.watch import watch_plan

        return watch_plan(sync, plan, watch_seconds)
    if only_unsettled:
        return _show_unsettled(sync, plan, as_json=as_json)
    status = plan_status(sync, plan)
    is_undone = last_undo(sync, plan) > 0
    if as_json:
        restores = {"restores": restore_status(sync).model_dump()}
        print_json({**status_document(status, with_shards=True), **_undo_document(sync, plan), **restores})
        return 0
    describe_plan(plan, sync, keys=keys)
    describe_status(status)
    describe_restores(restore_status(sync))
    verification = latest_verification(sync, plan) if is_verified(sync, status) else None
    if verification is not None:
        describe_verified(verification)
    if is_undone:
        _describe_undo(sync, plan)
    say_what_servers_lack(status)
    describe_shards(status)
    warn_of_loss(plan, [action for action in ACTIONS if status.unfinished(action)])
    describe_refusals(status.refusals)
    describe_totals(plan)
    describe_next(sync, status, is_undone=is_undone)
    return 0


def _undo_document(sync: "SyncContext", plan: "Plan") -> "dict[str, Any]":
    """What was undone of a plan: null if nothing was; the figures are null where the undo was interrupted."""
    from hyve_pipeline.core.model.undo_summary import UndoSummary
    from hyve_pipeline.operations.journal.status import last_undo
    from hyve_pipeline.operations.journal.undos import latest_undo

    if last_undo(sync, plan) == 0:
        return {"undone": None}
    summary = latest_undo(sync, plan)
    names = sorted(UndoSummary.model_fields.keys() - {"plan", "in_order"})
    return {"undone": {name: None if summary is None else getattr(summary, name) for name in names}}


def _describe_undo(sync: "SyncContext", plan: "Plan") -> None:
    from hyve_pipeline.cli.output import say
    from hyve_pipeline.cli.typed import typed
    from hyve_pipeline.core.base.codes import in_words
    from hyve_pipeline.core.base.counts import counted
    from hyve_pipeline.operations.journal.undos import latest_undo

    summary = latest_undo(sync, plan)
    if summary is None:
        say(f"undone in part: the undo was interrupted; '{typed(f'undo {plan.id}')}' continues")
        return
    rest = {"skipped": summary.skipped, "failed": summary.failed}
    say(f"undone: {counted(summary.restored)} put back" + "".join(f", {n:,} {word}" for word, n in rest.items() if n))
    for code, objects in summary.reasons.items():
        say(f"    {objects:,} {in_words(code)}")


def _show_unsettled(sync: "SyncContext", plan: "Plan", *, as_json: bool) -> int:
    from hyve_pipeline.cli.modes import is_quiet
    from hyve_pipeline.cli.output import print_json, say, warn
    from hyve_pipeline.core.base.codes import in_words
    from hyve_pipeline.core.base.keys import displayed
    from hyve_pipeline.operations.journal.status import plan_status, unsettled_rows

    rows = unsettled_rows(sync, plan_status(sync, plan))
    is_any = False
    if as_json:
        names = ("key", "action", "outcome", "code", "detail", "attempts")
        objects = [{name: getattr(row, name) for name in names} for row in rows]
        if plan.source.mapping:
            objects = [{**row, "source_key": plan.source.key_of(row["key"])} for row in objects]
        print_json({"plan": plan.id, "objects": objects})
        return 0
    for row in rows:
        is_any = True
        source = f" from {displayed(plan.source.key_of(row.key))}" if plan.source.mapping else ""
        say(f"{row.action} {row.outcome} {in_words(row.code or 'unknown')}: {displayed(row.key)}{source}")
        if row.detail:
            say(f"    {row.detail}")
    if not is_any and not is_quiet():
        warn(f"nothing of plan {plan.id} failed or was skipped")
    return 0
