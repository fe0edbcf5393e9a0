"""``hyve doctor``: report what prevents a sync from working, and what to do about it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyve_pipeline.cli.options import sync_options

if TYPE_CHECKING:
    from hyve_pipeline.core.model.findings import Finding

# Of the findings that need attention, by verdict.
_COLOURS = {"WARN": "yellow", "FAIL": "red"}


@click.command()
@sync_options
@click.option(
    "--write", "is_write_allowed", is_flag=True, help="Try to put objects into the store, and delete them again."
)
def doctor(home: Path, sync_name: str | None, as_json: bool, is_write_allowed: bool) -> int:
    """Check configuration, credentials, permissions, clock, versioning and both buckets.

    Says what to fix. Nothing is changed, unless --write is given: then objects of names of their own are put into the
    store and deleted again.
    """
    from hyve_pipeline.cli.output import print_json, say
    from hyve_pipeline.cli.typed import typed
    from hyve_pipeline.core.model.findings import overall_exit_code
    from hyve_pipeline.operations.context import Home
    from hyve_pipeline.operations.doctor.doctor import examine

    findings: list[Finding] = []
    for finding in examine(Home(home), sync_name, is_write_allowed=is_write_allowed):
        findings.append(finding)
        if not as_json:
            line = f"{finding.verdict:<9}  {finding.check}, {finding.place}: {finding.detail}"
            say(line, _COLOURS.get(finding.verdict.name))
    code = overall_exit_code(findings)
    if as_json:
        names = ("check", "place", "verdict", "detail")
        checks = [{name: str(getattr(finding, name)) for name in names} for finding in findings]
        print_json({"healthy": code == 0, "checks": checks})
    elif code == 0:
        say(f"next: {typed('dryrun')}")
    return code
