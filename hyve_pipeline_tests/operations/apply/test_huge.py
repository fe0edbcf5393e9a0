"""Objects of up to 48.8 TiB, by the sizes that a proxy makes up: their parts, and what becomes of larger ones."""

import re
import threading

import pytest

from hyve_pipeline.core.base.sizes import GIB
from hyve_pipeline.s3.objects.multipart_api import MAX_OBJECT_SIZE, MAX_PART_SIZE
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import copied_plan, outcomes, rows_of
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import MakePair

TIB = 1024 * GIB
HUGE = b"h" * 4321

# moto keeps what it gets: the parts of a huge object are taken from here.
_COPIED = b'<CopyPartResult><ETag>"9e107d9d372bb6826bd81d3542a419d6"</ETag></CopyPartResult>'


class Enlarging:
    """Lets objects of 4,321 bytes seem to have another size, and notes the parts that are copied of them."""

    def __init__(self, server: FaultyServer, size: int) -> None:
        self._server = server
        self._size = size
        self._lock = threading.Lock()
        self.ranges: dict[int, tuple[int, int]] = {}
        self.completed: list[Received] = []
        server.fault = self

    def __call__(self, received: Received) -> Answer | None:
        source_range = received.headers.get("x-amz-copy-source-range")
        if source_range is not None:
            first, last = re.findall("[0-9]+", source_range)
            with self._lock:
                self.ranges[int(received.query["partNumber"])] = int(first), int(last)
            return Answer(_COPIED)
        if received.method == "POST" and "uploadId" in received.query:
            self.completed.append(received)
            body = b'<CompleteMultipartUploadResult><ETag>"0123456789abcdef0123456789abcdef-9"</ETag>'
            return Answer(body + b"</CompleteMultipartUploadResult>")
        if received.method == "GET" and "list-type" in received.query:
            answer = self._server.forward(received)
            body = answer.body.replace(b"<Size>4321</Size>", b"<Size>%d</Size>" % self._size)
            return Answer(body, answer.status, {k: v for k, v in answer.headers.items() if k != "Content-Length"})
        return None


def test_a_huge_object_is_copied_in_parts_that_s3_takes(faulty: FaultyServer, make_pair: MakePair) -> None:
    """How larger ones are divided is in `s3.copying.test_multipart_copy`: 10,000 parts take long here."""
    size = 5 * TIB - 1
    pair = make_pair(through=faulty)
    pair.source.put({"huge": HUGE})
    enlarged = Enlarging(faulty, size)
    context = pair.context(transfer="server", multipart_part_size=MAX_PART_SIZE)
    plan = copied_plan(context)
    assert outcomes(context, plan) == {"huge": ("done", None)}
    parts = [enlarged.ranges[number] for number in sorted(enlarged.ranges)]
    assert sorted(enlarged.ranges) == list(range(1, len(parts) + 1))
    assert len(parts) == 1024
    assert max(last - first + 1 for first, last in parts) <= MAX_PART_SIZE
    assert [first for first, _ in parts] == [0, *(last + 1 for _, last in parts[:-1])]
    assert parts[-1][1] == size - 1
    assert enlarged.completed[0].body.count(b"<Part>") == len(parts)


@pytest.mark.parametrize("way", ["server", "stream"])
def test_a_larger_one_is_refused_alone_with_one_line(faulty: FaultyServer, make_pair: MakePair, way: str) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"huge": HUGE, "small": b"x", "other": b"y"})
    Enlarging(faulty, MAX_OBJECT_SIZE + 1)
    context = pair.context(transfer=way)
    plan = copied_plan(context)
    assert outcomes(context, plan) == {
        "huge": ("failed", "EntityTooLarge"),
        "small": ("done", None),
        "other": ("done", None),
    }
    detail = rows_of(context, plan)["huge"].detail or ""
    assert detail.startswith(f"CreateMultipartUpload {pair.store.name} key 'huge': EntityTooLarge: ")
    assert detail.endswith("S3 stores at most 53,687,091,200,000 (48.8 TiB), in 10,000 parts of 5 GiB: exclude it")
    assert "\n" not in detail
    assert pair.store.keys() == ["other", "small"]
    assert pair.store.client.list_multipart_uploads(Bucket=pair.store.name).get("Uploads", []) == []
