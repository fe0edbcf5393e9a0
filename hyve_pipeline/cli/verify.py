"""``hyve verify``: check whether the store is as a plan requires."""

from pathlib import Path

import click

from hyve_pipeline.cli.options import plan_option, sync_options
from hyve_pipeline.core.base.errors import ConfigurationError


def _check_sample(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    from hyve_pipeline.core.model.sample import parse_sample

    try:
        if value is not None:
            parse_sample(value)
    except ConfigurationError as error:
        raise click.BadParameter(str(error)) from error
    return value


@click.command()
@sync_options
@plan_option
@click.option(
    "--content",
    metavar="SAMPLE%",
    callback=_check_sample,
    help="Compare the content too, of this share of the objects: by checksum, or else by reading both.",
)
def verify(home: Path, sync_name: str | None, as_json: bool, plan_id: str | None, content: str | None) -> int:
    """List the store again and compare it with the plan."""
    from hyve_pipeline.cli.chosen_sync import opened
    from hyve_pipeline.cli.interrupted import verifying_plan
    from hyve_pipeline.cli.output import describe_verification, print_json
    from hyve_pipeline.operations.plan.freeze import choose_plan
    from hyve_pipeline.operations.verify.verify import verify_plan

    with opened(home, sync_name, "verify") as sync:
        plan = choose_plan(sync, plan_id)
        with verifying_plan(plan):
            outcome = verify_plan(sync, plan, content=content)
    if as_json:
        print_json(
            {
                "sync": sync.name,
                "plan": outcome.plan,
                "verified": outcome.verified,
                "objects": outcome.objects,
                **({"since_report": outcome.since_report} if outcome.since_report else {}),
                **({"since_plan": outcome.since_plan} if outcome.since_plan else {}),
                "differences": {kind.value: count for kind, count in outcome.differences.items()},
                "examples": [{"difference": kind.value, "key": key} for kind, key in outcome.examples],
                "content": None if outcome.content is None else outcome.content.model_dump(exclude={"file"}),
            }
        )
    else:
        describe_verification(sync, outcome)
    return 0 if outcome.verified else 1
