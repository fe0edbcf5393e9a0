"""Atomic writes of files, and folders that only their owner can read.

A reader sees the old content of a file or the new, never a part. Hyve's files name every object of two buckets, so no
other user of the machine may read them, whatever the umask.
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

# Prefix of the names of files that are still being written.
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
        OSError: it can't be written, or is not a regular file; the old content is unchanged.
    """
    # Not `Path.resolve`: it raises on a loop of links in some versions of Python only.
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    existing = target.stat() if target.exists() else None
    # A rename over a device such as /dev/null would destroy it for all users.
    if existing is not None and not stat.S_ISREG(existing.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    if mode is None:
        mode = FILE_MODE if existing is None else existing.st_mode & 0o777
    # In the same folder: a rename is atomic only within one file system.
    new = target.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
    # Created with the final mode, so that no other user can ever read it.
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
    """Replace the file `path` atomically by `content`; see `replacing`."""
    with replacing(path, mode) as file:
        file.write(content)


def create_file(path: Path, content: bytes) -> bool:
    """Create the file `path` atomically with `content`, unless it exists.

    Returns:
        Whether it was written; False when the file existed, which is left unchanged.

    Raises:
        OSError: it can't be written.
    """
    new = path.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
    try:
        replace_file(new, content, FILE_MODE)
        # Unlike a rename, a link never replaces an existing file.
        os.link(new, path)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
    return True


def open_private(path: Path, mode: str) -> IO[str]:
    """Open a text file that is appended to or written in place; a new one is readable by its owner only.

    Args:
        path: the file.
        mode: how to open it, as for `open`.
    """
    return open(path, mode, encoding="utf-8", opener=lambda name, flags: os.open(name, flags, FILE_MODE))


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, accessible to their owner only; existing ones are left unchanged.

    Raises:
        OSError: it can't be created, or is not a folder.
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
