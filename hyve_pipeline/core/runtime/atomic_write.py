"""Replaces a file's whole content at once: whoever reads it sees the old content or the new, never a part."""

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path


def replace_file(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write `content` to `path` so that the file is replaced at once.

    A symbolic link is followed, not replaced. An existing file keeps its owner, where the process may
    set it. The folder must exist.

    Args:
        path: the file; it need not exist.
        content: all that it will hold.
        mode: permission bits; None means those of the existing file, or the process's default.

    Raises:
        OSError: it can't be written, or is no regular file; the old content is untouched.
    """
    # Not `Path.resolve`, which would raise on a loop of links only in some versions of Python.
    target = Path(os.path.realpath(path))
    existing = target.stat() if target.exists() else None
    # To rename over a device such as /dev/null would destroy it for everyone.
    if existing is not None and not stat.S_ISREG(existing.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    if mode is None and existing is not None:
        mode = existing.st_mode & 0o777
    # In the same folder, since only within one file system a rename is atomic.
    new = target.with_name(f".{target.name}.{secrets.token_hex(8)}.new")
    # Made with the final mode, so that not even for a moment more people can read it.
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if existing is not None:
            _keep_owner(new, existing)
        if mode is not None:
            new.chmod(mode)
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _keep_owner(path: Path, existing: os.stat_result) -> None:
    mine = path.stat()
    if (mine.st_uid, mine.st_gid) != (existing.st_uid, existing.st_gid):
        with contextlib.suppress(PermissionError):
            os.chown(path, existing.st_uid, existing.st_gid)
