"""Opens the files that a user names: what is no file is refused at once, and neither waited for nor read for ever."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from hyve_pipeline.core.base.sizes import MIB

# What a shell names its pipes by, as for `<(command)`: these have a writer, or the end of one.
_STREAMS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")

_KINDS = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))

# More than any settings have.
_MOST_OF_SETTINGS = 16 * MIB


def open_named(path: Path) -> BinaryIO:
    """Open a file to read it.

    Raises:
        OSError: it can't be opened, or is a folder, a device or a named pipe, whose writer may never come.
    """
    is_stream = os.fspath(path).startswith(_STREAMS)
    # Without a wait for a pipe's writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if is_stream else os.O_NONBLOCK))
    try:
        mode = os.fstat(descriptor).st_mode
        kind = next((kind for is_kind, kind in _KINDS if is_kind(mode)), None)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if kind is not None and not is_stream:
            raise OSError(errno.EPERM, f"is {kind}, not a file", os.fspath(path))
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_named(path: Path, most_bytes: int = _MOST_OF_SETTINGS) -> bytes:
    """The bytes of a file.

    Args:
        path: the file.
        most_bytes: the most that it may have; the default is for settings.

    Raises:
        OSError: as `open_named`; or it has more bytes.
    """
    with open_named(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"is larger than {most_bytes // MIB} MiB", os.fspath(path))
    return content
