"""A sync of one test's own: two buckets, a home, and the command line as a user calls it."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hyve_pipeline.core.model.event import Event
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline.state.events import EventLog
from hyve_pipeline.state.files import Folder
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.servers import client_for, list_keys, put_objects, read_bucket

NAME = "images"

# How long requests are sent again in tests: what fails there mostly fails for good.
PATIENCE_SECONDS = 1

_THREADS = 8

# What S3 keeps of an object besides its content, and answers to GET and HEAD.
_CARRIED = (
    *("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "Expires"),
    *("Metadata", "StorageClass"),
)

# To make a client takes a tenth of a second.
_client = cache(client_for)

T = TypeVar("T")
U = TypeVar("U")


def _all(work: Callable[[T], U], things: Iterable[T]) -> list[U]:
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(work, things))


class Bucket:
    """One side of a sync as its owner sees it, past Hyve. Keys are whole keys.

    Attributes:
        place: how Hyve reaches it.
        client: a boto3 client, straight to the server.
    """

    def __init__(self, place: BucketSettings, server: str) -> None:
        self.place = place
        self.name = place.bucket
        self.client = _client(server)

    def put(self, objects: Mapping[str, bytes], **more: Any) -> None:
        """Put objects, all with the same headers, metadata and so on."""
        if more:
            _all(
                lambda pair: self.client.put_object(Bucket=self.name, Key=pair[0], Body=pair[1], **more),
                objects.items(),
            )
        else:
            put_objects(self.client, self.name, objects)

    def take_from(self, other: "Bucket", keys: Iterable[str]) -> None:
        """Copy objects of another bucket, as any tool would."""
        _all(
            lambda key: self.client.copy_object(
                Bucket=self.name, Key=key, CopySource={"Bucket": other.name, "Key": key}
            ),
            keys,
        )

    def delete(self, *keys: str) -> None:
        for key in keys:
            self.client.delete_object(Bucket=self.name, Key=key)

    def read(self) -> dict[str, bytes]:
        return read_bucket(self.client, self.name)

    def keys(self) -> list[str]:
        return list_keys(self.client, self.name)

    def carried(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Each object's content, and whatever it carries besides."""

        def get(key: str) -> dict[str, Any]:
            answer = self.client.get_object(Bucket=self.name, Key=key)
            return {name: answer[name] for name in _CARRIED if name in answer} | {"Body": answer["Body"].read()}

        keys = list(keys)
        return dict(zip(keys, _all(get, keys), strict=True))

    def listing(self) -> dict[str, tuple[Any, str, int]]:
        """When each object was last written, its ETag and its size: whatever a write would change."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return {
            entry["Key"]: (entry["LastModified"], entry["ETag"], entry["Size"])
            for page in pages
            for entry in page.get("Contents", [])
        }


@dataclass(frozen=True)
class Pair:
    """A source and a store, and the home of the sync between them."""

    home: Path
    source: Bucket
    store: Bucket

    def configure(self, **options: Any) -> None:
        """Write `hyve.toml` as a person would."""
        self.home.mkdir(parents=True, exist_ok=True)
        options = {"patience_seconds": PATIENCE_SECONDS} | options
        (self.home / "hyve.toml").write_text(sync_table(NAME, self.source.place, self.store.place, **options))

    def automate(self, apply: str, **automation: object) -> None:
        """Add to `hyve.toml` what is to happen without a person."""
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in automation.items())
        with (self.home / "hyve.toml").open("a") as file:
            file.write(f'[sync.{NAME}]\napply = "{apply}"\n[sync.{NAME}.automation]\n{lines}')

    def context(self, **options: Any) -> SyncContext:
        """What the verbs take, without a configuration file."""
        options = {"patience_seconds": PATIENCE_SECONDS} | options
        settings = SyncSettings(
            name=NAME, source=self.source.place, store=self.store.place, options=Options.model_validate(options)
        )
        return SyncContext(Home(self.home), settings)

    @property
    def state(self) -> Folder:
        """The sync's state, in a folder or in a bucket."""
        return Home(self.home).state(NAME)

    def state_files(self, folder: str = "") -> list[str]:
        """The paths of all files of the state below a folder, in a local one also of those that are not finished."""
        below = self.state.below(folder) if folder else self.state
        if below.local_path is None:
            return [entry.name for entry in below.entries(recursive=True)]
        return sorted(str(path.relative_to(below.local_path)) for path in below.local_path.rglob("*") if path.is_file())

    def read_state(self, name: str) -> bytes:
        """The content of a file of the state."""
        with self.state.open(name) as file:
            return file.read()

    def write_state(self, name: str, content: bytes) -> None:
        """Replace a file of the state, as no command does."""
        with self.state.writing(name) as file:
            file.write(content)

    def events(self) -> list[Event]:
        """What was done with the sync, in its order."""
        return EventLog(self.state).after(0, 100_000)

    def lines(self, name: str) -> list[str]:
        """The lines of one of the three lists."""
        text = (self.home / "out" / NAME / f"{name}.txt").read_bytes().decode()
        assert text == "" or text.endswith("\n")
        return text.split("\n")[:-1]


def sync_table(name: str, source: BucketSettings, store: BucketSettings, **options: Any) -> str:
    """The tables of one sync for `hyve.toml`."""
    written = {*BucketSettings.model_fields}
    tables = {
        f"sync.{name}.source": source.model_dump(exclude_none=True, include=written),
        f"sync.{name}.store": store.model_dump(exclude_none=True, include=written),
        f"sync.{name}.options": options,
    }
    lines: list[str] = []
    for table, values in tables.items():
        lines.append(f"[{table}]")
        # What JSON writes for text, numbers and lists of them, TOML reads.
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Finished:
    """A command that has come to its end."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document that is all of standard output."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def only_line(self) -> str:
        """The one line on standard error of a command that could not do anything."""
        assert self.out == ""
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err.rstrip("\n")


class Hyve(Protocol):
    """Runs one command in this process."""

    def __call__(self, *arguments: str) -> Finished: ...


class MakePair(Protocol):
    """Makes two empty buckets and a home, configured."""

    def __call__(
        self,
        *,
        endpoint_url: str | None = None,
        through: FaultyServer | None = None,
        prefixes: tuple[str, str] = ("", ""),
        versioned: bool = False,
        **options: Any,
    ) -> Pair: ...


def new_pair(
    make_place: MakePlace,
    home: Path,
    *,
    endpoint_url: str | None = None,
    through: FaultyServer | None = None,
    prefixes: tuple[str, str] = ("", ""),
    versioned: bool = False,
) -> Pair:
    """Two empty buckets, on moto's server or the one named, which Hyve may have to reach `through` a proxy."""

    def bucket(label: str, prefix: str) -> Bucket:
        place = make_place(label, endpoint_url=endpoint_url, prefix=prefix, versioned=versioned)
        server = str(place.endpoint_url)
        if through is not None:
            place = place.model_copy(update={"endpoint_url": through.endpoint_url})
        return Bucket(place, server)

    return Pair(home, bucket("source", prefixes[0]), bucket("store", prefixes[1]))


def next_second() -> None:
    """Wait until the second has changed: moto's dates have whole seconds only."""
    time.sleep(1.001 - time.time() % 1)
