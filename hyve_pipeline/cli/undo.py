"""``hyve undo``: put back what a plan, or a range of plans, overwrote or deleted."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyve_pipeline.cli.candidates import complete_plan
from hyve_pipeline.cli.options import plan_argument, sync_options

if TYPE_CHECKING:
    from hyve_pipeline.core.model.plan import Plan
    from hyve_pipeline.core.model.undo_summary import UndoPreview, UndoSummary
    from hyve_pipeline.operations.context import SyncContext
    from hyve_pipeline.operations.undo_range import UndoStep

_FIGURES = {"plan", "restored", "skipped", "failed", "left", "reasons"}


@click.command()
@plan_argument
@click.option(
    "--since",
    metavar="ID",
    shell_complete=complete_plan,
    help="Undo this plan and all that were applied after it, newest first.",
)
@sync_options
def undo(home: Path, sync_name: str | None, as_json: bool, plan_id: str | None, since: str | None) -> int:
    """Put back what a plan overwrote or deleted, from the trash or from an earlier version.

    Before it begins it makes sure that something can be put back, of each plan, and is refused otherwise.
    An object is put back only where the store still has what the plan left there. Objects that the plan added stay.
    Nothing is removed from the trash, and no version is removed.

    Of a plan of all versions, what the plan wrote is removed, newest first: only where nothing was written after it,
    and only versions that the source has still.
    """
    if (plan_id is None) == (since is None):
        raise click.UsageError("give the ID of the plan to undo, or --since ID for that plan and all later ones")
    if since is not None:
        return _undo_range(home, sync_name, since, as_json=as_json)
    from hyve_pipeline.cli.chosen_sync import opened
    from hyve_pipeline.cli.exit_code import changed_error, has_acted
    from hyve_pipeline.cli.interrupted import undoing
    from hyve_pipeline.cli.output import print_json, say
    from hyve_pipeline.core.model.undo_summary import UndoSummary
    from hyve_pipeline.operations.journal.status import last_undo
    from hyve_pipeline.operations.plan.freeze import choose_plan
    from hyve_pipeline.operations.undo import OutcomeCounts, undo_plan

    outcomes = OutcomeCounts()
    cut_short_by: Exception | KeyboardInterrupt | None = None
    with opened(home, sync_name, "undo") as sync:
        plan = choose_plan(sync, plan_id)
        before = last_undo(sync, plan)
        try:
            with undoing(f"plan {plan.id}", plan.id, lambda: UndoSummary.of(plan.id, outcomes).restored):
                undo_plan(sync, plan, sync.actor.id, outcomes, _show_preview)
        except (Exception, KeyboardInterrupt) as error:
            put_back = UndoSummary.of(plan.id, outcomes).restored
            if not has_acted(lambda: last_undo(sync, plan) != before, lambda: put_back > 0):
                raise
            cut_short_by = error
    summary = UndoSummary.of(plan.id, outcomes)
    if as_json:
        print_json({"sync": sync.name, **_figures(summary)})
    else:
        if summary.is_empty and cut_short_by is None:
            say(_nothing_to_undo(sync, plan))
        else:
            _describe(plan, summary)
            say(_next(plan))
    if cut_short_by is not None:
        raise changed_error(cut_short_by, lambda: True) from cut_short_by
    return 1 if summary.skipped or summary.failed else 0


def _nothing_to_undo(sync: "SyncContext", plan: "Plan") -> str:
    from hyve_pipeline.cli.typed import typed
    from hyve_pipeline.operations.journal.undos import newest_to_undo

    other = newest_to_undo(sync)
    hint = "" if other is None else f"; '{typed(f'undo {other.id}')}' undoes the newest that did"
    return f"plan {plan.id} changed nothing in {plan.store.uri}, so there is nothing to put back{hint}"


def _next(plan: "Plan") -> str:
    if plan.has_histories:
        return "the versions that it added are removed: the next sync copies them again"
    return "the next dryrun compares the buckets anew: what is only in the store is listed for deletion again"


def _show_preview(preview: "UndoPreview") -> None:
    from hyve_pipeline.cli.output import warn

    if preview.kept < preview.objects:
        warn(preview.described)


def _figures(summary: "UndoSummary") -> dict[str, Any]:
    return summary.model_dump(include=_FIGURES)


def _describe(plan: "Plan", summary: "UndoSummary") -> None:
    from hyve_pipeline.cli.output import say, warn
    from hyve_pipeline.core.base.codes import in_words
    from hyve_pipeline.core.base.counts import counted

    say(f"plan {plan.id}: {counted(summary.restored)} of {plan.store.uri} put back as before it")
    if summary.left:
        stay = "stays as it is" if summary.left == 1 else "stay as they are"
        say(f"  {counted(summary.left)} that it copied where nothing was {stay}")
    for code, objects in summary.reasons.items():
        warn(f"  not put back: {counted(objects)}, {in_words(code)}")


def _undo_range(home: Path, sync_name: str | None, since: str, *, as_json: bool) -> int:
    from hyve_pipeline.cli.chosen_sync import opened
    from hyve_pipeline.cli.exit_code import changed_error
    from hyve_pipeline.cli.interrupted import undoing
    from hyve_pipeline.cli.output import print_json, say, warn
    from hyve_pipeline.cli.typed import typed
    from hyve_pipeline.operations.plan.freeze import check_places, choose_plan
    from hyve_pipeline.operations.retention import dropped_between
    from hyve_pipeline.operations.undo_range import StepState, range_to_undo, undo_range

    cut_short_by: Exception | KeyboardInterrupt | None = None
    with opened(home, sync_name, "undo") as sync:
        oldest = choose_plan(sync, since)
        steps = range_to_undo(sync, oldest)
        for step in steps:
            check_places(sync, step.plan)
        if dropped_between(sync, oldest):
            warn(f"warning: plans of events since {oldest.id} were dropped: what they changed is not put back")

        def count_restored() -> int:
            return sum(step.summary.restored for step in steps if step.before is None)

        try:
            with undoing(f"{len(steps)} plans", f"--since {oldest.id}", count_restored):
                undo_range(sync, steps, sync.actor.id, _show_preview)
        except (Exception, KeyboardInterrupt) as error:
            if not any(step.state in (StepState.UNDONE, StepState.CUT_SHORT) for step in steps):
                raise
            cut_short_by = error
    if as_json:
        plans = [{**_figures(step.summary), "state": step.state.value} for step in steps]
        print_json({"sync": sync.name, "since": oldest.id, "plans": plans})
    else:
        for step in steps:
            _describe_step(step)
        say(_next(oldest))
    if cut_short_by is not None:
        raise changed_error(cut_short_by, lambda: True) from cut_short_by
    if any(step.state is StepState.NOT_BEGUN for step in steps):
        warn(f"stopped, as objects of one plan failed: '{typed(f'undo --since {oldest.id}')}' continues")
    return 1 if any(step.summary.skipped or step.summary.failed for step in steps) else 0


def _describe_step(step: "UndoStep") -> None:
    from hyve_pipeline.cli.output import say
    from hyve_pipeline.operations.undo_range import StepState

    if step.state is StepState.NOT_BEGUN:
        say(f"plan {step.plan.id}: not undone yet")
        return
    if step.state is StepState.UNDONE_BEFORE:
        say(f"plan {step.plan.id}: undone before")
    _describe(step.plan, step.summary)
