"""``hyve undo``: put back what a plan overwrote or deleted."""

from pathlib import Path

import click

from hyve_pipeline.cli.options import sync_options


@click.command()
@click.argument("plan_id", metavar="ID")
@sync_options
def undo(home: Path, sync_name: str | None, as_json: bool, plan_id: str) -> int:
    """Put back what a plan overwrote or deleted, from the trash or from an earlier version.

    Only where the store's object is still what the plan left there. What the plan copied where nothing was stays,
    and nothing is removed from the trash or of the versions.
    """
    from hyve_pipeline.cli.output import print_json, say, warn
    from hyve_pipeline.cli.progress import showing_progress
    from hyve_pipeline.cli.work import choose_sync
    from hyve_pipeline.dag.undo import run_undo
    from hyve_pipeline.flow.plan import choose_plan

    sync = choose_sync(home, sync_name)
    plan = choose_plan(sync, plan_id)
    with showing_progress(sync.name):
        summary, run_id = run_undo(sync, plan)
    if as_json:
        counts = summary.model_dump(include={"plan", "restored", "skipped", "failed", "left", "reasons"})
        print_json({"sync": sync.name, **counts, "runs": [run_id]})
    else:
        say(f"plan {plan.id}: {summary.restored:,} objects of {plan.store.uri} are as they were before it")
        if summary.left:
            say(f"  {summary.left:,} objects that it copied where nothing was stay")
        for code, objects in summary.reasons.items():
            warn(f"  {objects:,} objects were not put back: {code}")
        say("the next dryrun compares the buckets anew: what is only in the store is listed for deletion again")
    return 1 if summary.skipped or summary.failed else 0
