"""One sync of the whole table between two servers, and the result of each row."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError

from hyve_pipeline.cli.main import run as run_hyve
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline_tests.lists import read_list
from hyve_pipeline_tests.matrix.abilities import Scratch, hides_parts, missing, refusal, why
from hyve_pipeline_tests.matrix.cases import OLD, Case
from hyve_pipeline_tests.matrix.uploads import Seen, Upload, put, read_object
from hyve_pipeline_tests.syncs import Bucket, Finished, next_second, sync_table

NAME = "matrix"

_THREADS = 8
_LISTS = ("new", "modified", "duplicate_stores")
_KMS = ("x-amz-server-side-encryption", "aws:kms")

T = TypeVar("T")
U = TypeVar("U")


def all_of(work: Callable[[T], U], things: Iterable[T]) -> list[U]:
    """Apply `work` to each of many things, several at a time."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(work, things))


class MatrixBucket(Bucket):
    """A bucket with a client of the matrix."""

    def __init__(self, place: BucketSettings, client: Any) -> None:
        self.place = place
        self.name = place.bucket
        self.client = client


@dataclass(frozen=True)
class MatrixSide:
    """One side of the sync.

    Attributes:
        kind: servers of one kind support the same.
        bucket: the bucket.
        scratch: a place for probes of its server.
        keeps_versions: whether the bucket is versioned.
        has_locks: whether the bucket has Object Lock.
        kms_key_id: the KMS key; None if there is none.
    """

    kind: str
    bucket: Bucket
    scratch: Scratch
    keeps_versions: bool
    kms_key_id: str | None
    has_locks: bool = False

    @property
    def place(self) -> BucketSettings:
        return self.bucket.place

    def whole(self, key: str) -> str:
        """A key with the prefix."""
        return self.place.prefix + key

    def etags(self) -> dict[str, tuple[object, ...]]:
        """Every object below the prefix, with everything that a write would change."""
        length = len(self.place.prefix)
        pages = self.bucket.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket.name, Prefix=self.place.prefix
        )
        return {
            entry["Key"][length:]: (entry["LastModified"], entry["ETag"], entry["Size"])
            for page in pages
            for entry in page.get("Contents", [])
        }


@dataclass(frozen=True)
class Synced:
    """A finished ``hyve sync`` and its results.

    Attributes:
        finished: the command.
        listed: the keys of the three lists.
        skipped: the reason of each object that the plan skips.
        journal: the last row of each key in the journal's files.
        store: the objects of the store afterwards, see `MatrixSide.etags`.
    """

    finished: Finished
    listed: Mapping[str, set[str]]
    skipped: Mapping[str, str]
    journal: Mapping[str, Mapping[str, Any]]
    store: Mapping[str, tuple[object, ...]]


@dataclass
class Run:
    """The results that the tests of one setting check.

    Attributes:
        source, store: the sides.
        refused: why a case can't be tried here, by its name.
        uploads: the object that was put under each key of the source.
        seen: the source's objects before the first sync.
        copies: the store's objects after it, if they exist.
        untouched: keys of the store whose object did not change.
        replaced: keys of the store whose previous object is an older version now.
        default_encryption: how the store encrypts a plain PutObject.
        hides_parts: whether the source's server does not return the size of a part of an object.
        first, second: the syncs; before the second one the keys of the group "Keys" are deleted in the source.
    """

    source: MatrixSide
    store: MatrixSide
    cases: list[Case]
    home: Path
    refused: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    copies: dict[str, Seen] = field(default_factory=dict)
    untouched: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    default_encryption: dict[str, str] = field(default_factory=dict)
    hides_parts: bool = False
    first: Synced = field(init=False)
    second: Synced = field(init=False)

    def usable(self) -> list[Case]:
        """The cases that can be tried here."""
        return [case for case in self.cases if case.name not in self.refused]


Try = Callable[[MatrixSide, Case, bool], str | None]


def refusal_of(side: MatrixSide, case: Case, copies: bool) -> str | None:
    """Why a side's server does not support a case, before anything is synced."""
    if _KMS in case.upload.headers.items() and side.kms_key_id is None:
        return "no KMS key is configured"
    return refusal(side.scratch, replace(case, upload=_with_key(case.upload, side)), copies=copies)


def _reason(side: MatrixSide, case: Case, copies: bool, try_case: Try) -> str | None:
    if case.needs_versions and not side.keeps_versions:
        return "the bucket is not versioned"
    if case.needs_locks and not side.has_locks:
        return "the bucket has no Object Lock"
    return try_case(side, case, copies)


def _with_key(upload: Upload, side: MatrixSide) -> Upload:
    if _KMS not in upload.headers.items() or side.kms_key_id is None:
        return upload
    named = {"x-amz-server-side-encryption-aws-kms-key-id": side.kms_key_id}
    return replace(upload, headers={**upload.headers, **named})


def run_matrix(run: Run, options: Mapping[str, Any], try_case: Try) -> None:
    """Fill both buckets, sync twice, and collect the results."""
    is_one_server = run.source.bucket.client is run.store.bucket.client
    # What a server can copy it can store.
    sides = [(run.store, True)] if is_one_server else [(run.source, False), (run.store, False)]
    for side, copies in sides:
        # One by one: some servers hang on a key and delay the next request.
        reasons = {case.name: _reason(side, case, copies, try_case) for case in run.cases}
        refused = {name: reason for name, reason in reasons.items() if reason is not None}
        run.refused = refused | run.refused
    run.hides_parts = hides_parts(run.source.scratch)
    _fill_store(run)
    _fill_source(run)
    next_second()
    (run.home / "hyve.toml").write_text(sync_table(NAME, run.source.place, run.store.place, **options))
    run.first = _sync(run)
    _read_store(run)
    about_keys = [case.key for case in run.usable() if case.is_about_key]
    all_of(lambda key: run.source.bucket.delete(run.source.whole(key)), about_keys)
    run.second = _sync(run)


def _fill_store(run: Run) -> None:
    """Put the objects to overwrite, delete or keep, before the source's objects, so that those are newer."""
    bucket = run.store.bucket
    bucket.put({run.store.whole(case.key): OLD for case in run.usable() if case.store_has})
    all_of(lambda case: bucket.delete(run.store.whole(case.key)), [case for case in run.usable() if case.store_deleted])
    next_second()


def _fill_source(run: Run) -> None:
    for case in run.usable():
        upload = _with_key(case.upload, run.source)
        before = run.uploads.get(case.key)
        if before is not None:
            upload = replace(upload, headers={**upload.headers, **before.headers}, tags=upload.tags + before.tags)
            upload = replace(upload, annotations=upload.annotations + before.annotations)
        run.uploads[case.key] = upload
    bucket = run.source.bucket
    bucket.put({run.source.whole(case.key): OLD for case in run.usable() if case.has_older})
    problems = dict(all_of(lambda pair: (pair[0], _put(run, *pair)), run.uploads.items()))
    for case in run.usable():
        problem = problems[case.key]
        if problem is None and case.key in run.seen:
            problem = missing(run.seen[case.key], case.upload)
        if problem is not None:
            run.refused[case.name] = problem
            bucket.delete(run.source.whole(case.key))
        elif case.is_deleted:
            bucket.delete(run.source.whole(case.key))
    listed = run.source.etags()
    hidden = {case.key for case in run.usable()} - listed.keys() - {case.key for case in run.cases if case.is_deleted}
    assert not hidden, f"the server no longer lists {hidden!r} beside the others"


def _put(run: Run, key: str, upload: Upload) -> str | None:
    """Put one object into the source and read it, unless it is unreadable; returns the reason of a refusal."""
    where = (run.source.bucket.client, run.source.bucket.name, run.source.whole(key))
    try:
        put(*where, upload, of=key)
        if upload.customer_key or any(case.key == key and case.archive for case in run.cases):
            return None
        run.seen[key] = read_object(*where, upload, of=key)
    except (ClientError, BotoCoreError) as error:
        return f"the server refuses it: {why(error)}"
    return None


def _read_store(run: Run) -> None:
    client, bucket = run.store.bucket.client, run.store.bucket.name
    keys = [key for key in run.first.store if key in run.uploads]
    copies = all_of(lambda key: read_object(client, bucket, run.store.whole(key), run.uploads[key], of=key), keys)
    run.copies = dict(zip(keys, copies, strict=True))

    def is_old(key: str, **version: str) -> bool:
        return client.get_object(Bucket=bucket, Key=run.store.whole(key), **version)["Body"].read() == OLD

    put_before = {case.key for case in run.usable() if case.store_has}
    run.untouched = {key for key in put_before & run.first.store.keys() if is_old(key)}
    if run.store.keeps_versions:
        for case in run.usable():
            if case.needs_versions and case.store_has:
                listed = client.list_object_versions(Bucket=bucket, Prefix=run.store.whole(case.key))
                older = [version["VersionId"] for version in listed["Versions"] if not version["IsLatest"]]
                run.replaced |= {case.key} if any(is_old(case.key, VersionId=version) for version in older) else set()
    where = (client, run.store.scratch.bucket, run.store.scratch.prefix + "encryption")
    put(*where, Upload())
    run.default_encryption = encryption_of(read_object(*where, Upload()))


def encryption_of(seen: Seen) -> dict[str, str]:
    """How an object is encrypted by the server."""
    return {name: value for name, value in seen.headers.items() if name.startswith("x-amz-server-side-encryption")}


def _sync(run: Run) -> Synced:
    finished = run_command("sync", "--home", str(run.home), "--json")
    assert finished.out, finished.err
    plan = finished.document["plan"]
    if finished.document["verified"] is False:
        verified = run_command("verify", "--home", str(run.home))
        finished = replace(finished, err=f"{finished.err}{verified.out}{verified.err}")
    state = run.home / "state" / NAME
    changes = max((state / "diffs").iterdir(), key=lambda folder: folder.name) / "changes.parquet"
    skipped = [row for row in pq.read_table(changes).to_pylist() if row["set"] == "skipped"]
    rows = [
        row
        for file in sorted((state / "journals" / plan).rglob("0*.parquet"))
        for row in pq.read_table(file).to_pylist()
    ]
    return Synced(
        finished,
        {name: _listed(run, name) for name in _LISTS},
        {row["key"]: row["reason"] for row in skipped},
        {row["key"]: row for row in rows},
        run.store.etags(),
    )


def _listed(run: Run, name: str) -> set[str]:
    """The keys of one of the three lists, without the prefix."""
    side = run.store if name == "duplicate_stores" else run.source
    keys = read_list((run.home / "out" / NAME / f"{name}.txt").read_bytes())
    assert all(key.startswith(side.place.prefix) for key in keys)
    return {key.removeprefix(side.place.prefix) for key in keys}


def run_command(*arguments: str) -> Finished:
    """Run one command in this process, as the fixture `hyve` does for a single test."""
    # Files, not buffers in memory: a command checks whether its output is a terminal.
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        with redirect_stdout(out), redirect_stderr(err):
            code = run_hyve(arguments)
        for stream in (out, err):
            stream.seek(0)
        return Finished(code, out.read(), err.read())
