"""``hyve doctor``: say what keeps a sync from working, and what to do about it."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyve_pipeline.cli.options import sync_options

if TYPE_CHECKING:
    from hyve_pipeline.core.model.findings import Finding
    from hyve_pipeline.operations.context import Home


@click.command()
@sync_options
@click.option("--write", "is_write_allowed", is_flag=True, help="Try to put an object into the store and delete it.")
def doctor(home: Path, sync_name: str | None, as_json: bool, is_write_allowed: bool) -> int:
    """Check configuration, credentials, permissions, clock, versioning and both buckets.

    Says what to mend. Nothing is changed, unless --write asks for one object of a name of its own to be put
    into the store and deleted again.
    """
    from hyve_pipeline.cli.output import print_json, say
    from hyve_pipeline.core.model.findings import overall_exit_code
    from hyve_pipeline.operations.context import Home
    from hyve_pipeline.operations.doctor.doctor import examine

    findings: list[Finding] = []
    own_home = Home(home)
    for finding in chain(examine(own_home, sync_name, is_write_allowed=is_write_allowed), _examine_dagster(own_home)):
        findings.append(finding)
        if not as_json:
            say(f"{finding.verdict:<9}  {finding.check}, {finding.place}: {finding.detail}")
    code = overall_exit_code(findings)
    if as_json:
        checks = [
            {
                "check": finding.check,
                "place": finding.place,
                "verdict": finding.verdict.value,
                "detail": finding.detail,
            }
            for finding in findings
        ]
        print_json({"healthy": code == 0, "checks": checks})
    return code


def _examine_dagster(home: "Home") -> Iterator["Finding"]:
    """Whether Dagster's storage can be opened. Where there is none yet, none is made."""
    from hyve_pipeline.core.base.errors import HyveError, StateError
    from hyve_pipeline.core.model.findings import Finding, Verdict, failed

    if not home.dagster_home.exists():
        yield Finding("dagster", "home", Verdict.OK, f"{home.dagster_home} is made by the first run")
        return
    from hyve_pipeline.orchestration.commands.instance import open_instance

    try:
        with open_instance(home) as instance:
            runs = instance.get_runs_count()
    except HyveError as error:
        yield failed("dagster", "home", error)
    except Exception as error:  # noqa: BLE001 - whatever a storage of the user's own may raise
        reason = " ".join(str(error).split())
        problem = f"{home.dagster_home}: Dagster's storage can't be opened: {type(error).__name__}: {reason}"
        yield failed("dagster", "home", StateError(problem))
    else:
        yield Finding("dagster", "home", Verdict.OK, f"{home.dagster_home} holds {runs} runs")
