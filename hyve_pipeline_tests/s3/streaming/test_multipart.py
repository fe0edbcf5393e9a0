"""Objects that are streamed in parts: who hashes them, and bits that flip on the way."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import pytest

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.core.model.copy_task import NO_OBJECT, CopyRules, CopyTask
from hyve_pipeline.core.settings.places import AWS, DEFAULT_ORIGIN
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.objects.source_responses import CopyResult
from hyve_pipeline.s3.streaming.streamer import Streamer
from hyve_pipeline.s3.wire.checksums import checksum, composite
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, S3RequestError
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.digests import DigestStore
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer, head_answer
from hyve_pipeline_tests.servers import client_for, read_bucket

SIZES = (5 * MIB, 5 * MIB, 3)
BODY = bytes(range(256)) * (10 * MIB // 256) + b"end"
_PATIENCE = 120


class Pair:
    """A source and a store behind one proxy, which checks what arrives in the store."""

    def __init__(self, make_place: MakePlace, faulty: FaultyServer, connect: Connect) -> None:
        places = (make_place("source"), make_place("store"))
        self.client = client_for(str(places[0].endpoint_url))
        self.source, self.store = (
            connect(place.model_copy(update={"endpoint_url": faulty.endpoint_url})) for place in places
        )
        self.server = DigestStore(faulty, self.store.bucket)

    def put_in_parts(self, key: str) -> str:
        where: dict[str, Any] = {"Bucket": self.source.bucket, "Key": key}
        where["UploadId"] = self.client.create_multipart_upload(**where)["UploadId"]
        parts: list[dict[str, Any]] = []
        for number, size in enumerate(SIZES, start=1):
            first = sum(SIZES[: number - 1])
            answer = self.client.upload_part(**where, PartNumber=number, Body=BODY[first : first + size])
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        return self.client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})["ETag"].strip('"')

    def put(self, key: str) -> str:
        return self.client.put_object(Bucket=self.source.bucket, Key=key, Body=BODY)["ETag"].strip('"')

    def stored(self) -> dict[str, bytes]:
        return read_bucket(self.client, self.store.bucket)

    def open_uploads(self) -> list[Any]:
        return self.client.list_multipart_uploads(Bucket=self.store.bucket).get("Uploads", [])


PARTS = [BODY[sum(SIZES[:place]) : sum(SIZES[: place + 1])] for place in range(len(SIZES))]


class Attributes:
    """The source's server has checksums of the parts, as S3 has them; source and store are taken for it."""

    def __init__(self, pair: Pair, algorithm: str, etag: str) -> None:
        for connection in (pair.source, pair.store):
            connection.place = connection.place.model_copy(
                update={"endpoint_url": None, "endpoint_origin": DEFAULT_ORIGIN}
            )
            assert connection.place.server == AWS
        self.algorithm = algorithm
        self.etag = etag
        self.checksums = [checksum(algorithm, part) for part in PARTS]
        self.asked = 0
        # A page of its own for each part, so that all pages must be read.
        self.answer: Callable[[Received], Answer] = self.tell
        self._bucket = pair.source.bucket
        pair.server.returns = True
        pair.server.change = self._change

    def tell(self, received: Received) -> Answer:
        number = int(received.headers["x-amz-part-number-marker"]) + 1
        name = f"Checksum{self.algorithm}"
        part = (
            f"<Part><PartNumber>{number}</PartNumber><Size>{SIZES[number - 1]}</Size>"
            f"<{name}>{self.checksums[number - 1]}</{name}></Part>"
        )
        is_truncated = str(number < len(SIZES)).lower()
        parts = (
            f"<PartsCount>{len(SIZES)}</PartsCount><NextPartNumberMarker>{number}</NextPartNumberMarker>"
            f"<IsTruncated>{is_truncated}</IsTruncated>{part}"
        )
        body = (
            f"<GetObjectAttributesResponse><ETag>{self.etag}</ETag><ObjectParts>{parts}</ObjectParts>"
            f"<ObjectSize>{len(BODY)}</ObjectSize></GetObjectAttributesResponse>"
        )
        return Answer(body.encode())

    def _change(self, received: Received, answer: Answer) -> Answer:
        if not received.path.startswith(f"/{self._bucket}/") or received.method not in ("GET", "HEAD"):
            return answer
        if "attributes" in received.query:
            self.asked += 1
            return self.answer(received)
        if "annotation" in received.query:
            return error_answer(501, "NotImplemented")
        whole = {f"x-amz-checksum-{self.algorithm.lower()}": composite(self.algorithm, self.checksums)}
        has_them = received.method == "HEAD" and not received.query
        return replace(answer, headers=answer.headers | whole) if has_them else answer


@pytest.mark.parametrize("algorithm", ["SHA256", "CRC32C"])
def test_nothing_is_hashed_here_if_the_source_promises_each_part(
    pair: Pair, streamer: Streamer, hashed: Counter[str], algorithm: str
) -> None:
    attributes = Attributes(pair, algorithm, etag := pair.put_in_parts("k"))
    pair.server.checks = False
    hashed.clear()
    copied = _copied(streamer, "k", etag)
    assert copied.etag == etag
    assert copied.shared == ("composite_checksum", f"{algorithm}:{composite(algorithm, attributes.checksums)}")
    # The composite checksum is that of three checksums, and no byte of the object is hashed.
    assert hashed.keys() == {algorithm}
    assert hashed.total() < 1000
    assert attributes.asked == len(SIZES)
    assert pair.stored() == {"k": BODY}


def _other_object(attributes: Attributes, received: Received) -> Answer:
    answer = attributes.tell(received)
    return replace(answer, body=answer.body.replace(attributes.etag.encode(), b"1" * 32 + b"-3"))


def _object_itself(_: Attributes, received: Received) -> Answer:
    return head_answer(3) if received.method == "HEAD" else Answer(b"abc", headers={"ETag": '"e"'})


def _no_checksums(attributes: Attributes, received: Received) -> Answer:
    answer = attributes.tell(received)
    return replace(answer, body=answer.body.replace(b"Checksum", b"Other"))


def _refused(_: Attributes, __: Received) -> Answer:
    return error_answer(403, "AccessDenied")


@pytest.mark.parametrize("answer", [_other_object, _object_itself, _no_checksums, _refused])
def test_one_checksum_of_each_part_is_made_here_if_the_source_promises_none(
    pair: Pair, streamer: Streamer, hashed: Counter[str], answer: Callable[[Attributes, Received], Answer]
) -> None:
    attributes = Attributes(pair, "CRC32C", etag := pair.put_in_parts("k"))
    attributes.answer = partial(answer, attributes)
    pair.server.checks = False
    hashed.clear()
    assert _copy(streamer, "k", etag) == etag
    assert len(BODY) <= hashed["CRC32C"] < len(BODY) + 1000
    assert hashed.keys() == {"CRC32C"}
    assert pair.stored() == {"k": BODY}


@pytest.mark.parametrize("leg", ["GET", "PUT"])
@pytest.mark.parametrize(("part", "position"), [(1, 0.0), (2, 0.6), (3, 1.0)])
def test_a_bit_that_flips_in_a_part_that_the_source_promises_is_noticed(
    pair: Pair, streamer: Streamer, leg: str, part: int, position: float
) -> None:
    Attributes(pair, "CRC32C", etag := pair.put_in_parts("k"))
    pair.server.is_meant = partial(_is_of_part, part)
    pair.server.flips[leg], pair.server.position = 1, position
    if leg == "GET":
        with pytest.raises(S3RequestError, match="what was read is not the object: its CRC32C is") as raised:
            _copy(streamer, "k", etag)
        assert raised.value.code == INVALID_RESPONSE
        assert pair.stored() == {}
    _copy(streamer, "k", etag)
    assert "k" in pair.server.refused
    assert pair.stored() == {"k": BODY}
    assert pair.open_uploads() == []


@pytest.fixture
def pair(make_place: MakePlace, faulty: FaultyServer, connect: Connect) -> Pair:
    return Pair(make_place, faulty, connect)


@pytest.fixture
def streamer(pair: Pair) -> Iterator[Streamer]:
    with Streamer(pair.source, pair.store, memory=32 * MIB, threads=1, window=Window(1)) as streamer:
        yield streamer


def _copied(streamer: Streamer, key: str, etag: str) -> CopyResult:
    task = CopyTask(key, key, len(BODY), etag, rules=CopyRules(keeps_parts=True), store_etag=NO_OBJECT)
    return streamer.copy(task).result(timeout=_PATIENCE)


def _copy(streamer: Streamer, key: str, etag: str) -> str:
    return _copied(streamer, key, etag).etag


def _is_of_part(part: int, received: Received) -> bool:
    """Whether a request reads or writes a part, by its number from 1."""
    if received.method == "GET":
        return received.headers.get("range", "").startswith(f"bytes={sum(SIZES[: part - 1])}-")
    return received.query.get("partNumber") == str(part)


def test_no_md5_is_made_of_parts_once_etags_have_proved_them(
    pair: Pair, streamer: Streamer, hashed: Counter[str]
) -> None:
    etags = [pair.put_in_parts(key) for key in ("a", "b")]
    pair.server.checks = False
    assert _copy(streamer, "a", etags[0]) == etags[0]
    hashed.clear()
    assert _copy(streamer, "b", etags[1]) == etags[1]
    assert hashed == {"CRC64NVME": len(BODY)}
    assert pair.stored() == {"a": BODY, "b": BODY}


def test_no_byte_is_hashed_three_times_for_the_md5_of_the_whole(
    pair: Pair, streamer: Streamer, hashed: Counter[str]
) -> None:
    etag = pair.put("k")
    pair.server.checks = False
    _copy(streamer, "k", etag)
    # Besides, all parts are hashed in order.
    assert hashed == {"MD5": len(BODY)}
    assert pair.stored() == {"k": BODY}


_LEGS = [("GET", True), ("PUT", True), ("PUT", False)]
_PLACES = [(True, 1, 0.0), (True, 2, 0.6), (True, 3, 1.0), (False, 1, 0.0), (False, 1, 1.0)]
_TRANSPORTS = ["crt", "botocore"]


@pytest.mark.parametrize(
    ("leg", "checks", "keeps", "part", "position", "transport"),
    # Each leg and each place by either transport, and each leg with each place.
    [(*_LEGS[i], *_PLACES[j], _TRANSPORTS[(i + j) % 2]) for i, j in product(range(3), range(5))],
)
def test_a_bit_that_flips_in_a_part_is_noticed(
    pair: Pair, streamer: Streamer, leg: str, checks: bool, keeps: bool, part: int, position: float
) -> None:
    etags = [pair.put_in_parts(key) if keeps else pair.put(key) for key in ("first", "k")]
    pair.server.checks = checks
    _copy(streamer, "first", etags[0])
    pair.server.is_meant = partial(_is_of_part, part)
    pair.server.flips[leg], pair.server.position = 1, position
    if leg == "PUT" and checks:
        _copy(streamer, "k", etags[1])
        assert pair.server.refused == ["k"]
    else:
        with pytest.raises(S3RequestError) as raised:
            _copy(streamer, "k", etags[1])
        assert raised.value.code == INVALID_RESPONSE
        assert set(pair.stored()) == {"first"}
        _copy(streamer, "k", etags[1])
    assert pair.server.flips == {"GET": 0, "PUT": 0}
    assert pair.stored() == {"first": BODY, "k": BODY}
    assert pair.open_uploads() == []


def test_parts_are_hashed_again_once_their_etags_are_no_md5s(
    pair: Pair, streamer: Streamer, hashed: Counter[str]
) -> None:
    """As after the bucket got a KMS key."""
    etags = [pair.put_in_parts(key) for key in ("first", "k")]
    _copy(streamer, "first", etags[0])

    def encrypt(received: Received, answer: Answer) -> Answer:
        encrypted = {"x-amz-server-side-encryption": "aws:kms"}
        return replace(answer, headers=answer.headers | encrypted) if "partNumber" in received.query else answer

    pair.server.change = encrypt
    hashed.clear()
    _copy(streamer, "k", etags[1])
    assert hashed["MD5"] == len(BODY)
    assert pair.stored() == {"first": BODY, "k": BODY}
