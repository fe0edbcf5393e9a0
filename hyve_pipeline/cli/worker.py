"""``hyve work``: one of many workers on one plan."""

from pathlib import Path

import click

from hyve_pipeline.cli.options import plan_option, sync_options


@click.command()
@sync_options
@plan_option
@click.option("--until-done", is_flag=True, help="Wait for the shards of other workers, until the plan is done.")
@click.option("--deletes", is_flag=True, help="Begin the plan's deletes too, once all of its copies have succeeded.")
def work(home: Path, sync_name: str | None, as_json: bool, plan_id: str | None, until_done: bool, deletes: bool) -> int:
    """Do what is free of a plan, beside other workers, also on other machines.

    While a plan is being made, it lists and compares ranges of the buckets. Of the newest plan it does the copies, and
    the deletes once another command has begun them. The safety rules of copy and delete hold.

    It needs only the state, such as HYVE_STATE=s3://bucket/prefix/: without a configuration, buckets and options are
    those of the plan. A worker that ends gives its work back; one that is lost loses it after a minute.
    """
    from hyve_pipeline.cli.chosen_sync import opened
    from hyve_pipeline.cli.work import Work
    from hyve_pipeline.operations.context import SyncContext

    with opened(home, sync_name, "work", SyncContext.of_state) as sync:
        work = Work(sync)
        if plan_id is None:
            work.help_planning(until_done=until_done)
        work.choose_plan(plan_id)
        work.join("copy", until_done=until_done)
        # As `retry`: deletes that nobody has asked for are not begun here.
        if not work.is_stopped and (deletes or work.status.has_begun("delete")):
            work.join("delete", until_done=until_done)
    return work.finish(as_json=as_json)
