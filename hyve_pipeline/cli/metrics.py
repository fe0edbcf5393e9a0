"""``hyve metrics``: figures for monitoring, in the text format of Prometheus."""

from pathlib import Path

import click

from hyve_pipeline.cli.candidates import complete_sync
from hyve_pipeline.cli.first_sign import hide_sign, with_sign
from hyve_pipeline.cli.options import home_option, json_option
from hyve_pipeline.cli.output_file import write_output
from hyve_pipeline.cli.typed import naming_commands

# A collector of another user reads it, and it has no keys.
_FILE_MODE = 0o644


@click.command()
@home_option
@click.option(
    "--sync",
    "sync_name",
    metavar="NAME",
    envvar="HYVE_SYNC",
    shell_complete=complete_sync,
    help="Only this sync, instead of all.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Replace this file instead of printing, such as a .prom file of node_exporter's textfile collector.",
)
@json_option
@naming_commands
@with_sign
def metrics(home: Path, sync_name: str | None, output: Path | None, as_json: bool) -> int:
    """Print figures of all syncs for Prometheus: objects, bytes, requests, retries, seconds, lag, and the last plan.

    They come from the state alone: no request is sent to a bucket, apart from that of the state.
    """
    from hyve_pipeline import __version__
    from hyve_pipeline.cli.output import print_json, warn
    from hyve_pipeline.core.base.errors import StateError
    from hyve_pipeline.core.model.metrics import document, exposition
    from hyve_pipeline.operations.context import Home
    from hyve_pipeline.operations.metrics import MetricsReader

    if output is not None and as_json:
        raise click.UsageError("--output writes the text format: it can't be used with --json")
    found = MetricsReader(Home(home), sync_name).read()
    if as_json:
        print_json({"syncs": [document(one) for one in found]})
    elif output is None:
        hide_sign()
        click.echo(exposition(found, __version__), nl=False)
    else:
        write_output(output, exposition(found, __version__).encode(), _FILE_MODE)
    problems = [one for one in found if one.problem is not None]
    for one in problems:
        warn(f"hyve: sync {one.sync}: {one.problem}")
    return StateError.exit_code if problems else 0
