"""``hyve copy``, ``delete``, ``retry`` and ``sync``: the commands that change the store."""

import sys
from pathlib import Path

import click

from hyve_pipeline.cli.options import (
    STANDARD_INPUT,
    Choice,
    date_option,
    limit_options,
    list_option,
    plan_option,
    sync_options,
    yes_option,
)


@click.command()
@sync_options
@plan_option
@limit_options("max-overwrites", "max-deletes")
@click.option(
    "--by",
    type=Choice(["hyve", "batch"]),
    default="hyve",
    show_default=True,
    help="Who copies: this command, or jobs of S3 Batch Operations what they can, and this command the rest.",
)
def copy(home: Path, sync_name: str | None, as_json: bool, plan_id: str | None, by: str, **limits: str | None) -> int:
    """Copy what the newest plan lists as new and modified. Make a plan first when there is none."""
    from hyve_pipeline.cli.chosen_sync import opened
    from hyve_pipeline.cli.output import printing_refusal
    from hyve_pipeline.cli.work import Work

    # The journal and the events show who copied.
    with opened(home, sync_name, "copy" if by == "hyve" else f"copy --by {by}") as sync:
        work = Work(sync)
        chosen = sync.plans.default_id() if plan_id is None else plan_id
        if chosen is None:
            if by == "batch":
                from hyve_pipeline.operations.batch.by_batch import jobs_of

                jobs_of(sync)  # before anything is listed
            with printing_refusal(sync, as_json=as_json):
                work.take_plan(**limits)
        else:
            work.choose_plan(chosen, **limits)
        work.warn_of_loss("copy")
        if by == "hyve":
            work.act("copy")
        else:
            work.copy_by_batch()
    return work.finish(as_json=as_json)


@click.command()
@sync_options
@plan_option
@limit_options("max-deletes")
@yes_option
def delete(
    home: Path,
    sync_name: str | None,
    as_json: bool,
    plan_id: str | None,
    yes: bool,
    **limits: str | None,
) -> int:
    """Delete what only the store has: the plan's duplicate objects, after all of its copies have succeeded.

    On a terminal it shows the plan and asks first.
    """
    from hyve_pipeline.cli.chosen_sync import chosen, working
    from hyve_pipeline.cli.modes import may_ask
    from hyve_pipeline.cli.work import Work

    asks = not (as_json or yes) and may_ask()
    sync = chosen(home, sync_name, "delete")
    work = Work(sync)
    with working(sync):
        work.choose_plan(plan_id, **limits)
    if asks and work.has_deletes_to_ask_about():
        work.show_plan()
    work.warn_of_loss("delete")
    if work.is_agreed(asks=asks):
        with working(sync):
            work.act("delete")
    return work.finish(as_json=as_json)


@click.command()
@sync_options
@plan_option
def retry(home: Path, sync_name: str | None, as_json: bool, plan_id: str | None) -> int:
    """Run again only the shards of a plan that did not finish.

    Copies are retried if any copy of the plan was started, and deletes if any delete was. An action that was never
    started is not started now.
    """
    from hyve_pipeline.cli.chosen_sync import opened
    from hyve_pipeline.cli.work import Work

    with opened(home, sync_name, "retry") as sync:
        work = Work(sync)
        work.choose_plan(plan_id)
        if work.status.has_begun("copy"):
            work.act("copy")
        if work.status.has_begun("delete") and not work.is_stopped:
            work.act("delete")
    return work.finish(as_json=as_json)


@click.command()
@sync_options
@limit_options("max-deletes", "max-overwrites")
@date_option
@list_option
@yes_option
def sync(
    home: Path,
    sync_name: str | None,
    as_json: bool,
    inventory_date: str | None,
    keys: str | None,
    yes: bool,
    **limits: str | None,
) -> int:
    """Make a plan, copy, ask for restores where the option restore says so, delete and verify.

    On a terminal it shows the plan, and asks before it deletes.
    """
    from hyve_pipeline.cli.modes import is_input_forbidden, may_ask

    if keys is not None and inventory_date is not None:
        raise click.UsageError("--inventory-date and --keys exclude each other: these keys are looked at as of now")
    if keys == STANDARD_INPUT and not (as_json or yes or is_input_forbidden() or sys.stdin.isatty()):
        raise click.UsageError(
            "the list is the standard input, so nobody can be asked before deletes: add --yes, or name a file"
        )
    from hyve_pipeline.cli.chosen_sync import chosen, working
    from hyve_pipeline.cli.output import printing_refusal
    from hyve_pipeline.cli.work import Work

    asks = not (as_json or yes) and may_ask()
    context = chosen(home, sync_name, "sync")
    work = Work(context)
    with working(context), printing_refusal(context, as_json=as_json):
        work.take_plan(inventory_date, keys, **limits)
    if asks:
        work.show_plan()
    work.warn_of_loss("copy", "delete")
    with working(context):
        work.act("copy")
        work.restore()
    if not work.is_stopped and work.is_agreed(asks=asks):
        with working(context):
            work.act("delete")
            if not work.is_stopped:
                work.verify()
    return work.finish(as_json=as_json)
