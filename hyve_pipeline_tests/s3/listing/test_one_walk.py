"""One walk through a bucket, on real servers and on servers that fail now and then."""

import time
from itertools import pairwise

import pytest

from hyve_pipeline.core.base.errors import BucketError, IncompleteInventoryError
from hyve_pipeline.core.model.inventory import KeyRange, RangeEnd, RangeProof, check_proof
from hyve_pipeline.s3.listing.bucket_listing import BucketListing
from hyve_pipeline.s3.listing.walk import MOST_DAMAGED
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.s3.listing.walking import listed_pages, walked
from hyve_pipeline_tests.s3.scripted import (
    MICROSECONDS,
    Answer,
    Received,
    error_answer,
    listing,
    listing_entry,
    listing_of,
    scripted_server,
)
from hyve_pipeline_tests.servers import client_for, put_objects


def test_more_keys_than_a_page_holds(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    expected = {f"image-{number:05}.jpg": b"x" * (number % 7) for number in range(1100)}
    put_objects(client_for(str(place.endpoint_url)), place.bucket, expected)
    pages, proof = listed_pages(connect(place))
    assert [len(page) for page in pages] == [1000, 100]
    assert [key for page in pages for key in page.keys] == sorted(expected)
    assert [size for page in pages for size in page.sizes] == [len(expected[key]) for key in sorted(expected)]
    assert {name for page in pages for name in page.storage_classes} == {"STANDARD"}
    assert proof == RangeProof(
        range=KeyRange(),
        first_key="image-00000.jpg",
        last_key="image-01099.jpg",
        keys=1100,
        pages=2,
        end=RangeEnd.END_OF_LISTING,
    )


def test_page_agrees_with_boto3(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    client = client_for(str(place.endpoint_url))
    client.put_object(Bucket=place.bucket, Key="cold", Body=b"123", StorageClass="STANDARD_IA")
    client.put_object(Bucket=place.bucket, Key="warm", Body=b"")
    ((page,), _) = listed_pages(connect(place))
    listed = client.list_objects_v2(Bucket=place.bucket)["Contents"]
    assert page.keys == [entry["Key"] for entry in listed]
    assert page.sizes == [entry["Size"] for entry in listed]
    assert page.etags == [entry["ETag"].strip('"') for entry in listed]
    assert page.storage_classes == [entry["StorageClass"] for entry in listed] == ["STANDARD_IA", "STANDARD"]
    assert page.last_modified == [round(entry["LastModified"].timestamp() * 1_000_000) for entry in listed]


def test_odd_keys_in_small_pages(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    put_objects(client_for(str(place.endpoint_url)), place.bucket, dict.fromkeys(ODD_KEYS, b""))
    keys, proof = walked(connect(place), max_keys=3)
    assert keys == sorted(ODD_KEYS)
    check_proof([proof], len(ODD_KEYS), place.uri)


def test_ranges_tile_the_bucket(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    put_objects(client_for(str(place.endpoint_url)), place.bucket, dict.fromkeys(ODD_KEYS, b""))
    connection = connect(place)
    bounds = ["", "a", "a//b", "n", "no such key", "u\u0308", None]
    walks = [walked(connection, str(after), until, 4) for after, until in pairwise(bounds)]
    assert [key for keys, _ in walks for key in keys] == sorted(ODD_KEYS)
    check_proof([proof for _, proof in walks], len(ODD_KEYS), place.uri)
    assert [proof.end for _, proof in walks] == [RangeEnd.PASSED_BOUND] * 5 + [RangeEnd.END_OF_LISTING]


def test_only_keys_below_the_prefix(make_place: MakePlace, connect: Connect) -> None:
    place = make_place(prefix="img/")
    objects = dict.fromkeys(["img/", "img//x", "img/a", "img/b", "img2/a", "im", "zzz"], b"")
    put_objects(client_for(str(place.endpoint_url)), place.bucket, objects)
    connection = connect(place)
    assert walked(connection)[0] == ["img/", "img//x", "img/a", "img/b"]
    assert walked(connection, after="img/a")[0] == ["img/b"]
    assert walked(connection, after="aaa", until="img/a")[0] == ["img/", "img//x", "img/a"]
    assert walked(connection, after="img/zzz")[0] == []


def test_empty_bucket(make_place: MakePlace, connect: Connect) -> None:
    keys, proof = walked(connect(make_place()))
    assert keys == []
    assert proof == RangeProof(
        range=KeyRange(), first_key=None, last_key=None, keys=0, pages=1, end=RangeEnd.END_OF_LISTING
    )


def test_bound_that_is_the_last_key_ends_the_listing(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    put_objects(client_for(str(place.endpoint_url)), place.bucket, {"a": b"", "b": b""})
    keys, proof = walked(connect(place), until="b")
    assert (keys, proof.end) == (["a", "b"], RangeEnd.END_OF_LISTING)
    keys, proof = walked(connect(place), until="a")
    assert (keys, proof.last_key, proof.end) == (["a"], "a", RangeEnd.PASSED_BOUND)


def test_no_proof_before_the_end(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    put_objects(client_for(str(place.endpoint_url)), place.bucket, {"a": b"", "b": b"", "c": b""})
    listing = BucketListing(connect(place), ceiling=1, max_keys=1)
    next(iter(listing))
    with pytest.raises(IncompleteInventoryError, match="has not ended"):
        _ = listing.proof


def test_missing_bucket(make_place: MakePlace, connect: Connect) -> None:
    place = make_place().model_copy(update={"bucket": "no-such-bucket"})
    with pytest.raises(BucketError, match="there is no bucket 'no-such-bucket'"):
        walked(connect(place))


@pytest.mark.rclone
def test_second_server_with_pages(rclone_endpoint: str, make_place: MakePlace, connect: Connect) -> None:
    place = make_place(endpoint_url=rclone_endpoint)
    # `a-b` and `a.b` sort before `a/b`, though the folder `a` sorts before both.
    expected = dict.fromkeys(["a-b", "a.b", "a/b", "a/ü", "a b", "b+c", "d%20e", "tab\t", "z"], b"12")
    put_objects(client_for(rclone_endpoint), place.bucket, expected)
    assert walked(connect(place), max_keys=2)[0] == sorted(expected)


def test_no_proof_of_a_failed_walk(connect: Connect) -> None:
    with scripted_server([listing_of("a", truncated=True, token="t"), error_answer(403, "AccessDenied")]) as server:
        listing = BucketListing(connect(server.place()))
        with pytest.raises(IncompleteInventoryError, match="AccessDenied"):
            list(listing)
        with pytest.raises(IncompleteInventoryError, match="has not ended"):
            _ = listing.proof


def test_503_is_asked_again(connect: Connect) -> None:
    answers = [listing_of("a", truncated=True, token="t"), error_answer(503, "SlowDown"), listing_of("b")]
    with scripted_server(answers) as server:
        assert walked(connect(server.place()))[0] == ["a", "b"]
        assert [received.query.get("continuation-token") for received in server.received] == [None, "t", "t"]


def test_answer_cut_on_the_way_is_asked_again(connect: Connect) -> None:
    whole = listing_of("a", "b", "c")
    with scripted_server([Answer(whole.body, cut=len(whole.body) // 2), whole]) as server:
        assert walked(connect(server.place()))[0] == ["a", "b", "c"]
        assert len(server.received) == 2


def test_next_page_is_on_its_way_while_one_is_worked_on(connect: Connect) -> None:
    def script(received: Received) -> Answer:
        return listing_of("b") if "continuation-token" in received.query else listing_of("a", truncated=True, token="t")

    with scripted_server(script) as server:
        _, page = next(iter(BucketListing(connect(server.place()), ceiling=1)))
        assert page.last_modified == [MICROSECONDS]
        for _ in range(500):
            if len(server.received) == 2:
                break
            time.sleep(0.01)
        assert len(server.received) == 2


@pytest.mark.parametrize(
    "damaged",
    [
        Answer(listing([listing_entry("b")])[:-9]),
        Answer(b"<html><body>welcome</body></html>"),
        Answer(b""),
        Answer(listing([listing_entry("b")], elements="<KeyCount>3</KeyCount>")),
        listing_of("a"),
        Answer(listing([listing_entry("b", size="many")])),
        Answer(listing([listing_entry("b")]), headers={"Content-Length": "999"}, cut=999),
    ],
    ids=["cut", "another document", "nothing", "count", "an earlier page", "size", "shorter than it says"],
)
def test_a_damaged_page_is_asked_for_again(damaged: Answer, connect: Connect) -> None:
    for times in (1, MOST_DAMAGED - 1):
        answers = [listing_of("a", truncated=True, token="t"), *[damaged] * times, listing_of("b")]
        with scripted_server(answers) as server:
            keys, proof = walked(connect(server.place()))
            assert (keys, proof.pages) == (["a", "b"], 2)
            asked = [received.query.get("continuation-token") for received in server.received]
            assert asked == [None, *["t"] * (len(asked) - 1)]
