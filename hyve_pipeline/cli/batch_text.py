"""What commands print of the jobs of S3 Batch Operations."""

from typing import Any

from hyve_pipeline.cli.output import say, warn
from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.model.batch import JobResult, RoundResult, named


def describe_round(result: RoundResult) -> None:
    """Print what jobs did, and what they were not given."""
    for job in result.jobs:
        say(f"{named(job)}: {job.status}, {_described(job)}")
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(result.left_out.items()) if count)
    if reasons:
        say(f"not given to S3 Batch Operations: {reasons}")
    elif not result.jobs:
        say("not given to S3 Batch Operations: nothing was left to copy")


def warn_of_reports(result: RoundResult) -> None:
    """Warn of reports that are not whole."""
    for job in result.jobs:
        if job.is_complete and job.problem is not None:
            warn(f"warning: {named(job)}: {job.problem}; Hyve checked and copied the objects itself")
        elif job.missing:
            warn(
                f"warning: {named(job)}: its report does not mention {counted(job.missing)}; Hyve checks and copies "
                "what is missing itself"
            )
        if job.foreign:
            warn(f"warning: {named(job)}: its report has {counted(job.foreign)} that it was not given")


def _described(job: JobResult) -> str:
    more = [
        f"{count:,} {word}" for word, count in (("failed", job.failed), ("not in its report", job.missing)) if count
    ]
    return ", ".join([f"{job.done:,} of {counted(job.objects)} copied", *more])


def round_document(result: RoundResult) -> dict[str, Any]:
    """The member ``batch`` of the JSON document."""
    return {
        "jobs": [job.model_dump(mode="json") for job in result.jobs],
        "left_out": {reason: count for reason, count in sorted(result.left_out.items()) if count},
    }
