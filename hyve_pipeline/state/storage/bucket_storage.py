"""The files of the state in a bucket."""

import io
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

import pyarrow as pa

from hyve_pipeline.core.base.errors import ConfigurationError, StateError, naming_file
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.state.storage.file_cache import FileCache
from hyve_pipeline.state.storage.storage import Entry, MissingFileError

if TYPE_CHECKING:
    from hyve_pipeline.s3.connection.connection import Connection

# Up to this size a file is written in memory before it is sent, and read in one request.
_SPOOL_BYTES = 8 * 1024**2

# Larger files are read by ranges, and not kept in the cache: a worker reads only its own shards of a large plan.
_MOST_CACHED_BYTES = 64 * 1024**2

_PROBE = ".hyve-probe-"
_CLOCK = ".hyve-clock-"

# One connection a bucket, patience and process, opened at the first request.
_connections: dict[tuple[BucketSettings, float | None], "Connection"] = {}
_checked: set[BucketSettings] = set()
_lock = threading.RLock()


class BucketStorage:
    """A `Storage` in a bucket, below a prefix.

    Args:
        place: the bucket and the prefix.
        cache: the local copies of files.
        patience: seconds after which a request is given up, which is then sent once; None for the usual bounds.

    Attributes:
        uri, folder: see `Storage`.
    """

    folder = None

    def __init__(self, place: BucketSettings, cache: FileCache | None = None, *, patience: float | None = None) -> None:
        self.place = place
        self.uri = place.uri.rstrip("/")
        self._cache = cache or FileCache.from_environment()
        self._patience = patience

    def impatient(self, seconds: float) -> "BucketStorage":
        """See `Storage.impatient`."""
        return BucketStorage(self.place, self._cache, patience=seconds)

    def create(self, name: str, body: bytes) -> bool:
        """See `Storage.create`."""
        from hyve_pipeline.s3.files.state_objects import create_object

        self.check_conditions()
        with self._reporting(name, "written"):
            return create_object(self._connection, self._key(name), body)

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """See `Storage.writing`."""
        from hyve_pipeline.s3.files.state_objects import put_file

        self.check_conditions()
        with (
            naming_file(f"{self.uri}/{name}", "written", StateError),
            tempfile.SpooledTemporaryFile(_SPOOL_BYTES, prefix="hyve-") as spool,
        ):
            stream = cast(BinaryIO, spool)
            # A request that fails in the block is about another bucket.
            yield stream
            size = stream.tell()
            stream.seek(0)
            with self._reporting(name, "written"):
                put_file(self._connection, self._key(name), stream, size)

    def read(self, name: str) -> bytes:
        """See `Storage.read`."""
        from hyve_pipeline.s3.files.state_objects import get_object

        with self._reporting(name, "read"):
            body = get_object(self._connection, self._key(name))
        if body is None:
            raise MissingFileError(f"{self.uri}/{name}: missing")
        return body

    def open(self, name: str) -> pa.NativeFile:
        """See `Storage.open`."""
        from hyve_pipeline.s3.objects.head import head_object

        with self._reporting(name, "read"):
            head = head_object(self._connection, self._key(name), needs_size=True).result()
            if head is None:
                raise MissingFileError(f"{self.uri}/{name}: missing")
            remote = _RangeReader(self._connection, self._key(name), head.etag, head.size or 0)
            if remote.size > _MOST_CACHED_BYTES:
                return pa.PythonFile(io.BufferedReader(remote, _SPOOL_BYTES), mode="r")
            return self._cache.open(f"{self.uri}/{name} {head.etag}", remote.size, remote.readall)

    def size(self, name: str) -> int | None:
        """See `Storage.size`."""
        from hyve_pipeline.s3.objects.head import head_object

        with self._reporting(name, "read"):
            head = head_object(self._connection, self._key(name), needs_size=True).result()
        return None if head is None else head.size

    def names(self, folder: str, *, recursive: bool = False) -> list[Entry]:
        """See `Storage.names`."""
        from hyve_pipeline.s3.files.state_objects import list_below, server_time

        prefix = self._key(f"{folder}/" if folder else "")
        with self._reporting(folder, "listed"):
            listed = list(list_below(self._connection, prefix, "" if recursive else "/"))
            now = next((found.listed for found in listed if found.modified is not None), None)
            if now is None and not all(found.is_prefix for found in listed):
                now = server_time(self._connection, self._key(_CLOCK))
        entries: list[Entry] = []
        for found in listed:
            name = found.key.removeprefix(prefix).rstrip("/")
            if now is None or found.modified is None:
                entries.append(Entry(name, is_folder=True))
            elif not name.startswith((_PROBE, _CLOCK)):
                entries.append(Entry(name, found.size, max(0.0, (now - found.modified).total_seconds())))
        return sorted(entries, key=lambda entry: entry.name)

    def remove(self, name: str) -> tuple[int, int]:
        """See `Storage.remove`."""
        from hyve_pipeline.s3.files.state_objects import delete_keys, list_below

        key = self._key(name)
        with self._reporting(name, "removed"):
            listed = list_below(self._connection, key)
            found = [entry for entry in listed if entry.key == key or entry.key.startswith(f"{key}/")]
            delete_keys(self._connection, [entry.key for entry in found])
        return len(found), sum(entry.size for entry in found)

    def check_conditions(self) -> None:
        """Check, once in this process, that the server does not replace an object that must not exist.

        Raises:
            ConfigurationError: it ignores the condition, so that two machines could take the same work.
            StateError: it can't be checked.
        """
        from hyve_pipeline.s3.files.state_objects import create_object, delete_keys

        with _lock:
            if self.place in _checked:
                return
            key = self._key(f"{_PROBE}{uuid.uuid4().hex}")
            with self._reporting("", "written"):
                created = [create_object(self._connection, key, b"probe") for _ in range(2)]
                delete_keys(self._connection, [key])
            if created != [True, False]:
                raise ConfigurationError(
                    f"the state can't be kept in {self.uri}: its server ignores If-None-Match on PutObject, so two "
                    "machines could take the same work; use a folder, or a server with conditional writes"
                )
            _checked.add(self.place)

    def __reduce__(self) -> tuple[type["BucketStorage"], tuple[BucketSettings, FileCache]]:
        # An impatient one stays in its process.
        return type(self), (self.place, self._cache)

    def _key(self, name: str) -> str:
        return f"{self.place.prefix}{name}"

    @property
    def _connection(self) -> "Connection":
        with _lock:
            connection = _connections.get((self.place, self._patience))
            if connection is None:
                # Imported late: a state in a folder needs no S3 library.
                from hyve_pipeline.s3.connection.bounds import Bounds
                from hyve_pipeline.s3.connection.open_connection import open_connection
                from hyve_pipeline.s3.connection.retry_policy import RetryPolicy

                bounds = policy = None
                if self._patience is not None:
                    bounds = Bounds(seconds=self._patience, silence=self._patience)
                    policy = RetryPolicy(patience=0.0, most_sends=1)
                # Botocore's transport starts faster, and the state takes few requests.
                connection = open_connection(
                    self.place, concurrency=16, transport="botocore", bounds=bounds, policy=policy
                )
                _connections[self.place, self._patience] = connection
            return connection

    @contextmanager
    def _reporting(self, name: str, doing: str) -> Iterator[None]:
        from hyve_pipeline.s3.wire.errors import S3RequestError, bucket_error

        try:
            # On the disk: the temporary file of what is written, or the cache.
            with naming_file(f"{self.uri}/{name}", doing, StateError):
                yield
        except S3RequestError as error:
            problem = str(bucket_error(error, self._connection.place)).removeprefix(f"{self._connection.place.uri}: ")
            uri = f"{self.uri}/{name}".rstrip("/")
            raise StateError(f"{uri}: can't be {doing}: {problem}") from error


class _RangeReader(io.RawIOBase):
    """Reads ranges of one version of an object."""

    def __init__(self, connection: "Connection", key: str, etag: str, size: int) -> None:
        super().__init__()
        self.size = size
        self._connection = connection
        self._key = key
        self._etag = etag
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: "memoryview") -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        pieces: list[bytes] = []
        while piece := self._read(_SPOOL_BYTES):
            pieces.append(piece)
        return b"".join(pieces)

    def _read(self, count: int) -> bytes:
        from hyve_pipeline.s3.objects.get import read_bytes

        count = min(count, self.size - self._position, _SPOOL_BYTES)
        if count <= 0:
            return b""
        data = read_bytes(self._connection, self._key, self._etag, self._position, count).result()
        self._position += len(data)
        return data
