"""Comparing contents: what is equal, what only looks equal, and what nobody can tell."""

from collections.abc import Callable

import pytest

from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.verification import Verification
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.requests import contents
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline.state.parquet import ParquetReader
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import copied_plan
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import MakePair, Pair

_OBJECTS = {"a": b"1234567890", "dir/b": b"", "é": b"x" * 37, "z": b"12345"}


@pytest.fixture
def pair(make_pair: MakePair, faulty: FaultyServer) -> Pair:
    """A sync behind the proxy."""
    return make_pair(through=faulty)


@pytest.fixture
def copied(pair: Pair) -> tuple[SyncContext, Plan]:
    """A plan that is done."""
    pair.source.put(_OBJECTS)
    context = pair.context()
    plan = copied_plan(context)
    return context, plan


def _without_checksums(faulty: FaultyServer, also: Callable[[Received], Answer | None] = lambda _: None) -> None:
    """Let the server keep no checksums."""

    def fault(received: Received) -> Answer | None:
        if "x-amz-checksum-mode" not in received.headers:
            return also(received)
        answer = faulty.forward(received)
        kept = {name: value for name, value in answer.headers.items() if "checksum" not in name.lower()}
        return Answer(answer.body, answer.status, kept)

    faulty.fault = fault


def _differences(verification: Verification) -> list[tuple[str, str]]:
    return [(kind.value, key) for kind, key in verification.examples]


def _reads(faulty: FaultyServer) -> list[Received]:
    return [received for received in faulty.received if "range" in received.headers]


def test_equal_by_reading(
    copied: tuple[SyncContext, Plan], faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "PART", 10)
    _without_checksums(faulty)
    faulty.received.clear()
    found = verify_plan(*copied, content="100%")
    assert found.verified
    assert found.objects == 4
    assert found.content is not None
    assert (found.content.objects, found.content.bytes, found.content.skipped) == (4, 52, {})
    assert len(_reads(faulty)) == 2 * (1 + 0 + 4 + 1)


def test_without_being_asked_nothing_is_read(copied: tuple[SyncContext, Plan], faulty: FaultyServer) -> None:
    faulty.received.clear()
    assert verify_plan(*copied).content is None
    assert not _reads(faulty)


def _with_checksums(faulty: FaultyServer, values: dict[str, str], kind: str | None) -> None:
    """Let the server tell checksums of the object `z`: by bucket label."""

    def fault(received: Received) -> Answer | None:
        if "x-amz-checksum-mode" not in received.headers:
            return None
        answer = faulty.forward(received)
        headers = {name: value for name, value in answer.headers.items() if "checksum" not in name.lower()}
        label = received.path.split("/")[1].split("-")[0]
        headers["x-amz-checksum-crc64nvme"] = values[label] if received.path.endswith("/z") else "equal"
        if kind is not None:
            headers["x-amz-checksum-type"] = kind
        return Answer(answer.body, answer.status, headers)

    faulty.fault = fault


@pytest.mark.parametrize(
    ("source", "store", "kind", "reads", "verified"),
    [
        ("AAAA", "AAAA", "FULL_OBJECT", 0, True),
        ("AAAA", "BBBB", "FULL_OBJECT", 0, False),
        ("AAAA-2", "AAAA-2", "COMPOSITE", 0, True),
        # Other parts, perhaps; only reading tells.
        ("AAAA-2", "BBBB-3", "COMPOSITE", 2, True),
        ("AAAA-2", "BBBB-3", None, 2, True),
        ("AAAA", "BBBB", None, 0, False),
        ("AAAA", "AAAA-2", None, 2, True),
    ],
)
def test_checksums_spare_the_reading_where_they_tell(
    source: str,
    store: str,
    kind: str | None,
    reads: int,
    verified: bool,
    copied: tuple[SyncContext, Plan],
    faulty: FaultyServer,
) -> None:
    _with_checksums(faulty, {"source": source, "store": store}, kind)
    faulty.received.clear()
    found = verify_plan(*copied, content="100%")
    assert found.verified is verified
    assert _differences(found) == ([] if verified else [("content", "z")])
    assert len(_reads(faulty)) == reads


def test_content_that_differs_behind_the_same_etag(
    pair: Pair, copied: tuple[SyncContext, Plan], faulty: FaultyServer
) -> None:
    def rotten(received: Received) -> Answer | None:
        if "range" not in received.headers or received.path != f"/{pair.store.name}/a":
            return None
        answer = faulty.forward(received)
        return Answer(answer.body[:-1] + b"?", answer.status, answer.headers)

    _without_checksums(faulty, rotten)
    found = verify_plan(*copied, content="100%")
    assert not found.verified
    assert _differences(found) == [("content", "a")]
    assert found.objects == 3


@pytest.mark.parametrize("side", ["source", "store"])
def test_content_that_can_not_be_read_is_no_success(
    side: str, pair: Pair, copied: tuple[SyncContext, Plan], faulty: FaultyServer
) -> None:
    path = f"/{(pair.source if side == 'source' else pair.store).name}/a"
    _without_checksums(
        faulty, lambda received: Answer(status=403) if "range" in received.headers and received.path == path else None
    )
    found = verify_plan(*copied, content="100%")
    assert _differences(found) == [("unread", "a")]


def test_a_part_that_is_cut_short_is_read_again(
    pair: Pair, copied: tuple[SyncContext, Plan], faulty: FaultyServer
) -> None:
    cut: list[Received] = []

    def short(received: Received) -> Answer | None:
        if "range" not in received.headers or received.path != f"/{pair.store.name}/a" or len(cut) == 2:
            return None
        cut.append(received)
        return Answer(b"123", 206, {})

    _without_checksums(faulty, short)
    assert verify_plan(*copied, content="100%").verified
    assert len(cut) == 2


def test_what_changed_since_the_plan_is_not_compared(
    pair: Pair, copied: tuple[SyncContext, Plan], faulty: FaultyServer
) -> None:
    _without_checksums(faulty)
    pair.source.put({"a": b"another, longer one"})
    pair.source.delete("z")
    found = verify_plan(*copied, content="100%")
    assert found.verified
    assert found.content is not None
    assert found.content.skipped == {"changed since the plan": 2}
    assert found.content.objects == 2


def test_a_share_of_them(make_pair: MakePair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make_pair(prefixes=("from/", "to/"))
    pair.source.put({f"from/{number:03d}": b"1" for number in range(200)} | {"from/x.tmp": b"1"})
    context = pair.context(exclude=["*.tmp"])
    plan = copied_plan(context)
    pair.store.put({"to/x.tmp": b"2"})
    found = verify_plan(context, plan, content="20%")
    assert found.verified
    assert found.content is not None
    assert 10 < found.content.objects < 80
    whole = verify_plan(context, plan, content="100%").content
    assert whole is not None
    assert (whole.percent, whole.objects, whole.bytes, whole.skipped) == (100.0, 200, 200, {})
    assert (whole.by_checksum, whole.gets) == (0, 400)


def test_only_what_checksums_leave_open_is_read_and_all_that_is_equal_is_kept(
    pair: Pair, copied: tuple[SyncContext, Plan], faulty: FaultyServer
) -> None:
    context, plan = copied

    def fault(received: Received) -> Answer | None:
        if "x-amz-checksum-mode" not in received.headers:
            return None
        answer = faulty.forward(received)
        headers = {name: value for name, value in answer.headers.items() if "checksum" not in name.lower()}
        if not received.path.endswith("/z"):
            headers["x-amz-checksum-crc32"] = "AAAAAA=="
        return Answer(answer.body, answer.status, headers)

    faulty.fault = fault
    faulty.received.clear()
    content = verify_plan(context, plan, content="100%").content
    assert content is not None
    assert (content.objects, content.by_checksum, content.gets) == (4, 3, 2)
    assert len(_reads(faulty)) == 2
    assert content.file is not None
    reader = ParquetReader(context.state, content.file)
    rows = [row for table in reader.tables() for row in table.to_pylist()]
    reader.close()
    assert [(row["key"], row["how"], bool(row["checksum"])) for row in rows] == [
        *(("a", "checksum", True), ("dir/b", "checksum", True), ("z", "read", False), ("é", "checksum", True)),
    ]
    etags = {key: etag.strip('"') for key, (_, etag, _) in pair.store.listing().items()}
    assert {row["key"]: row["store_etag"] for row in rows} == etags
