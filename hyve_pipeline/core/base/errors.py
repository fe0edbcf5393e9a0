"""Every failure that Hyve reports to a person, each with its exit code.

The exit codes are a promise: 1 some objects failed, 2 wrong usage or configuration, 3 refused by a
safety rule, 4 an inventory could not be completed or a bucket not reached, 130 interrupted.
"""

from typing import Any


class HyveError(Exception):
    """A failure with a message that is complete in one line: what, where, and what to do."""

    exit_code: int = 1


class ObjectsFailedError(HyveError):
    """Some objects could not be copied or deleted; the rest is done and a rerun continues."""


class ConfigurationError(HyveError):
    """Wrong usage or configuration; the message names the file, table and key, or the option."""

    exit_code = 2


class RefusedError(HyveError):
    """A safety rule refused to go on. Nothing was deleted."""

    exit_code = 3

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"refused by {rule}: {detail}")
        self.rule = rule
        self.detail = detail

    def __reduce__(self) -> tuple[Any, ...]:
        # As it was made: errors come from other processes too.
        return type(self), (self.rule, self.detail), self.__dict__


class BucketError(HyveError):
    """A bucket could not be reached: it is missing, access is denied, or the server does not answer."""

    exit_code = 4


class IncompleteInventoryError(HyveError):
    """A listing could not be proved complete. No plan may come from it."""

    exit_code = 4


class StateError(HyveError):
    """A file below the home is missing, cut short or altered; the message names it."""

    exit_code = 4


class InterruptedRunError(HyveError):
    """The user interrupted; what was done before is in the journal."""

    exit_code = 130
