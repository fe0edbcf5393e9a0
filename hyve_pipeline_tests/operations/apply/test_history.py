"""A sync of all versions leaves the store with the source's versions and delete markers, in their order, once each."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.planned_object import PlannedObject
from hyve_pipeline.operations.apply import shard as shard_module
from hyve_pipeline.operations.apply.history import HistoryCopier
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline.s3.listing.version_pages import ListedVersion
from hyve_pipeline_tests.faults import FaultyServer, faulty_server
from hyve_pipeline_tests.operations.applying import apply, planned, rows_of
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import Bucket, Pair, new_pair
from hyve_pipeline_tests.tally import THOROUGHNESS, counts
from hyve_pipeline_tests.version_server import VersionServer


@pytest.fixture(scope="module")
def version_endpoint() -> Iterator[str]:
    with VersionServer() as server:
        yield server.endpoint_url


@pytest.fixture
def through(version_endpoint: str) -> Iterator[FaultyServer]:
    with faulty_server(version_endpoint) as server:
        yield server


# Of each key its versions and delete markers, oldest first, as (version id, content); None for a delete marker.
Histories = dict[str, list[tuple[str, bytes | None]]]


def histories(bucket: Bucket) -> Histories:
    found: dict[str, list[tuple[Any, str, bytes | None]]] = {}
    for page in bucket.client.get_paginator("list_object_versions").paginate(Bucket=bucket.name):
        for one in page.get("Versions", []):
            where = {"Bucket": bucket.name, "Key": one["Key"], "VersionId": one["VersionId"]}
            content = bucket.client.get_object(**where)["Body"].read()
            found.setdefault(one["Key"], []).append((one["LastModified"], one["VersionId"], content))
        for one in page.get("DeleteMarkers", []):
            found.setdefault(one["Key"], []).append((one["LastModified"], one["VersionId"], None))
    return {key: [(name, content) for _, name, content in sorted(found[key])] for key in sorted(found)}


def contents(bucket: Bucket) -> dict[str, list[bytes | None]]:
    return {key: [content for _, content in history] for key, history in histories(bucket).items()}


def put_in_a_part(bucket: Bucket, key: str, content: bytes) -> None:
    """Put an object whose ETag is no MD5 of its content."""
    where = {"Bucket": bucket.name, "Key": key}
    upload = {**where, "UploadId": bucket.client.create_multipart_upload(**where)["UploadId"]}
    etag = bucket.client.upload_part(**upload, PartNumber=1, Body=content)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    bucket.client.complete_multipart_upload(**upload, MultipartUpload=parts)


class _KilledError(Exception):
    """The process ends here."""


class _Killer(HistoryCopier):
    """Ends the process before or after one of its writes; nothing is written after that."""

    left = -1
    is_after = False

    async def _write(
        self, row: PlannedObject, version: ListedVersion, newest: ListedVersion | None, progress: Any
    ) -> ListedVersion:
        cls = type(self)
        if cls.left == 0 and not cls.is_after:
            raise _KilledError
        written = await super()._write(row, version, newest, progress)
        if cls.left == 0:
            raise _KilledError
        cls.left -= 1
        return written


def _forget_newest_rows(context: SyncContext, plan: Plan) -> None:
    """As if the process had been killed before its rows were on the disk."""
    folder = context.state.local_path
    assert folder is not None
    for shard in plan.shards:
        attempts = sorted((folder / f"journals/{plan.id}/{shard.number:04d}").glob("[0-9]*"))
        if attempts and not (attempts[-1] / "summary.json").exists():
            for file in attempts[-1].glob("*.parquet"):
                file.unlink()


_KEYS = ["a", "a+b", "é x"]
_EDITS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put in a part", "delete"]), st.sampled_from(_KEYS), st.sampled_from(b"xy")
    ),
    min_size=1,
    max_size=6,
)
# What befalls the writes of a sync, by the number of the write: it is lost on its way there or back, or the process
# ends before or after it; and whether rows of the journal are lost then.
_FATES = st.one_of(
    st.none(),
    st.tuples(
        st.sampled_from(["lost there", "lost back", "hang up", "killed before", "killed after"]),
        st.integers(0, 5),
        st.booleans(),
    ),
)
_STEPS = st.lists(st.tuples(_EDITS, _FATES, st.booleans()), min_size=1, max_size=3)


@settings(max_examples=8 * THOROUGHNESS, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=_STEPS,
    transfer=st.sampled_from(["server", "stream"]),
    keep_parts=st.booleans(),
    page=st.sampled_from([2, 1000]),
)
def test_random_histories_with_kills_and_lost_answers(
    make_place: MakePlace,
    version_endpoint: str,
    through: FaultyServer,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[tuple[list[tuple[str, str, int]], tuple[str, int, bool] | None, bool]],
    transfer: str,
    keep_parts: bool,
    page: int,
) -> None:
    monkeypatch.setattr(shard_module, "HistoryCopier", _Killer)
    _Killer.left = -1
    through.page_keys = page
    with tempfile.TemporaryDirectory() as home:
        pair = new_pair(make_place, Path(home), endpoint_url=version_endpoint, through=through, versioned=True)
        context = pair.context(
            versions="all", transfer=transfer, keep_parts=keep_parts, patience_seconds=0, shard_objects=2, concurrency=1
        )
        for edits, fate, is_resumed in steps:
            for kind, key, content in edits:
                edit(pair.source, kind, key, bytes([content]))
            plan = planned(context)
            befall(through, pair, fate)
            try:
                apply(context, plan, "copy")
            except _KilledError:
                counts["kills of syncs of versions"] += 1
                if fate is not None and fate[2]:
                    _forget_newest_rows(context, plan)
            finally:
                befall(through, pair, None)
            assert_is_beginning(pair)
            if is_resumed:
                apply(context, plan, "copy")
                assert contents(pair.store) == contents(pair.source)
        plan = planned(context)
        assert plan.count(ChangeSet.ALTERED).objects == plan.count(ChangeSet.SKIPPED).objects == 0
        apply(context, plan, "copy")
        assert contents(pair.store) == contents(pair.source)
        assert_mapped(context, pair, plan)
        assert verify_plan(context, plan).verified
        assert planned(context).is_empty
        counts["histories of all versions"] += len(contents(pair.source))


def edit(bucket: Bucket, kind: str, key: str, content: bytes) -> None:
    if kind == "put":
        bucket.put({key: content})
    elif kind == "delete":
        bucket.delete(key)
    else:
        put_in_a_part(bucket, key, content)


def befall(server: FaultyServer, pair: Pair, fate: tuple[str, int, bool] | None) -> None:
    """Let something befall one of the writes to the store from now on."""
    _Killer.left, _Killer.is_after = -1, False
    left = [0]

    def fault(received: Received) -> Answer | None:
        is_write = received.method in ("PUT", "DELETE", "POST") and received.path.startswith(f"/{pair.store.name}/")
        if not is_write or fate is None:
            return None
        left[0] += 1
        if left[0] != fate[1] + 1:
            return None
        if fate[0] != "lost there":
            server.forward(received)
        return Answer(hang_up=True) if fate[0] == "hang up" else Answer(status=500)

    if fate is not None and fate[0].startswith("killed"):
        _Killer.left, _Killer.is_after = fate[1], fate[0] == "killed after"
    server.fault = (lambda _: None) if fate is None or fate[0].startswith("killed") else fault


def assert_is_beginning(pair: Pair) -> None:
    """Whatever happened, the store has nothing but the first versions of the source."""
    source = contents(pair.source)
    for key, history in contents(pair.store).items():
        assert history == source[key][: len(history)], key


def assert_mapped(context: SyncContext, pair: Pair, plan: Plan) -> None:
    """The journal has the ids of all versions of the keys that it is about."""
    source, store = histories(pair.source), histories(pair.store)
    for key, row in rows_of(context, plan).items():
        ids = zip([name for name, _ in source[key]], [name for name, _ in store[key]], strict=True)
        assert row.versions == [{"source": one, "store": other} for one, other in ids]
