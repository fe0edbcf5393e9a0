"""Turns errors of the operations into failures of a run, and back.

In the UI a failed step shows its one line and no traceback; the command line gets the exit code back from
the run's events.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg

from hyve_pipeline.core.base.errors import HyveError, ObjectsFailedError, RefusedError

_EXIT_CODE = "exit code"
_RULE = "rule"
_DETAIL = "detail"

# A failure with this entry is about single objects of a shard, not about the shard as a whole.
FAILED_OBJECTS = "failed"


@contextmanager
def as_failure(*, allow_retries: bool = False) -> Iterator[None]:
    """Let a `HyveError` of the block fail the step, with its message, its exit code and without a retry."""
    try:
        yield
    except HyveError as error:
        metadata: dict[str, dg.MetadataValue] = {_EXIT_CODE: dg.MetadataValue.int(error.exit_code)}
        if isinstance(error, RefusedError):
            metadata |= {_RULE: dg.MetadataValue.text(error.rule), _DETAIL: dg.MetadataValue.text(error.detail)}
        raise dg.Failure(str(error), metadata=metadata, allow_retries=allow_retries) from error


class StepFailedError(HyveError):
    """A failure that an earlier `as_failure` put into a run's events; `exit_code` is that failure's own."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def error_of_step(event: dg.DagsterEvent) -> HyveError:
    """The error that made a step fail, from the event of its failure."""
    data = event.step_failure_data
    if data.user_failure_data is not None:
        return _error_of(data.user_failure_data.description or "", data.user_failure_data.metadata)
    reason = data.error.message.strip().splitlines()[-1] if data.error is not None else "no reason given"
    return HyveError(f"step {event.step_key} failed: {reason}")


def _error_of(description: str, metadata: Mapping[str, dg.MetadataValue]) -> HyveError:
    """The error whose failure has this description and metadata."""
    if _RULE in metadata:
        return RefusedError(str(metadata[_RULE].value), str(metadata[_DETAIL].value))
    if FAILED_OBJECTS in metadata:
        return ObjectsFailedError(description)
    code = metadata.get(_EXIT_CODE)
    return StepFailedError(description, int(str(code.value)) if code is not None else 1)
