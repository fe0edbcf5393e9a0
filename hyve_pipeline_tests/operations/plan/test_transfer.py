"""Who moves the bytes, and objects that are moved through this process."""

from pathlib import Path
from typing import Any

import pytest

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError
from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline.s3.streaming import streamer
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import (
    CONTENT,
    apply,
    copied_keys,
    copied_plan,
    outcomes,
    planned,
    put_in_parts,
    rows_of,
)
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import NAME, PATIENCE_SECONDS, Bucket, MakePair, Pair

BODY = CONTENT[: 13 * MIB + 4]
PROPERTIES: dict[str, Any] = {
    "ContentType": "text/csv",
    "CacheControl": "no-cache",
    "ContentDisposition": "attachment",
    "ContentEncoding": "identity",
    "ContentLanguage": "de",
    "Metadata": {"origin": "camera 7"},
    "StorageClass": "STANDARD_IA",
    "Tagging": "team=a%20b%2Bc&empty=",
}


def between(source: Bucket, store: Bucket, home: Path, **options: Any) -> Pair:
    pair = Pair(home, source, store)
    pair.configure(**options)
    return pair


@pytest.fixture
def apart(make_place: MakePlace, second_moto_endpoint: str, tmp_path: Path) -> Pair:
    """Two buckets on two servers."""
    places = make_place("source"), make_place("store", endpoint_url=second_moto_endpoint)
    source, store = (Bucket(place, str(place.endpoint_url)) for place in places)
    return between(source, store, tmp_path / "home")


def tags_of(bucket: Bucket, key: str) -> list[dict[str, str]]:
    return bucket.client.get_object_tagging(Bucket=bucket.name, Key=key)["TagSet"]


def test_two_servers_mean_streaming(apart: Pair) -> None:
    apart.source.put({"small": b"x", "empty": b"", "large": BODY}, **PROPERTIES)
    etag = put_in_parts(apart.source, "parts", [6 * MIB, 6 * MIB, MIB], ContentType="image/tiff")
    context = apart.context()
    plan = planned(context)
    assert plan.transfer.by == "stream"
    assert "two servers" in plan.transfer.reason
    apply(context, plan, "copy")
    assert set(outcomes(context, plan).values()) == {("done", None)}
    keys = apart.source.keys()
    assert apart.store.carried(keys) == apart.source.carried(keys)
    assert tags_of(apart.store, "large") == tags_of(apart.source, "large") != []
    assert apart.store.listing()["parts"][1] == f'"{etag}"'
    rows = rows_of(context, plan)
    assert {key: rows[key].etag_after for key in keys} == {
        key: apart.source.listing()[key][1].strip('"') for key in keys
    }
    assert apart.store.client.list_multipart_uploads(Bucket=apart.store.name).get("Uploads", []) == []
    assert planned(context).shards == ()


def test_shards_are_smaller_when_they_are_streamed(apart: Pair) -> None:
    apart.source.put({f"{number}": b"x" for number in range(10)})
    apart.store.put({f"old {number}": b"x" for number in range(10)})
    plan = planned(apart.context(shard_objects=8, max_deletes="100%"))
    assert [(shard.action, shard.objects) for shard in plan.shards] == [
        *[("copy", 2)] * 5,
        ("delete", 8),
        ("delete", 2),
    ]


def test_odd_keys_are_streamed(apart: Pair) -> None:
    apart.source.put(dict.fromkeys(ODD_KEYS, b"x"))
    context = apart.context()
    plan = copied_plan(context)
    assert set(outcomes(context, plan).values()) == {("done", None)}
    assert apart.store.keys() == apart.source.keys()


@pytest.mark.rclone
@pytest.mark.parametrize("towards_rclone", [True, False])
def test_between_two_implementations(
    make_place: MakePlace, rclone_endpoint: str, tmp_path: Path, towards_rclone: bool
) -> None:
    ends = (None, rclone_endpoint) if towards_rclone else (rclone_endpoint, None)
    places = [make_place(label, endpoint_url=end) for label, end in zip(("source", "store"), ends, strict=True)]
    source, store = (Bucket(place, str(place.endpoint_url)) for place in places)
    pair = between(source, store, tmp_path / "home")
    pair.source.put({"small.txt": b"x", "empty": b"", "deep/large.bin": BODY}, ContentType="text/plain")
    context = pair.context()
    plan = copied_plan(context)
    assert set(outcomes(context, plan).values()) == {("done", None)}
    assert pair.store.read() == pair.source.read()


@pytest.mark.parametrize("sizes", [[5 * MIB, 7 * MIB, 1000], [6 * MIB, 5 * MIB], [7 * MIB]])
def test_parts_that_are_not_of_one_size_are_kept(apart: Pair, sizes: list[int]) -> None:
    etag = put_in_parts(apart.source, "k", sizes)
    context = apart.context()
    copied_plan(context)
    assert apart.store.listing()["k"][1] == f'"{etag}"'


@pytest.mark.parametrize(("kept", "parts"), [(True, 3), (False, 1)])
def test_the_server_keeps_parts_too(make_pair: MakePair, kept: bool, parts: int) -> None:
    pair = make_pair()
    etag = put_in_parts(pair.source, "k", [6 * MIB, 6 * MIB, MIB], **PROPERTIES)
    context = pair.context(keep_parts=kept)
    plan = planned(context)
    assert plan.transfer.by == "server"
    apply(context, plan, "copy")
    copied = pair.store.listing()["k"][1].strip('"')
    assert (copied == etag) is kept
    assert copied.endswith("-3") is (parts == 3)
    assert pair.store.carried(["k"]) == pair.source.carried(["k"])
    assert tags_of(pair.store, "k") == tags_of(pair.source, "k") != []


def test_memory_is_bounded(apart: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0

    class Watched(streamer.Budget):
        def take(self, count: int) -> int:
            nonlocal most
            taken = super().take(count)
            most = max(most, self._used)
            return taken

    monkeypatch.setattr(streamer, "Budget", Watched)
    apart.source.put({f"{number}": BODY[: 12 * MIB] for number in range(8)})
    context = apart.context(stream_memory=32 * MIB)
    plan = copied_plan(context)
    assert set(outcomes(context, plan).values()) == {("done", None)}
    assert 24 * MIB <= most <= 32 * MIB


class TestChoice:
    """How it is found out who can move the bytes."""

    def with_two_profiles(self, pair: Pair, **options: Any) -> SyncContext:
        """The sync, with credentials of its own on each side."""
        settings = SyncSettings(
            name=NAME,
            source=pair.source.place,
            store=pair.store.place.model_copy(update={"profile": "store"}),
            options=Options.model_validate({"patience_seconds": PATIENCE_SECONDS} | options),
        )
        return SyncContext(Home(pair.home), settings)

    @pytest.fixture
    def pair(self, faulty: FaultyServer, make_pair: MakePair, tmp_path: Path) -> Pair:
        credentials = tmp_path / "aws_credentials"
        text = credentials.read_text() if credentials.exists() else ""
        pair = make_pair(through=faulty)
        text = credentials.read_text()
        credentials.write_text(f"{text}[store]\naws_access_key_id = AKIDSTORE\naws_secret_access_key = secret\n")
        pair.source.put({"a": b"1", "b": b"2"})
        return pair

    def test_the_server_copies_where_the_store_may_read(self, pair: Pair, faulty: FaultyServer) -> None:
        context = self.with_two_profiles(pair)
        plan = planned(context)
        assert (plan.transfer.by, plan.transfer.reason) == ("server", "the store's credentials may read the source")
        apply(context, plan, "copy")
        assert {"a", "b"} == {key.rpartition("/")[2] for key in copied_keys(faulty.received)}

    def deny_the_store(self, pair: Pair, faulty: FaultyServer) -> None:
        """Nobody but the source's own credentials may read it, as policies have it by default."""

        def fault(received: Received) -> Answer | None:
            is_store = "AKIDSTORE" in received.headers.get("authorization", "")
            reads = received.path.startswith(f"/{pair.source.name}/") or "x-amz-copy-source" in received.headers
            return error_answer(403, "AccessDenied") if is_store and reads else None

        faulty.fault = fault

    def test_it_is_streamed_where_the_store_may_not_read(self, pair: Pair, faulty: FaultyServer) -> None:
        self.deny_the_store(pair, faulty)
        context = self.with_two_profiles(pair)
        plan = planned(context)
        assert plan.transfer.by == "stream"
        assert "may not read the source (AccessDenied" in plan.transfer.reason
        apply(context, plan, "copy")
        assert set(outcomes(context, plan).values()) == {("done", None)}
        assert pair.store.read() == {"a": b"1", "b": b"2"}

    def test_the_server_can_be_forced_and_then_fails_openly(self, pair: Pair, faulty: FaultyServer) -> None:
        self.deny_the_store(pair, faulty)
        context = self.with_two_profiles(pair, transfer="server")
        plan = copied_plan(context)
        assert set(outcomes(context, plan).values()) == {("failed", "AccessDenied")}

    def test_streaming_can_be_forced(self, pair: Pair, faulty: FaultyServer) -> None:
        copied_plan(pair.context(transfer="stream"))
        assert pair.store.read() == {"a": b"1", "b": b"2"}
        assert copied_keys(faulty.received) == []

    def test_the_server_cannot_be_forced_across_servers(self, apart: Pair) -> None:
        apart.source.put({"a": b"1"})
        with pytest.raises(ConfigurationError, match='transfer = "server"'):
            planned(apart.context(transfer="server"))

    def test_an_archived_object_says_nothing_of_permissions(self, pair: Pair, faulty: FaultyServer) -> None:
        faulty.fault = lambda received: (
            error_answer(403, "InvalidObjectState")
            if received.method == "GET" and "range" in received.headers
            else None
        )
        assert planned(self.with_two_profiles(pair)).transfer.by == "server"

    def test_a_source_that_cannot_be_asked_leaves_no_plan(self, pair: Pair, faulty: FaultyServer) -> None:
        faulty.fault = lambda received: (
            error_answer(503, "ServiceUnavailable")
            if "AKIDSTORE" in received.headers["authorization"]
            and received.method == "GET"
            and "range" in received.headers
            else None
        )
        context = self.with_two_profiles(pair)
        with pytest.raises(BucketError):
            planned(context)
        assert context.plans.newest() is None
