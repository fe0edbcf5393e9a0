"""``hyve dryrun``: compare the buckets and make a plan."""

from pathlib import Path

import click

from hyve_pipeline.cli.options import date_option, keys_option, limit_options, sync_options


@click.command()
@sync_options
@limit_options("max-deletes", "max-overwrites")
@date_option
@keys_option
def dryrun(
    home: Path,
    sync_name: str | None,
    as_json: bool,
    inventory_date: str | None,
    keys: int,
    **limits: str | None,
) -> int:
    """List both buckets, write the plan and its lists, and change nothing in either bucket."""
    from hyve_pipeline.cli.interrupted import making_plan
    from hyve_pipeline.cli.output import list_files, plan_document, print_json, say
    from hyve_pipeline.cli.plan_text import (
        describe_next,
        describe_plan,
        describe_refusals,
        describe_totals,
        warn_of_loss,
    )
    from hyve_pipeline.cli.work import opened
    from hyve_pipeline.operations.journal.status import plan_status
    from hyve_pipeline.operations.plan.dryrun import take_plan

    with opened(home, sync_name, "dryrun") as sync, making_plan(sync):
        plan = take_plan(sync.with_inventory_date(inventory_date).overridden(**limits))
    if as_json:
        print_json(plan_document(sync, plan))
        warn_of_loss(plan)
    else:
        describe_plan(plan, sync, keys=keys)
        say("lists: " + ", ".join(list_files(sync, plan).values()))
        warn_of_loss(plan)
        describe_refusals(plan.refusals)
        describe_totals(plan)
        describe_next(sync, plan_status(sync, plan), is_undone=False)
    return 3 if plan.refusals else 0
