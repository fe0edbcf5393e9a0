"""Objects that are streamed as a whole: who hashes them, and bits that flip on the way."""

import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hyve_pipeline.core.model.copy_task import NO_OBJECT, CopyTask
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.retry_policy import RetryPolicy
from hyve_pipeline.s3.connection.server_abilities import CHECKSUMS, CONTENT_MD5
from hyve_pipeline.s3.objects.source_responses import CopyResult
from hyve_pipeline.s3.streaming.whole import put_whole, read_by_one_request
from hyve_pipeline.s3.wire.checksums import checksum
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, S3RequestError
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.digests import DigestStore
from hyve_pipeline_tests.faults import Fault, FaultyServer
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.servers import client_for, put_objects, read_bucket

BODY = bytes(range(256)) * 20
ETAG = hashlib.md5(BODY).hexdigest()
POSITIONS = pytest.mark.parametrize("position", [0.0, 0.37, 1.0])


class Pair:
    """A source and a store behind one proxy, and the source's object ``k``."""

    def __init__(self, make_place: MakePlace, faulty: FaultyServer, connect: Connect) -> None:
        places = (make_place("source"), make_place("store"))
        self.client = client_for(str(places[0].endpoint_url))
        self.places: list[BucketSettings] = [
            place.model_copy(update={"endpoint_url": faulty.endpoint_url}) for place in places
        ]
        self.source, self.store = map(connect, self.places)
        self.faulty = faulty
        self.server = DigestStore(faulty, self.store.bucket)
        put_objects(self.client, self.source.bucket, {"k": BODY})

    def copy(self, key: str = "k") -> CopyResult:
        """Stream ``k`` to a key that the store lacks."""
        task = CopyTask("k", key, len(BODY), ETAG, store_etag=NO_OBJECT)
        return put_whole(self.source, self.store, task, read_by_one_request(self.source, task).result()).result()

    def learn(self) -> None:
        """Find out what the store's server does."""
        self.copy("first")
        self.server.refused.clear()
        self.faulty.received.clear()

    def stored(self) -> dict[str, bytes]:
        return {key: body for key, body in read_bucket(self.client, self.store.bucket).items() if key != "first"}

    def puts(self) -> list[Received]:
        return [one for one in self.faulty.received if one.method == "PUT"]


@pytest.fixture
def pair(make_place: MakePlace, faulty: FaultyServer, connect: Connect) -> Pair:
    return Pair(make_place, faulty, connect)


def _tell(pair: Pair, **headers: str) -> None:
    """Let the source's answers have further headers."""

    def change(received: Received, answer: Answer) -> Answer:
        is_source = received.method == "GET" and received.path == f"/{pair.source.bucket}/k"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(answer, headers=answer.headers | named) if is_source else answer

    pair.server.change = change


def test_nothing_is_hashed_here_if_the_server_checks_the_md5(pair: Pair, hashed: Counter[str]) -> None:
    _tell(pair, x_amz_checksum_crc64nvme=checksum("CRC64NVME", BODY), x_amz_checksum_type="FULL_OBJECT")
    pair.learn()
    pair.server.checks = False
    hashed.clear()
    pair.copy()
    assert hashed == {}
    [put] = pair.puts()
    assert put.headers["content-md5"] == base64.b64encode(hashlib.md5(BODY).digest()).decode()
    assert put.headers["x-amz-checksum-crc64nvme"] == checksum("CRC64NVME", BODY)
    assert pair.stored() == {"k": BODY}


@pytest.mark.parametrize("returns", [True, False])
def test_a_checksum_is_known_to_be_of_both_only_if_both_servers_tell_it(pair: Pair, returns: bool) -> None:
    value = checksum("CRC64NVME", BODY)
    _tell(pair, x_amz_checksum_crc64nvme=value, x_amz_checksum_type="FULL_OBJECT")
    pair.learn()
    spoil = pair.server.change

    def hide(received: Received, answer: Answer) -> Answer:
        answer = spoil(received, answer)
        shown = {name: text for name, text in answer.headers.items() if returns or "checksum" not in name.lower()}
        return replace(answer, headers=shown) if received.method == "PUT" else answer

    pair.server.returns, pair.server.change = returns, hide
    assert pair.copy().shared == (("checksum", f"CRC64NVME:{value}") if returns else None)


def test_the_first_object_finds_out_that_the_server_checks_it(pair: Pair, hashed: Counter[str]) -> None:
    pair.copy()
    assert hashed == {"MD5": len(BODY)}
    assert "k" in pair.server.refused
    assert pair.stored() == {"k": BODY}
    assert not pair.store.abilities.met


def test_one_hash_is_made_if_the_server_ignores_it(pair: Pair, hashed: Counter[str]) -> None:
    pair.server.checks = False
    pair.learn()
    hashed.clear()
    pair.copy()
    assert hashed == {"MD5": len(BODY)}
    assert len(pair.puts()) == 1


def test_no_byte_is_hashed_three_times_where_the_etag_is_no_md5(pair: Pair, hashed: Counter[str]) -> None:
    """As under a KMS key, with a checksum."""
    told = {"x_amz_checksum_crc32": checksum("CRC32", BODY), "x_amz_checksum_type": "FULL_OBJECT"}
    _tell(pair, x_amz_server_side_encryption="aws:kms", **told)
    pair.server.checks = False
    hashed.clear()
    pair.copy()
    assert hashed == {"MD5": len(BODY), "CRC32": len(BODY)}
    assert pair.stored() == {"k": BODY}


@POSITIONS
@pytest.mark.parametrize("checks", [True, False])
def test_a_bit_that_flips_while_it_is_read_is_noticed(pair: Pair, position: float, checks: bool) -> None:
    pair.server.checks = checks
    pair.learn()
    pair.server.flips["GET"], pair.server.position = 1, position
    with pytest.raises(S3RequestError, match="what was read is not the object: its MD5 is ") as raised:
        pair.copy()
    assert (raised.value.code, raised.value.bucket) == (INVALID_RESPONSE, pair.source.bucket)
    assert pair.stored() == {}
    pair.copy()
    assert pair.stored() == {"k": BODY}


@POSITIONS
def test_a_bit_that_flips_while_it_is_written_is_sent_again(pair: Pair, position: float) -> None:
    pair.learn()
    pair.server.flips["PUT"], pair.server.position = 1, position
    pair.copy()
    assert pair.server.refused == ["k"]
    assert len(pair.puts()) == 2
    assert pair.stored() == {"k": BODY}


@POSITIONS
def test_a_bit_that_flips_on_the_way_to_a_server_that_ignores_the_md5_is_noticed(pair: Pair, position: float) -> None:
    pair.server.checks = False
    pair.learn()
    pair.server.flips["PUT"], pair.server.position = 1, position
    with pytest.raises(S3RequestError, match="the store has other bytes than were sent") as raised:
        pair.copy()
    assert raised.value.written == hashlib.md5(pair.stored()["k"]).hexdigest() != ETAG


def test_a_way_that_always_flips_bits_ends_as_such(pair: Pair) -> None:
    """It is not taken for a server that does not know the header."""
    pair.learn()
    pair.server.flips["PUT"] = 100
    with pytest.raises(S3RequestError, match=r"other bytes arrived than were sent \(BadDigest") as raised:
        pair.copy()
    assert raised.value.code == INVALID_RESPONSE
    assert pair.stored() == {}
    assert not pair.store.abilities.lacks(CONTENT_MD5)


def test_a_wrong_checksum_of_the_source_is_said_as_such(pair: Pair) -> None:
    pair.learn()
    _tell(pair, x_amz_checksum_crc32=checksum("CRC32", b"else"), x_amz_checksum_type="FULL_OBJECT")
    with pytest.raises(S3RequestError, match=r"its CRC32 is \S+, the source has "):
        pair.copy()
    assert pair.stored() == {}
    assert not pair.store.abilities.lacks(CHECKSUMS)


def test_what_a_server_with_other_etags_has_is_checked_here(pair: Pair, hashed: Counter[str]) -> None:
    """As under a KMS key: neither the answer nor the server is a proof, so that the bytes are hashed before."""

    def change(received: Received, answer: Answer) -> Answer:
        encrypted = {"x-amz-server-side-encryption": "aws:kms", "ETag": f'"{"1" * 32}"'}
        return replace(answer, headers=answer.headers | encrypted) if received.method == "PUT" else answer

    pair.server.checks = False
    pair.learn()
    pair.server.change = change
    hashed.clear()
    pair.copy()
    assert hashed == {"MD5": len(BODY)}
    pair.server.flips["GET"] = 1
    with pytest.raises(S3RequestError, match="what was read is not the object"):
        pair.copy("other")
    assert pair.stored() == {"k": BODY}


def test_a_server_that_refuses_the_md5_gets_checked_objects(pair: Pair, hashed: Counter[str]) -> None:
    pair.learn()
    pair.store.abilities.note(CONTENT_MD5)
    hashed.clear()
    pair.copy()
    assert hashed == {"MD5": len(BODY)}
    assert "content-md5" not in pair.puts()[0].headers


_AboutTags = Callable[[Received], Answer | None]


def _forgetting(faulty: FaultyServer, about_tags: _AboutTags) -> Fault:
    """A server that forgets the tags of each write, and answers `about_tags` to what is asked about them."""

    def fault(received: Received) -> Answer | None:
        if "tagging" in received.query:
            return about_tags(received)
        if received.method != "PUT":
            return None
        kept = {name: value for name, value in received.headers.items() if name != "x-amz-tagging"}
        return faulty.forward(replace(received, headers=kept))

    return fault


def _tagged(make_place: MakePlace, connect: Connect, faulty: FaultyServer, about_tags: _AboutTags) -> tuple[Any, ...]:
    """What three copies lack, and the tags that they have, where the store forgets those of a PutObject."""
    source, store = make_place("source"), make_place("store")
    client = client_for(str(source.endpoint_url))
    faulty.fault = _forgetting(faulty, about_tags)
    to = connect(store.model_copy(update={"endpoint_url": faulty.endpoint_url}), policy=RetryPolicy(most_sends=1))
    from_ = connect(source)
    lost: list[tuple[str, ...]] = []
    for key in ("one", "two", "three"):
        client.put_object(Bucket=source.bucket, Key=key, Body=BODY, Tagging="team=a%20b")
        task = CopyTask(key, key, len(BODY), ETAG, store_etag=NO_OBJECT)
        lost.append(put_whole(from_, to, task, read_by_one_request(from_, task).result()).result().lost)
    tags = [client.get_object_tagging(Bucket=store.bucket, Key=key)["TagSet"] for key in ("one", "two", "three")]
    about = [received.method for received in faulty.received if "tagging" in received.query]
    assert all(body == BODY for body in read_bucket(client, store.bucket).values())
    return lost, tags, about, [one.lack for one in to.abilities.met]


def test_tags_that_a_store_forgets_are_put_afterwards(
    make_place: MakePlace, connect: Connect, faulty: FaultyServer
) -> None:
    lost, tags, about, _ = _tagged(make_place, connect, faulty, lambda _: None)
    assert lost == [()] * 3
    assert tags == [[{"Key": "team", "Value": "a b"}]] * 3
    # It is found out once.
    assert about == ["GET", "PUT", "PUT", "PUT"]


@pytest.mark.parametrize(
    "answer", [Answer(b"the object itself", headers={"ETag": '"e"'}), Answer(b"", 500), Answer(b"", 501)]
)
def test_a_store_that_has_no_tags_and_accepts_them_all_the_same_is_named(
    make_place: MakePlace, connect: Connect, faulty: FaultyServer, answer: Answer
) -> None:
    lost, tags, about, lacks = _tagged(make_place, connect, faulty, lambda _: answer)
    assert lost == [("tags",)] * 3
    assert tags == [[]] * 3
    # Such a server may take a request about tags for one about the object, and overwrite it.
    assert set(about) == {"GET"}
    assert lacks == ["does not support object tags"]
