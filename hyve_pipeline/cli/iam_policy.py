"""``hyve iam-policy``: print the least policy that each side needs."""

from pathlib import Path

import click

from hyve_pipeline.cli.options import sync_options


@click.command("iam-policy")
@sync_options
@click.option(
    "--side",
    type=click.Choice(["source", "store"]),
    help="Print the policy of this side's credentials alone, ready to be attached.",
)
def iam_policy(home: Path, sync_name: str | None, as_json: bool, side: str | None) -> int:
    """Print the least policy that the credentials of each side need, as JSON.

    Comes from the configuration alone; no bucket is asked. Credentials that serve both sides need both policies.
    """
    from hyve_pipeline.cli.output import print_json
    from hyve_pipeline.core.iam_policy import policies
    from hyve_pipeline.core.settings_file import load_settings, select_sync
    from hyve_pipeline.flow.context import Home

    path = Home(home).settings_file
    # A policy is often wanted before there are keys, so a profile that does not exist yet is no mistake here.
    both = policies(select_sync(load_settings(path), sync_name, path))
    print_json(next((policy for name, policy in both.items() if name == side), dict(both)))
    return 0
