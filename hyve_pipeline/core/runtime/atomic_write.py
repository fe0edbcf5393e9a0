"""Writes files and makes folders for their owner alone; a file's whole content is replaced at once.

Whoever reads a file sees the old content or the new, never a part. What Hyve keeps names every object of two
buckets, so nobody else on the machine may read it, whatever the umask of the process that writes it.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

FILE_MODE = 0o600
FOLDER_MODE = 0o700

# A name that begins so is a file being written; it is never content.
UNFINISHED = ".unfinished-"


@contextlib.contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """A binary stream whose bytes replace the file `path` when the block ends without an exception.

    A symbolic link is followed, not replaced. An existing file keeps its owner, where the process may
    set it. The folder must exist.

    Args:
        path: the file; it need not exist.
        mode: permission bits; None means those of the existing file, or the owner alone.

    Raises:
        OSError: it can't be written, or is no regular file; the old content is untouched.
    """
    # Not `Path.resolve`, which would raise on a loop of links only in some versions of Python.
    target = Path(os.path.realpath(path))
    existing = target.stat() if target.exists() else None
    # To rename over a device such as /dev/null would destroy it for everyone.
    if existing is not None and not stat.S_ISREG(existing.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    if mode is None:
        mode = FILE_MODE if existing is None else existing.st_mode & 0o777
    # In the same folder, since only within one file system a rename is atomic.
    new = target.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
    # Made with the final mode, so that not even for a moment more people can read it.
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(descriptor, mode)  # the umask may have taken bits away
            os.fsync(descriptor)
        if existing is not None:
            _keep_owner(new, existing)
        new.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def replace_file(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write `content` to `path` so that the file is replaced at once; see `replacing`."""
    with replacing(path, mode) as file:
        file.write(content)


def create_file(path: Path, content: bytes) -> bool:
    """Write `content` to `path` where there is no file of that name yet; it is whole from its first moment.

    Returns:
        Whether it was written; False when there is a file already, which stays as it is.

    Raises:
        OSError: it can't be written.
    """
    new = path.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
    try:
        replace_file(new, content, FILE_MODE)
        # Unlike a rename, a link never takes the place of a file that is there.
        os.link(new, path)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
    return True


def open_private(path: Path, mode: str) -> IO[str]:
    """Open a text file that is not replaced at once, such as one that grows; a new one is its owner's alone.

    Args:
        path: the file.
        mode: how to open it, as for `open`.
    """
    return open(path, mode, encoding="utf-8", opener=lambda name, flags: os.open(name, flags, FILE_MODE))


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone; one that is there stays as it is.

    Raises:
        OSError: it can't be made, or is no folder.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        path.mkdir(mode=FOLDER_MODE)
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        path.chmod(FOLDER_MODE)  # the umask may have taken bits away


def _keep_owner(path: Path, existing: os.stat_result) -> None:
    mine = path.stat()
    if (mine.st_uid, mine.st_gid) != (existing.st_uid, existing.st_gid):
        with contextlib.suppress(PermissionError):
            os.chown(path, existing.st_uid, existing.st_gid)
