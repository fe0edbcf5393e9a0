"""``hyve iam-policy``: print the least policy that each side needs."""

from pathlib import Path

import click

from hyve_pipeline.cli.first_sign import with_sign
from hyve_pipeline.cli.options import Choice, home_option, sync_option
from hyve_pipeline.cli.typed import naming_commands


@click.command("iam-policy")
@home_option
@sync_option
@click.option("--json", is_flag=True, expose_value=False, help="No effect: the output is always JSON.")
@click.option(
    "--side",
    type=Choice(["source", "store", "state", "batch", "queue"]),
    help="Print the policy of this side's credentials alone, ready to be attached; batch: of the role of jobs.",
)
@click.option(
    "--only-conditional",
    is_flag=True,
    help="Let the store's policy deny writes without If-Match or If-None-Match.",
)
@click.option("--as-of", is_flag=True, help="Include what 'hyve dryrun --as-of' needs: the versions of the source.")
@naming_commands
@with_sign
def iam_policy(home: Path, sync_name: str | None, side: str | None, only_conditional: bool, as_of: bool) -> int:
    """Print the least policy that each side needs, as JSON; also that of a state in a bucket, and of a queue of events.

    Comes from the configuration alone; no request is sent. Credentials that serve several need all their policies. For
    a role there are two more: that of the credentials that assume it, and the role's trust policy. For S3 Batch
    Operations there are the policy and the trust policy of the role that jobs copy with.
    """
    from hyve_pipeline.cli.output import print_json
    from hyve_pipeline.core.model.iam_policy import all_policies
    from hyve_pipeline.core.settings.load import load_settings, select_sync
    from hyve_pipeline.operations.context import Home, SyncContext

    path = Home(home).settings_file
    # A policy is often needed before there are keys, so a missing profile is no error here.
    sync = SyncContext(Home(home), select_sync(load_settings(path), sync_name, path))
    documents = all_policies(sync.settings, sync.home.state_place, only_pinned=only_conditional, as_of=as_of)
    if side is not None and side not in documents:
        reasons = {
            "state": "the state is in a folder of the home, and needs no policy",
            "batch": f"there is no table [sync.{sync.name}.batch], so that no jobs copy",
            "queue": f"sync {sync.name} has no queue: set queue_url in [sync.{sync.name}.events]",
        }
        raise click.UsageError(f"--side {side}: {reasons[side]}")
    print_json(documents if side is None else documents[side])
    return 0
