"""The demo's own home: a folder that it may empty, and an environment without the user's settings."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.runtime.atomic_write import make_folder
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.core.settings.write import write_sync
from hyve_pipeline.demo.buckets import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, SOURCE_BUCKET, STORE_BUCKET

SYNC = "images"

# Only a folder that has this file is ever emptied.
_MARK = ".hyve-demo"
_LOCK = ".hyve-demo.lock"
_CREDENTIALS = "aws_credentials"
_CONFIG = "aws_config"

# Small enough that the plan has several shards, as real plans do.
_SHARD_OBJECTS = 60

# The user's settings for other purposes. The server is on this machine, so no proxy can reach it.
_FOREIGN_PREFIXES = ("AWS_", "HYVE_", "DAGSTER_")
_FOREIGN_SUFFIXES = ("_PROXY", "_CA_BUNDLE")


@contextmanager
def claimed_home(path: Path) -> Iterator[Path]:
    """An empty home that no other demo uses at the same time.

    Args:
        path: a folder that does not exist, is empty, or is an earlier demo's home.

    Raises:
        ConfigurationError: it is another folder, can't be written, or another demo is using it.
    """
    from filelock import FileLock, Timeout

    path = path.expanduser().absolute()
    lock = FileLock(path / _LOCK)
    try:
        _check_may_be_emptied(path)
        make_folder(path)
        (path / _MARK).touch()
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigurationError(
            f"{displayed(str(path))}: another demo is using this home: stop that one, or choose another by --home"
        ) from None
    except OSError as error:
        raise _unusable(path, error) from None
    with lock:
        try:
            _empty(path)
        except OSError as error:
            raise _unusable(path, error) from None
        yield path


def configure(home: Path, endpoint_url: str, *, shard_objects: int = _SHARD_OBJECTS) -> Path:
    """Write the configuration of the demo's sync, and the keys in an AWS credentials file of the demo's own.

    The configuration names no profile, as the user's profiles are not used.

    Args:
        home: the claimed home.
        endpoint_url: the server of both buckets.
        shard_objects: the most objects of a shard.

    Returns:
        The configuration.
    """
    credentials = home / _CREDENTIALS
    credentials.write_text(
        f"[default]\naws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n",
        encoding="utf-8",
    )
    credentials.chmod(0o600)
    (home / _CONFIG).touch()
    source = BucketSettings(bucket=SOURCE_BUCKET, region=REGION, endpoint_url=endpoint_url)
    store = source.model_copy(update={"bucket": STORE_BUCKET})
    settings = SyncSettings(name=SYNC, source=source, store=store, options=Options(shard_objects=shard_objects))
    write_sync(home / "hyve.toml", settings)
    return home / "hyve.toml"


@contextmanager
def own_environment(home: Path) -> Iterator[None]:
    """Hide the user's homes and accounts from this process and its children until the block ends."""
    before = dict(os.environ)
    for name in before:
        if name.upper().startswith(_FOREIGN_PREFIXES) or name.upper().endswith(_FOREIGN_SUFFIXES):
            del os.environ[name]
    os.environ["HYVE_HOME"] = str(home)
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(home / _CREDENTIALS)
    os.environ["AWS_CONFIG_FILE"] = str(home / _CONFIG)
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _check_may_be_emptied(path: Path) -> None:
    if not path.exists() or (path / _MARK).is_file() or (path.is_dir() and not any(path.iterdir())):
        return
    raise ConfigurationError(
        f"{displayed(str(path))}: is not a demo's home, so it is not changed: choose another by --home"
    )


def _empty(path: Path) -> None:
    for entry in path.iterdir():
        if entry.name in (_MARK, _LOCK):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _unusable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{displayed(str(path))}: can't be the demo's home: {error.strerror}")
