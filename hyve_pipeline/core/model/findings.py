"""The findings of `hyve doctor`: one for each check, with what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hyve_pipeline.core.base.errors import HyveError


class Verdict(StrEnum):
    """The result of a check."""

    OK = "ok"
    UNTRIED = "not tried"  # it would write something, which was not requested
    WARN = "warn"  # a sync works, but not as well as it could
    FAIL = "fail"  # a sync can't work


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: what was checked, such as ``listing``.
        place: what it was checked on: ``source``, ``store``, ``trash`` or ``home``.
        verdict: the result.
        detail: what was found and, unless it is ok, what to do.
        exit_code: the exit code of a failed check; 0 for all others.
    """

    check: str
    place: str
    verdict: Verdict
    detail: str
    exit_code: int = 0


def failed(check: str, place: str, error: HyveError) -> Finding:
    """The finding for a check that raised an error."""
    return Finding(check, place, Verdict.FAIL, str(error), error.exit_code)


def overall_exit_code(findings: Iterable[Finding]) -> int:
    """The exit code of all findings.

    A wrong configuration (2) takes precedence over an unreachable bucket (4), which it may have caused, and that
    over all other failures (1).
    """
    codes = {finding.exit_code for finding in findings}
    return next((code for code in (2, 4) if code in codes), 1 if codes - {0} else 0)
