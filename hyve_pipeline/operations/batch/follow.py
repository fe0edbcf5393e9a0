"""Creates the jobs of a round, and follows them to their end."""

from collections.abc import Callable

from hyve_pipeline.core.model.batch import REFUSED, CreatedJob, JobRequest, JobResult, JobState, Round, job_state, named
from hyve_pipeline.core.runtime.interruption import pause
from hyve_pipeline.core.runtime.progress import end, expect, report
from hyve_pipeline.s3.batch.control import JobControl, JobRefusedError, JobStatus
from hyve_pipeline.state.batch_rounds import RoundFolder
from hyve_pipeline.state.epochs import Epoch

# The activity, for progress reports.
_FOLLOW = "copy by S3 Batch Operations"

# Seconds between two looks at the jobs: each time half as much again, up to the most.
FIRST_PAUSE, MOST_PAUSE = 1.0, 30.0
_GROWTH = 1.5


def follow_round(
    folder: RoundFolder,
    asked: Round,
    control: JobControl,
    epoch: Epoch,
    say: Callable[[str], None],
    first_pause: float = FIRST_PAUSE,
) -> list[JobResult]:
    """Create the jobs that are not known to exist, and wait until all have ended.

    Args:
        folder: the round's folder.
        asked: what is asked for.
        control: creates and describes jobs.
        epoch: this process's part in applying the plan, which is checked all the time.
        say: gets a line about what waits for a user.
        first_pause: seconds before the second look at the jobs.

    Returns:
        The jobs with their last status; what they did is not read yet.

    Raises:
        ClaimLostError: another process may apply the plan now.
        BucketError: S3 does not answer; the jobs that were created go on.
        StateError: the state can't be read or written.
    """
    results: dict[str, JobResult] = {}
    for job in asked.jobs:
        epoch.check()
        results[job.storage_class] = _created(folder, job, control)
    expect(_FOLLOW, asked.objects, 0)
    succeeded: dict[str, int] = {}
    failed: dict[str, int] = {}
    said: set[tuple[str, str]] = set()
    seconds = first_pause
    while True:
        statuses = {name: _status(asked, name, control, result) for name, result in results.items()}
        epoch.check()
        for name, status in statuses.items():
            result = results[name] = results[name].model_copy(update=_update(results[name], status))
            if job_state(status.status) is JobState.WAITING and (name, status.status) not in said:
                said.add((name, status.status))
                say(f"{named(result)} waits ({status.status}): {status.reason or _ASKS[status.status]}")
            for counts, count in ((succeeded, status.succeeded), (failed, status.failed)):
                report(_FOLLOW, max(0, count - counts.get(name, 0)), 0)
                counts[name] = max(count, counts.get(name, 0))
        if all(job_state(result.status) in (JobState.COMPLETE, JobState.ENDED) for result in results.values()):
            end(_FOLLOW, failed=sum(failed.values()))
            return [*results.values()]
        pause(seconds)
        seconds = min(seconds * _GROWTH, MOST_PAUSE)


_ASKS = {
    "Suspended": "confirm it, or cancel it, in the console or by UpdateJobStatus",
    "Paused": "a job of greater priority goes first",
}


def _created(folder: RoundFolder, job: JobRequest, control: JobControl) -> JobResult:
    created = folder.created(job.storage_class)
    if created is None:
        try:
            created = CreatedJob(id=control.create(job.parameters))
        except JobRefusedError as error:
            created = CreatedJob(id=None, problem=str(error))
        created = folder.keep(job.storage_class, created)
    return JobResult(
        id=created.id,
        storage_class=job.storage_class,
        status=REFUSED if created.id is None else "New",
        objects=job.objects,
        problem=created.problem,
    )


def _status(asked: Round, storage_class: str, control: JobControl, result: JobResult) -> JobStatus:
    if result.id is None or job_state(result.status) in (JobState.COMPLETE, JobState.ENDED):
        return JobStatus(result.status)
    parameters = next(job.parameters for job in asked.jobs if job.storage_class == storage_class)
    return control.describe(result.id, parameters["Manifest"]["Location"]["ObjectArn"])


def _update(result: JobResult, status: JobStatus) -> dict[str, str | None]:
    if status.status == result.status:
        return {}
    has_ended = job_state(status.status) is JobState.ENDED
    reason = f": {status.reason}" if status.reason else ""
    return {"status": status.status, "problem": f"{status.status}{reason}" if has_ended else None}
