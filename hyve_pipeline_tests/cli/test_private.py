"""What a command keeps is its owner's alone, whatever the umask of the process that runs it."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from hyve_pipeline_tests.children import heed_signals, started
from hyve_pipeline_tests.syncs import Pair


def with_umask(mask: int) -> Callable[[], None]:
    def prepare() -> None:
        heed_signals()
        os.umask(mask)

    return prepare


def test_all_that_a_sync_and_a_report_leave_is_their_owners_alone(pair: Pair) -> None:
    pair.source.put({"a": b"1", "b": b"2"})
    pair.store.put({"c": b"3"})
    pair.home.chmod(0o755)
    for command in ("sync", "report"):
        with started([command, "--home", str(pair.home)], preexec_fn=with_umask(0)) as process:
            _, errors = process.communicate()
            assert process.returncode == 0, errors
    wide = {path: oct(path.stat().st_mode) for path in [pair.home, *files_below(pair.home)] if is_wide(path)}
    assert wide == {}


def files_below(home: Path) -> list[Path]:
    # Dagster's storage was made beforehand, by the tests' own process.
    return [path for path in home.rglob("*") if home / "dagster" not in path.parents]


def is_wide(path: Path) -> bool:
    return stat.S_IMODE(path.stat().st_mode) & 0o077 != 0
