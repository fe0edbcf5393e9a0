"""What goes wrong with objects on their way through this process."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.core.model.copy_task import CopyRules, CopyTask
from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.core.model.journal import CHANGED, CUSTOMER_KEY
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.streaming.streamer import Streamer
from hyve_pipeline.s3.wire.checksums import checksum
from hyve_pipeline_tests.digests import DigestStore
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import CONTENT, apply, copied_plan, outcomes, planned, put_in_parts
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import MakePair, Pair

BODY = CONTENT[: 13 * MIB + 4]


class TestFaults:
    """What goes wrong on the way through this process."""

    @pytest.fixture
    def pair(self, faulty: FaultyServer, make_pair: MakePair) -> Pair:
        return make_pair(through=faulty)

    def copied(self, pair: Pair, **options: Any) -> dict[str, tuple[str, str | None]]:
        context = pair.context(transfer="stream", **options)
        plan = copied_plan(context)
        return outcomes(context, plan)

    def spoil(self, faulty: FaultyServer, method: str, times: int) -> None:
        """Change a byte of contents on their way."""
        left = {"times": times}

        def fault(received: Received) -> Answer | None:
            is_content = received.method == method and "uploadId" not in received.query and not received.query
            if not is_content or received.path.count("/") < 2 or left["times"] < 1:
                return None
            left["times"] -= 1
            if method == "PUT":
                return faulty.forward(replace(received, body=b"!" + received.body[1:]))
            answer = faulty.forward(received)
            return replace(answer, body=b"!" + answer.body[1:])

        faulty.fault = fault

    @pytest.mark.parametrize("method", ["GET", "PUT"])
    @pytest.mark.parametrize("size", [10, 9 * MIB])
    def test_bytes_that_change_on_the_way_are_noticed(
        self, pair: Pair, faulty: FaultyServer, method: str, size: int
    ) -> None:
        pair.source.put({"k": BODY[:size]})
        self.spoil(faulty, method, times=1)
        assert self.copied(pair) == {"k": ("done", None)}
        assert pair.store.read() == {"k": BODY[:size]}

    @pytest.mark.parametrize("method", ["GET", "PUT"])
    @pytest.mark.parametrize("size", [10, 9 * MIB])
    def test_a_server_that_checks_the_md5_notices_them(
        self, pair: Pair, faulty: FaultyServer, method: str, size: int
    ) -> None:
        server = DigestStore(faulty, pair.store.name)
        pair.source.put({"a": b"1"})
        assert self.copied(pair) == {"a": ("done", None)}
        pair.source.put({"k": BODY[:size]})
        server.flips[method], server.position = 1, 0.7
        assert self.copied(pair)["k"] == ("done", None)
        assert server.refused[-1] == "k"
        assert pair.store.read() == pair.source.read()

    @pytest.mark.parametrize(("times", "outcome"), [(1, "done"), (10**6, "failed")])
    def test_parts_that_change_on_the_way_are_noticed(
        self, pair: Pair, faulty: FaultyServer, times: int, outcome: str
    ) -> None:
        put_in_parts(pair.source, "k", [5 * MIB, 5 * MIB])
        self.spoil(faulty, "GET", times)
        assert self.copied(pair)["k"][0] == outcome
        faulty.fault = lambda _: None
        assert pair.store.read() == (pair.source.read() if outcome == "done" else {})
        assert pair.store.client.list_multipart_uploads(Bucket=pair.store.name).get("Uploads", []) == []

    def tell(self, faulty: FaultyServer, **checksums: str) -> None:
        """Let the source tell checksums; the store takes some and tells none."""
        spoil = faulty.fault

        def fault(received: Received) -> Answer | None:
            answer = spoil(received) or faulty.forward(received)
            headers = {name: value for name, value in answer.headers.items() if "checksum" not in name.lower()}
            if received.method == "HEAD" and "partNumber" not in received.query:
                headers |= {f"x-amz-checksum-{name}": value for name, value in checksums.items()}
            return replace(answer, headers=headers)

        faulty.fault = fault

    @pytest.mark.parametrize(("times", "outcome"), [(0, "done"), (1, "done"), (10**6, "failed")])
    def test_a_store_that_tells_no_checksums(self, pair: Pair, faulty: FaultyServer, times: int, outcome: str) -> None:
        """All parts are held against the source's checksum of the whole, which is told here by the source alone."""
        pair.source.put({"k": BODY})
        self.spoil(faulty, "GET", times)
        self.tell(faulty, crc64nvme=checksum("CRC64NVME", BODY), type="FULL_OBJECT")
        assert self.copied(pair, stream_memory=32 * MIB)["k"][0] == outcome
        faulty.fault = lambda _: None
        assert pair.store.read() == (pair.source.read() if outcome == "done" else {})

    def test_a_checksum_of_other_parts_is_no_proof(self, pair: Pair, faulty: FaultyServer) -> None:
        put_in_parts(pair.source, "k", [7 * MIB, 6 * MIB])
        self.tell(faulty, sha256=f"{checksum('SHA256', b'of two checksums')}-2", type="COMPOSITE")
        assert self.copied(pair, stream_memory=32 * MIB, keep_parts=False) == {"k": ("done", None)}
        faulty.fault = lambda _: None
        assert pair.store.read() == pair.source.read()

    def test_objects_that_look_like_an_answer(self, pair: Pair) -> None:
        text = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code></Error>'
        codes = ["AccessDenied", "NoSuchKey", "PreconditionFailed", "SlowDown", "InvalidObjectState"]
        pair.source.put({code: text.format(code).encode() for code in codes})
        assert set(self.copied(pair).values()) == {("done", None)}
        assert pair.store.read() == pair.source.read()

    def test_what_the_store_does_not_find_is_not_the_source(self, pair: Pair, faulty: FaultyServer) -> None:
        pair.source.put({"k": b"1"})
        faulty.fault = lambda received: Answer(status=404) if received.method == "PUT" else None
        assert self.copied(pair) == {"k": ("failed", "NotFound")}

    def test_it_ends_while_parts_wait(self, pair: Pair, faulty: FaultyServer) -> None:
        etag = put_in_parts(pair.source, "k", [5 * MIB] * 4)
        reached, release = threading.Event(), threading.Event()

        def fault(received: Received) -> Answer | None:
            if received.method == "PUT":
                reached.set()
                release.wait(30)
            return None

        faulty.fault = fault
        context = pair.context()
        source, store = (context.connect(context.place(side)) for side in SIDES)
        with source, store:
            with Streamer(source, store, memory=512 * MIB, threads=1, window=Window(8), part_threads=1) as streaming:
                task = CopyTask("k", "k", 20 * MIB, etag, rules=CopyRules(keeps_parts=True))
                copied = streaming.copy(task)
                assert reached.wait(30)
                threading.Timer(0.5, release.set).start()
            assert copied.exception(timeout=30) is not None

    def test_an_object_that_changed_is_skipped(self, pair: Pair) -> None:
        pair.source.put({"k": b"old"})
        context = pair.context(transfer="stream")
        plan = planned(context)
        pair.source.put({"k": b"new"})
        apply(context, plan, "copy")
        assert outcomes(context, plan) == {"k": ("skipped", CHANGED)}
        assert pair.store.keys() == []

    @pytest.mark.parametrize("size", [3, 9 * MIB])
    def test_a_server_that_does_not_know_conditions(self, pair: Pair, faulty: FaultyServer, size: int) -> None:
        pair.source.put({"k": BODY[:size]})
        context = pair.context(transfer="stream")
        plan = planned(context)
        pair.source.put({"k": BODY[1 : size + 1]})

        def fault(received: Received) -> Answer | None:
            headers = {name: value for name, value in received.headers.items() if name != "if-match"}
            return faulty.forward(replace(received, headers=headers))

        faulty.fault = fault
        apply(context, plan, "copy")
        assert outcomes(context, plan) == {"k": ("skipped", CHANGED)}
        assert pair.store.keys() == []

    @pytest.mark.parametrize("transfer", ["stream", "server"])
    @pytest.mark.parametrize("in_parts", [True, False])
    def test_an_object_under_its_owners_key_is_skipped(
        self, pair: Pair, faulty: FaultyServer, transfer: str, in_parts: bool
    ) -> None:
        if in_parts:
            put_in_parts(pair.source, "k", [5 * MIB, 5 * MIB])
        else:
            pair.source.put({"k": b"secret"})
        words = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided."

        def fault(received: Received) -> Answer | None:
            reads = (
                received.method in ("GET", "HEAD") and received.path.endswith("/k") and "tagging" not in received.query
            )
            if not reads and "x-amz-copy-source" not in received.headers:
                return None
            return Answer(status=400) if received.method == "HEAD" else error_answer(400, "InvalidRequest", words)

        faulty.fault = fault
        context = pair.context(transfer=transfer)
        plan = copied_plan(context)
        assert outcomes(context, plan) == {"k": ("skipped", CUSTOMER_KEY)}
        assert pair.store.keys() == []

    def test_a_server_without_checksums(self, pair: Pair, faulty: FaultyServer) -> None:
        pair.source.put({"a": b"1", "b": b"2"})

        def fault(received: Received) -> Answer | None:
            if any(name.startswith("x-amz-checksum-c") for name in received.headers):
                return error_answer(400, "InvalidRequest", "unsupported checksum algorithm")
            return None

        faulty.fault = fault
        assert self.copied(pair) == {"a": ("done", None), "b": ("done", None)}
        assert pair.store.read() == {"a": b"1", "b": b"2"}
