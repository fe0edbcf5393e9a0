"""Walking ranges of keys on real servers, and refusing to be misled by broken ones."""

import time
from itertools import pairwise

import pytest

from hyve_pipeline.core.base.errors import BucketError, IncompleteInventoryError
from hyve_pipeline.core.model.inventory import KeyRange, RangeEnd, RangeProof, check_proof
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.range_walk import RangeWalk, list_range
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.keys import ODD_KEYS
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


def _walk(
    connection: Connection, after: str = "", until: str | None = None, max_keys: int = 1000
) -> tuple[list[str], RangeProof]:
    walk = list_range(connection, KeyRange(after=after, until=until), max_keys)
    keys = [key for page in walk for key in page.keys]
    return keys, walk.proof


def test_more_keys_than_a_page_holds(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    expected = {f"image-{number:05}.jpg": b"x" * (number % 7) for number in range(1100)}
    put_objects(client_for(str(place.endpoint_url)), place.bucket, expected)
    walk = RangeWalk(connect(place), KeyRange())
    pages = list(walk)
    assert [len(page) for page in pages] == [1000, 100]
    assert [key for page in pages for key in page.keys] == sorted(expected)
    assert [size for page in pages for size in page.sizes] == [len(expected[key]) for key in sorted(expected)]
    assert {name for page in pages for name in page.storage_classes} == {"STANDARD"}
    assert walk.proof == RangeProof(
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
    (page,) = RangeWalk(connect(place), KeyRange())
    listed = client.list_objects_v2(Bucket=place.bucket)["Contents"]
    assert page.keys == [entry["Key"] for entry in listed]
    assert page.sizes == [entry["Size"] for entry in listed]
    assert page.etags == [entry["ETag"].strip('"') for entry in listed]
    assert page.storage_classes == [entry["StorageClass"] for entry in listed] == ["STANDARD_IA", "STANDARD"]
    assert page.last_modified == [round(entry["LastModified"].timestamp() * 1_000_000) for entry in listed]


def test_odd_keys_in_small_pages(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    put_objects(client_for(str(place.endpoint_url)), place.bucket, dict.fromkeys(ODD_KEYS, b""))
    keys, proof = _walk(connect(place), max_keys=3)
    assert keys == sorted(ODD_KEYS)
    check_proof([proof], len(ODD_KEYS), place.uri)


def test_ranges_tile_the_bucket(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    put_objects(client_for(str(place.endpoint_url)), place.bucket, dict.fromkeys(ODD_KEYS, b""))
    connection = connect(place)
    bounds = ["", "a", "a//b", "n", "no such key", "u\u0308", None]
    walks = [_walk(connection, str(after), until, 4) for after, until in pairwise(bounds)]
    assert [key for keys, _ in walks for key in keys] == sorted(ODD_KEYS)
    check_proof([proof for _, proof in walks], len(ODD_KEYS), place.uri)
    assert [proof.end for _, proof in walks] == [RangeEnd.PASSED_BOUND] * 5 + [RangeEnd.END_OF_LISTING]


def test_only_keys_below_the_prefix(make_place: MakePlace, connect: Connect) -> None:
    place = make_place(prefix="img/")
    objects = dict.fromkeys(["img/", "img//x", "img/a", "img/b", "img2/a", "im", "zzz"], b"")
    put_objects(client_for(str(place.endpoint_url)), place.bucket, objects)
    connection = connect(place)
    assert _walk(connection)[0] == ["img/", "img//x", "img/a", "img/b"]
    assert _walk(connection, after="img/a")[0] == ["img/b"]
    assert _walk(connection, after="aaa", until="img/a")[0] == ["img/", "img//x", "img/a"]
    assert _walk(connection, after="img/zzz")[0] == []


def test_empty_bucket(make_place: MakePlace, connect: Connect) -> None:
    keys, proof = _walk(connect(make_place()))
    assert keys == []
    assert proof == RangeProof(
        range=KeyRange(), first_key=None, last_key=None, keys=0, pages=1, end=RangeEnd.END_OF_LISTING
    )


def test_bound_that_is_the_last_key_ends_the_listing(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    put_objects(client_for(str(place.endpoint_url)), place.bucket, {"a": b"", "b": b""})
    keys, proof = _walk(connect(place), until="b")
    assert (keys, proof.end) == (["a", "b"], RangeEnd.END_OF_LISTING)
    keys, proof = _walk(connect(place), until="a")
    assert (keys, proof.last_key, proof.end) == (["a"], "a", RangeEnd.PASSED_BOUND)


def test_no_proof_before_the_end(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    put_objects(client_for(str(place.endpoint_url)), place.bucket, {"a": b"", "b": b"", "c": b""})
    walk = RangeWalk(connect(place), KeyRange(), max_keys=1)
    pages = iter(walk)
    next(pages)
    with pytest.raises(IncompleteInventoryError, match="not come to its end"):
        _ = walk.proof
    with pytest.raises(RuntimeError, match="only once"):
        iter(walk)


def test_missing_bucket(make_place: MakePlace, connect: Connect) -> None:
    place = make_place().model_copy(update={"bucket": "no-such-bucket"})
    with pytest.raises(BucketError, match="there is no bucket 'no-such-bucket'"):
        _walk(connect(place))


@pytest.mark.rclone
def test_second_server_with_pages(rclone_endpoint: str, make_place: MakePlace, connect: Connect) -> None:
    place = make_place(endpoint_url=rclone_endpoint)
    # `a-b` and `a.b` sort before `a/b`, though the folder `a` sorts before both.
    expected = dict.fromkeys(["a-b", "a.b", "a/b", "a/ü", "a b", "b+c", "d%20e", "tab\t", "z"], b"12")
    put_objects(client_for(rclone_endpoint), place.bucket, expected)
    assert _walk(connect(place), max_keys=2)[0] == sorted(expected)


# From here on: servers that are broken.


def test_token_or_last_key_leads_to_the_next_page(connect: Connect) -> None:
    answers = [
        listing_of("a", "b", truncated=True, token="t 1"),
        # Short and even empty pages may be truncated.
        listing_of(truncated=True, token="t2"),
        listing_of("c", truncated=True),
        listing_of("d"),
    ]
    with scripted_server(answers) as server:
        keys, proof = _walk(connect(server.place()))
        sent = [received.query for received in server.received]
    assert keys == ["a", "b", "c", "d"]
    assert proof.pages == 4
    assert [query.get("continuation-token") for query in sent] == [None, "t 1", "t2", None]
    assert [query.get("start-after") for query in sent] == [None, None, None, "c"]
    assert {(query["list-type"], query["encoding-type"], query["max-keys"]) for query in sent} == {("2", "url", "1000")}


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ([listing_of("a", truncated=True, token="t"), listing_of("b", truncated=True, token="t")], "repeats"),
        ([listing_of("a", truncated=True, token="t"), listing_of("a")], "'a', which is not after 'a'"),
        ([listing_of("b", truncated=True, token="t"), listing_of("a")], "'a', which is not after 'b'"),
        ([listing_of("a", "c", "b")], "'b' follows 'c'"),
        ([listing_of("a", "a")], "'a' follows 'a'"),
        ([listing_of("\uffff", "\U0001f600"), listing_of()], None),
        ([listing_of("\U0001f600", "\uffff")], "not in ascending order"),
        ([listing_of("a", truncated=True, token="t"), listing_of(truncated=True)], "page 2: it is truncated, but"),
        ([Answer(listing([listing_entry("a")], truncated=None))], "whether it is truncated"),
        ([Answer(listing([listing_entry("a")])[:-9])], "malformed XML"),
        ([listing_of("a", truncated=True, token="t"), error_answer(400, "Odd")], "page 2: it failed: .*Odd"),
    ],
)
def test_pages_that_do_not_fit_together(connect: Connect, answers: list[Answer], problem: str | None) -> None:
    with scripted_server(answers) as server:
        place = server.place("broken")
        if problem is None:
            _walk(connect(place))
            return
        with pytest.raises(IncompleteInventoryError, match=f"listing of s3://broken/ is not complete.*{problem}"):
            _walk(connect(place))


_START, _TOKEN = "<StartAfter>{}</StartAfter>", "<ContinuationToken>{}</ContinuationToken>"


@pytest.mark.parametrize(
    ("first", "second", "is_meant"),
    [
        (_START.format("a b"), "", True),
        (_START.format("a+b"), "", True),
        (_START.format("a%20b"), _TOKEN.format("t+1"), True),
        ("", _TOKEN.format("t%2B1"), True),
        (_TOKEN.format(""), _START.format("a b"), True),  # as some go on to tell
        ("", _START.format("c"), True),
        (_START.format("d"), "", False),
        (_START.format(""), "", False),
        (_TOKEN.format("t+1"), "", False),
        ("", _TOKEN.format("t 2"), False),
        ("", _TOKEN.format(""), False),
        ("", _START.format("d"), False),
    ],
)
def test_a_page_that_says_it_was_meant_for_another_request(
    first: str, second: str, is_meant: bool, connect: Connect
) -> None:
    answers = [
        Answer(listing([listing_entry("c")], truncated=True, token="t+1", told=first)),
        Answer(listing([listing_entry("x")], told=second)),
    ]
    with scripted_server(answers) as server:
        place = server.place("mixed-up")
        if is_meant:
            assert _walk(connect(place), after="a b")[0] == ["c", "x"]
            return
        with pytest.raises(IncompleteInventoryError, match=r"s3://mixed-up/ is not complete.* says that it is about"):
            _walk(connect(place), after="a b")


def test_a_first_page_that_says_where_it_begins(connect: Connect) -> None:
    for told, is_meant in ((_START.format(""), True), (_START.format("a"), False)):
        with scripted_server([Answer(listing([listing_entry("c")], told=told))]) as server:
            if is_meant:
                assert _walk(connect(server.place()))[0] == ["c"]
                continue
            with pytest.raises(IncompleteInventoryError, match="says that it is about what follows 'a', and not ''"):
                _walk(connect(server.place()))


def test_keys_that_were_not_asked_for(connect: Connect) -> None:
    with scripted_server([listing_of("img/a", "other/b")]) as server:
        with pytest.raises(IncompleteInventoryError, match="'other/b' does not begin with the prefix 'img/'"):
            _walk(connect(server.place(prefix="img/")))
        with pytest.raises(IncompleteInventoryError, match="'img/a', which is not after 'img/z'"):
            _walk(connect(server.place(prefix="img/")), after="img/z")


def test_no_proof_of_a_failed_walk(connect: Connect) -> None:
    with scripted_server([listing_of("a", truncated=True, token="t"), error_answer(403, "AccessDenied")]) as server:
        walk = RangeWalk(connect(server.place()), KeyRange())
        with pytest.raises(IncompleteInventoryError, match="AccessDenied"):
            list(walk)
        with pytest.raises(IncompleteInventoryError, match="not come to its end"):
            _ = walk.proof


def test_503_is_asked_again(connect: Connect) -> None:
    answers = [listing_of("a", truncated=True, token="t"), error_answer(503, "SlowDown"), listing_of("b")]
    with scripted_server(answers) as server:
        assert _walk(connect(server.place()))[0] == ["a", "b"]
        assert [received.query.get("continuation-token") for received in server.received] == [None, "t", "t"]


def test_answer_cut_on_the_way_is_asked_again(connect: Connect) -> None:
    whole = listing_of("a", "b", "c")
    with scripted_server([Answer(whole.body, cut=len(whole.body) // 2), whole]) as server:
        assert _walk(connect(server.place()))[0] == ["a", "b", "c"]
        assert len(server.received) == 2


def test_next_page_is_on_its_way_while_one_is_worked_on(connect: Connect) -> None:
    def script(received: Received) -> Answer:
        return listing_of("b") if "continuation-token" in received.query else listing_of("a", truncated=True, token="t")

    with scripted_server(script) as server:
        walk = iter(RangeWalk(connect(server.place()), KeyRange()))
        page = next(walk)
        assert page.last_modified == [MICROSECONDS]
        for _ in range(500):
            if len(server.received) == 2:
                break
            time.sleep(0.01)
        assert len(server.received) == 2
