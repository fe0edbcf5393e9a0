"""What an examination of a sync finds: one finding a check, each with what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hyve_pipeline.core.base.errors import HyveError


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    UNTRIED = "not tried"  # it would change something, and nobody asked for that
    WARN = "warn"  # a sync works, but not as well as it could
    FAIL = "fail"  # a sync can't work


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: what was checked, such as ``listing``.
        place: what it was checked on: ``source``, ``store``, ``trash`` or ``home``.
        verdict: how it came out.
        detail: what was found and, where it is not in order, what to do.
        exit_code: the exit code that a failed check stands for; 0 for all others.
    """

    check: str
    place: str
    verdict: Verdict
    detail: str
    exit_code: int = 0


def failed(check: str, place: str, error: HyveError) -> Finding:
    """The finding that an error is."""
    return Finding(check, place, Verdict.FAIL, str(error), error.exit_code)


def overall_exit_code(findings: Iterable[Finding]) -> int:
    """The exit code of a whole examination.

    A wrong configuration (2) comes before a bucket out of reach (4), which it may have caused, and that
    before all else that is to be mended (1).
    """
    codes = {finding.exit_code for finding in findings}
    return next((code for code in (2, 4) if code in codes), 1 if codes - {0} else 0)
