"""``hyve restore``: ask for the restore of archived objects, and what came of it."""

from pathlib import Path

import click

from hyve_pipeline.cli.options import plan_option, sync_options


@click.command()
@sync_options
@plan_option
def restore(home: Path, sync_name: str | None, as_json: bool, plan_id: str | None) -> int:
    """Ask for the restore of what a plan skipped as archived; the next plans copy what has come back.

    The option restore says for how many days, and how fast.
    """
    from hyve_pipeline.cli.chosen_sync import opened
    from hyve_pipeline.cli.output import print_json
    from hyve_pipeline.cli.restore_text import describe_restore, describe_restores, restore_document
    from hyve_pipeline.operations.plan.freeze import choose_plan
    from hyve_pipeline.operations.restore.asked import restore_status
    from hyve_pipeline.operations.restore.request import request_restores

    with opened(home, sync_name, "restore") as sync:
        summary = request_restores(sync, choose_plan(sync, plan_id))
        status = restore_status(sync)
    if as_json:
        print_json({"sync": sync.name, "plan": summary.plan, **restore_document(summary, status)})
    else:
        describe_restore(summary)
        describe_restores(status)
    return 1 if summary.failed else 0
