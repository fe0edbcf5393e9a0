"""``hyve undo``: put back what a plan overwrote or deleted."""

from pathlib import Path

import click

from hyve_pipeline.cli.candidates import complete_plan
from hyve_pipeline.cli.options import sync_options


@click.command()
@click.argument("plan_id", metavar="ID", shell_complete=complete_plan)
@sync_options
def undo(home: Path, sync_name: str | None, as_json: bool, plan_id: str) -> int:
    """Put back what a plan overwrote or deleted, from the trash or from an earlier version.

    Before it begins it makes sure that something can be put back, and is refused otherwise.
    An object is put back only where the store still has what the plan left there. Objects that the plan added stay.
    Nothing is removed from the trash, and no version is removed.
    """
    from hyve_pipeline.cli.interrupted import undoing_plan
    from hyve_pipeline.cli.output import counted, print_json, say, warn
    from hyve_pipeline.cli.work import changed_error, opened
    from hyve_pipeline.core.base.codes import in_words
    from hyve_pipeline.core.model.undo_summary import UndoPreview, UndoSummary
    from hyve_pipeline.operations.journal.status import last_undo
    from hyve_pipeline.operations.plan.freeze import choose_plan
    from hyve_pipeline.operations.undo import OutcomeCounts, undo_plan

    outcomes = OutcomeCounts()
    cut_short_by: Exception | KeyboardInterrupt | None = None

    def show(preview: UndoPreview) -> None:
        if preview.kept < preview.objects:
            warn(preview.described)

    with opened(home, sync_name, "undo") as sync:
        plan = choose_plan(sync, plan_id)
        before = last_undo(sync, plan)
        try:
            with undoing_plan(plan, lambda: UndoSummary.of(plan.id, outcomes).restored):
                undo_plan(sync, plan, sync.actor.id, outcomes, show)
        except (Exception, KeyboardInterrupt) as error:
            if last_undo(sync, plan) == before:
                raise
            cut_short_by = error
    summary = UndoSummary.of(plan.id, outcomes)
    if as_json:
        counts = summary.model_dump(include={"plan", "restored", "skipped", "failed", "left", "reasons"})
        print_json({"sync": sync.name, **counts})
    else:
        say(f"plan {plan.id}: {counted(summary.restored)} of {plan.store.uri} put back as before it")
        if summary.left:
            say(f"  {counted(summary.left)} that it copied where nothing was stay as they are")
        for code, objects in summary.reasons.items():
            warn(f"  not put back: {counted(objects)}, {in_words(code)}")
        say("the next dryrun compares the buckets anew: what is only in the store is listed for deletion again")
    if cut_short_by is not None:
        raise changed_error(cut_short_by, lambda: True) from cut_short_by
    return 1 if summary.skipped or summary.failed else 0
