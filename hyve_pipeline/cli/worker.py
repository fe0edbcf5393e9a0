"""``hyve work``: one of many workers on one plan."""

from pathlib import Path

import click

from hyve_pipeline.cli.options import plan_option, sync_options


@click.command()
@sync_options
@plan_option
@click.option("--until-done", is_flag=True, help="Wait for the shards of other workers, until the plan is done.")
def work(home: Path, sync_name: str | None, as_json: bool, plan_id: str | None, until_done: bool) -> int:
    """Do what is free of a plan, beside other workers, also on other machines: its copies, then its deletes.

    It needs only the state, such as HYVE_STATE=s3://bucket/prefix/: without a configuration, buckets and options are
    those of the plan. The safety rules of copy and delete hold. A worker that ends gives its shard back; one that is
    lost loses it after a minute.
    """
    from hyve_pipeline.cli.work import Work, opened
    from hyve_pipeline.operations.context import SyncContext

    with opened(home, sync_name, "work", SyncContext.of_state) as sync:
        work = Work(sync)
        work.choose_plan(plan_id)
        work.join("copy", until_done=until_done)
        if not work.is_stopped:
            work.join("delete", until_done=until_done)
    return work.finish(as_json=as_json)
