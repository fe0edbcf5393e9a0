"""``hyve dryrun``: compare the buckets and make a plan."""

from datetime import datetime
from pathlib import Path

import click

from hyve_pipeline.cli.options import KeyChoices, date_option, keys_or_list_option, limit_options, sync_options
from hyve_pipeline.core.base.times import parse_time


def _time(_context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | None:
    try:
        return None if value is None else parse_time(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@sync_options
@limit_options("max-deletes", "max-overwrites")
@date_option
@keys_or_list_option
@click.option(
    "--as-of",
    metavar="TIME",
    callback=_time,
    help="Plan the source as it was then, such as 2026-11-01T00:00:00Z, by the versions that it keeps.",
)
def dryrun(
    home: Path,
    sync_name: str | None,
    as_json: bool,
    inventory_date: str | None,
    keys: KeyChoices,
    as_of: datetime | None,
    **limits: str | None,
) -> int:
    """List both buckets, write the plan and its lists, and change nothing in either bucket."""
    for option, value in (("--as-of", as_of), ("--inventory-date", inventory_date)):
        if keys.file is not None and value is not None:
            raise click.UsageError(
                f"{option} and a list of --keys exclude each other: its keys are looked at as of now"
            )
    from hyve_pipeline.cli.chosen_sync import opened
    from hyve_pipeline.cli.interrupted import making_plan
    from hyve_pipeline.cli.key_list import take_plan_of_list
    from hyve_pipeline.cli.output import list_files, plan_document, print_json, printing_refusal
    from hyve_pipeline.cli.plan_text import (
        describe_lists,
        describe_next,
        describe_plan,
        describe_refusals,
        describe_totals,
        warn_of_loss,
    )
    from hyve_pipeline.operations.journal.status import plan_status
    from hyve_pipeline.operations.plan.dryrun import take_plan

    with opened(home, sync_name, "dryrun") as sync, making_plan(sync), printing_refusal(sync, as_json=as_json):
        limited = sync.with_inventory_date(inventory_date).overridden(**limits)
        plan = take_plan(limited, as_of=as_of) if keys.file is None else take_plan_of_list(limited, keys.file)
    if as_json:
        print_json(plan_document(sync, plan))
        warn_of_loss(plan)
    else:
        describe_plan(plan, sync, keys=keys.shown)
        describe_lists(list_files(sync, plan))
        warn_of_loss(plan)
        describe_refusals(plan.refusals)
        describe_totals(plan)
        describe_next(sync, plan_status(sync, plan), is_undone=False)
    return 3 if plan.refusals else 0
