"""What a command keeps is its owner's alone, whatever the umask of the process that runs it."""

import os
import stat
from functools import partial
from pathlib import Path

from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.syncs import Pair


def test_all_that_a_sync_and_a_report_leave_is_their_owners_alone(pair: Pair) -> None:
    pair.source.put({"a": b"1", "b": b"2"})
    pair.store.put({"c": b"3"})
    pair.home.chmod(0o755)
    for command in ("sync", "report"):
        with started([command, "--home", str(pair.home)], preexec_fn=partial(os.umask, 0)) as process:
            _, errors = process.communicate()
            assert process.returncode == 0, errors
    assert wide_files(pair.home) == {}


def wide_files(home: Path) -> dict[Path, str]:
    """The home, and what is below it, as far as others than its owner may do anything with it."""
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in [home, *home.rglob("*")] if not path.is_symlink()}
    return {path: oct(mode) for path, mode in modes.items() if mode & 0o077}
