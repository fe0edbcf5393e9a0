"""The plan of a list of keys, for the commands that take one by ``--keys``."""

import sys
from pathlib import Path

from hyve_pipeline.cli.options import STANDARD_INPUT
from hyve_pipeline.cli.output import warn
from hyve_pipeline.core.base.errors import error_of_system
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.runtime.named_files import open_named
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.dryrun import take_plan_of_keys
from hyve_pipeline.operations.plan.key_list import KeyList, counted_lines, read_key_list


def take_plan_of_list(sync: SyncContext, file: str) -> Plan:
    """Make a plan of the keys of a list, and say on standard error which of its lines name no further key.

    Args:
        sync: the sync.
        file: the path of the list, or ``-``.

    Raises:
        ConfigurationError: the list can't be read, or has a wrong line, or no key.
        HyveError: as `take_plan_of_keys`.
    """
    found = _read(sync, file)
    for line in counted_lines(found):
        warn(f"warning: {line}")
    return take_plan_of_keys(sync, found.keys, "list")


def _read(sync: SyncContext, file: str) -> KeyList:
    if file == STANDARD_INPUT:
        return read_key_list("standard input", sys.stdin.buffer, sync.settings)
    try:
        with open_named(Path(file)) as lines:
            return read_key_list(displayed(file), lines, sync.settings)
    except OSError as error:
        raise error_of_system(error) from error
