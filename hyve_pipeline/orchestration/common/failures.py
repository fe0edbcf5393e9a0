"""Turns errors of the operations into failures of a step, with one line and no traceback, and back for alerts."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from hyve_pipeline.core.base.errors import HyveError, RefusedError

_EXIT_CODE = "exit code"
_RULE = "rule"
_DETAIL = "detail"

# A failure with this entry is about single objects of a shard, not about the shard as a whole.
FAILED_OBJECTS = "failed"


@contextmanager
def as_failure() -> Iterator[None]:
    """Let a `HyveError` of the block fail the step, with its message, its exit code and without a retry."""
    try:
        yield
    except HyveError as error:
        metadata: dict[str, dg.MetadataValue] = {_EXIT_CODE: dg.MetadataValue.int(error.exit_code)}
        if isinstance(error, RefusedError):
            metadata |= {_RULE: dg.MetadataValue.text(error.rule), _DETAIL: dg.MetadataValue.text(error.detail)}
        raise dg.Failure(str(error), metadata=metadata, allow_retries=False) from error


def error_of_step(event: dg.DagsterEvent) -> HyveError:
    """The error that failed a step, from the event: a `RefusedError` if a safety rule refused it."""
    data = event.step_failure_data
    failure = data.user_failure_data
    if failure is None:
        reason = data.error.message.strip().splitlines()[-1] if data.error is not None else "no reason given"
        return HyveError(f"step {event.step_key} failed: {reason}")
    if _RULE in failure.metadata:
        return RefusedError(str(failure.metadata[_RULE].value), str(failure.metadata[_DETAIL].value))
    return HyveError(failure.description or "")
