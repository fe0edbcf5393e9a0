"""``hyve report``: one plan as an HTML page to read, archive and share."""

from pathlib import Path

import click

from hyve_pipeline.cli.options import plan_argument, sync_options
from hyve_pipeline.cli.output_file import is_standard_output, output_option, write_beside_lists


@click.command()
@plan_argument
@sync_options
@output_option("page", "PLAN.html")
@click.option("--open", "is_shown", is_flag=True, help="Show the page in the web browser.")
def report(
    home: Path, sync_name: str | None, as_json: bool, plan_id: str | None, output: Path | None, is_shown: bool
) -> int:
    """Write one plan, the newest by default, as one HTML file with charts.

    The file has no script and loads nothing. No request is sent to a bucket.
    """
    to_standard_output = is_standard_output(output, as_json=as_json)
    if to_standard_output and is_shown:
        raise click.UsageError("--output - writes no file that --open could show")
    from hyve_pipeline.cli.browser import show_file
    from hyve_pipeline.cli.output import print_json, say, warn
    from hyve_pipeline.core.base.keys import displayed
    from hyve_pipeline.operations.context import Home, SyncContext
    from hyve_pipeline.report.page import render_page

    sync = SyncContext.of_state(Home(home), sync_name)
    plan = sync.plans.find(plan_id)
    page = render_page(sync, plan).encode()
    if to_standard_output:
        # As bytes: a terminal's own encoding may not have all characters.
        click.echo(page, nl=False)
        return 0
    path = write_beside_lists(sync, f"{plan.id}.html", output, page)
    if as_json:
        print_json({"sync": sync.name, "plan": plan.id, "file": str(path)})
    else:
        say(displayed(str(path)))
    problem = show_file(path) if is_shown else None
    if problem is not None:
        warn(f"the page is written, but not shown: {problem}; open the file in a web browser")
    return 0
