"""Refusing to be misled by broken servers."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.model.inventory import KeyRange
from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.listing.walk import MOST_DAMAGED, Walk
from hyve_pipeline.s3.wire.messages import Response
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.listing.walking import walked
from hyve_pipeline_tests.s3.scripted import (
    ETAG,
    Answer,
    Received,
    error_answer,
    listing,
    listing_entry,
    listing_of,
    scripted_server,
)
from hyve_pipeline_tests.tally import THOROUGHNESS

# Nothing is asked of it.
_ASKED = Place(bucket="asked", endpoint_url="http://127.0.0.1:9")


@pytest.fixture
def transport() -> TransportName:
    """One of the two: all of this is about answers that have arrived."""
    return "crt"


def test_token_or_last_key_leads_to_the_next_page(connect: Connect) -> None:
    answers = [
        listing_of("a", "b", truncated=True, token="t 1"),
        # Short and even empty pages may be truncated.
        listing_of(truncated=True, token="t2"),
        listing_of("c", truncated=True),
        listing_of("d"),
    ]
    with scripted_server(answers) as server:
        keys, proof = walked(connect(server.place()))
        sent = [received.query for received in server.received]
    assert keys == ["a", "b", "c", "d"]
    assert proof.pages == 4
    assert [query.get("continuation-token") for query in sent] == [None, "t 1", "t2", None]
    assert [query.get("start-after") for query in sent] == [None, None, None, "c"]
    assert {(query["list-type"], query["encoding-type"], query["max-keys"]) for query in sent} == {("2", "url", "1000")}


def test_a_token_that_no_parser_can_read_is_not_needed(connect: Connect) -> None:
    """Ceph's tokens are keys that it does not encode; XML can't represent these, whichever way they are written."""
    keys = ["a\x01", "b\x1b%20", "c\uffff"]

    def script(received: Received) -> Answer:
        after = received.query.get("start-after", "")
        left = [key for key in keys if key > after]
        said = "".join(f"&#x{ord(char):x};" for char in left[0])
        elements = f"<NextContinuationToken>{said}</NextContinuationToken><StartAfter>{said}</StartAfter>"
        return Answer(listing([listing_entry(left[0])], truncated=len(left) > 1, elements=elements if left[1:] else ""))

    with scripted_server(script) as server:
        found, proof = walked(connect(server.place()))
        assert (found, proof.pages) == (keys, 3)
        assert [received.query.get("start-after") for received in server.received] == [None, *keys[:2]]


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
            walked(connect(place))
            return
        with pytest.raises(IncompleteInventoryError, match=f"listing of s3://broken/ is not complete.*{problem}"):
            walked(connect(place))


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
        Answer(listing([listing_entry("c")], truncated=True, token="t+1", elements=first)),
        Answer(listing([listing_entry("x")], elements=second)),
    ]
    if not is_meant and not second:
        del answers[1]  # whatever is asked for once more is answered like this again
    with scripted_server(answers) as server:
        place = server.place("mixed-up")
        if is_meant:
            assert walked(connect(place), after="a b")[0] == ["c", "x"]
            return
        with pytest.raises(IncompleteInventoryError, match=r"s3://mixed-up/ is not complete.* begins after"):
            walked(connect(place), after="a b")


def test_a_first_page_that_says_where_it_begins(connect: Connect) -> None:
    for elements, is_meant in ((_START.format(""), True), (_START.format("a"), False)):
        with scripted_server([Answer(listing([listing_entry("c")], elements=elements))]) as server:
            if is_meant:
                assert walked(connect(server.place()))[0] == ["c"]
                continue
            with pytest.raises(IncompleteInventoryError, match="begins after 'a', not after ''"):
                walked(connect(server.place()))


_SAID = {
    "key count": ("<KeyCount>2</KeyCount>", r"has 2 keys, and has 1"),
    "key count of none": ("<KeyCount>0</KeyCount>", r"has 0 keys, and has 1"),
    "key count without sense": ("<KeyCount>+1</KeyCount>", r"its KeyCount is '\+1'"),
    "two key counts": ("<KeyCount>1</KeyCount><KeyCount>2</KeyCount>", "its KeyCount is not one text"),
    "two ends": ("<IsTruncated>true</IsTruncated>", "its IsTruncated is not one text"),
    "another bucket": ("<Name>elsewhere</Name>", "it is of the bucket 'elsewhere'"),
    "another prefix": ("<Prefix>img/b/</Prefix>", "it is of the prefix 'img/b/', not of 'img/a b/'"),
    "more keys than asked for": ("<MaxKeys>2000</MaxKeys>", "it is of 2,000 keys at most, not of 1,000"),
    "no keys at all": ("<MaxKeys>0</MaxKeys>", "0 keys at most, and has 1"),
    "another encoding": ("<EncodingType>base64</EncodingType>", "its EncodingType is not one text"),
    "a delimiter": ("<Delimiter>/</Delimiter>", "a listing by delimiter"),
    "common prefixes": ("<CommonPrefixes><Prefix>img/a b/c/</Prefix></CommonPrefixes>", "common prefixes"),
    "a token at the end": (
        "<NextContinuationToken>t</NextContinuationToken>",
        "no page follows, and has the token of the next one",
    ),
    "a marker": ("<KeyCount>1</KeyCount><Marker>x</Marker>", "begins after 'x', not after ''"),
}


@pytest.mark.parametrize("said", _SAID)
def test_a_page_that_contradicts_itself_or_the_question_is_refused(said: str, connect: Connect) -> None:
    elements, problem = _SAID[said]
    with scripted_server([Answer(listing([listing_entry("img/a b/k")], elements=elements))]) as server:
        place = server.place("asked", prefix="img/a b/")
        with pytest.raises(IncompleteInventoryError, match=f"s3://asked/img/a b/ is not complete, page 1: .*{problem}"):
            walked(connect(place))
        assert len(server.received) == MOST_DAMAGED


@pytest.mark.parametrize(
    "elements",
    [
        "<Name>asked</Name><Prefix>img/a b/</Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><StartAfter/>",
        "<Name/><Prefix/><KeyCount/><MaxKeys/><Delimiter/><CommonPrefixes/><NextContinuationToken/>",
        "<Prefix>img/a+b/</Prefix><MaxKeys>1</MaxKeys><Unknown>1</Unknown><Owner><ID>me</ID></Owner>",
        "<Prefix>img%2Fa%20b%2F</Prefix><MaxKeys>100</MaxKeys>",
    ],
)
def test_a_page_may_say_little_and_in_its_own_way(elements: str, connect: Connect) -> None:
    with scripted_server([Answer(listing([listing_entry("img/a b/k")], elements=elements))]) as server:
        assert walked(connect(server.place("asked", prefix="img/a b/")))[0] == ["img/a b/k"]
        assert len(server.received) == 1


def test_a_page_may_say_false_as_some_languages_do(connect: Connect) -> None:
    page = listing([listing_entry("k")]).replace(b"<IsTruncated>false", b"<IsTruncated>False")
    with scripted_server([Answer(page)]) as server:
        assert walked(connect(server.place()))[0] == ["k"]
        assert len(server.received) == 1


def test_an_access_point_is_listed_under_the_name_of_its_bucket(connect: Connect) -> None:
    with scripted_server([Answer(listing([listing_entry("k")], elements="<Name>behind</Name>"))]) as server:
        assert walked(connect(server.place("point-abc123-s3alias")))[0] == ["k"]


def test_pages_without_keys_come_to_an_end() -> None:
    walk = Walk(_ASKED, KeyRange())
    pages = (Response(200, (), listing_of(truncated=True, token=str(number)).body) for number in range(1001))
    with pytest.raises(IncompleteInventoryError, match=r"the last 1,000 pages had no key, and announce more$"):
        list(map(walk.take, pages))


_PLAIN = [f"k{number:02d}" for number in range(20)]


def _by_marker(received: Received, *, says_marker: bool) -> Answer:
    """An answer of a server that knows only the first version of listing."""
    marker = received.query.get("marker", "")
    left = [key for key in _PLAIN if key > marker]
    elements = f"<Marker>{marker}</Marker>" if says_marker else ""
    return Answer(listing(map(listing_entry, left[:3]), truncated=len(left) > 3, elements=elements))


@pytest.mark.parametrize("says_marker", [True, False])
def test_a_server_that_knows_only_the_first_version_is_listed_by_marker(says_marker: bool, connect: Connect) -> None:
    with scripted_server(lambda received: _by_marker(received, says_marker=says_marker)) as server:
        connection = connect(server.place())
        assert walked(connection)[0] == _PLAIN
        assert connection.listing_dialect.by_marker
        asked = [received.query for received in server.received]
        assert len(asked) == (7 if says_marker else 8)
        assert all("list-type" not in query and "start-after" not in query for query in asked[-6:])
        # Once it is known, no question is lost.
        server.received.clear()
        assert walked(connection, after="k03", until="k11")[0] == _PLAIN[4:12]
        assert [received.query["marker"] for received in server.received] == ["k03", "k06", "k09"]


@pytest.mark.parametrize("says_marker", [True, False])
def test_a_range_of_a_server_that_knows_only_the_first_version(says_marker: bool, connect: Connect) -> None:
    with scripted_server(lambda received: _by_marker(received, says_marker=says_marker)) as server:
        keys, proof = walked(connect(server.place()), after="k03", until="k11")
    assert (keys, proof.pages) == (_PLAIN[4:12], 3)


def test_a_server_that_goes_on_from_nothing_says_what_is_missing(connect: Connect) -> None:
    problem = r"supports neither start-after \(ListObjectsV2\) nor marker \(ListObjects\), .*'a', .* not after 'b'$"
    with (
        scripted_server([listing_of("a", "b", truncated=True)]) as server,
        pytest.raises(IncompleteInventoryError, match=problem),
    ):
        walked(connect(server.place()))


def test_a_page_that_is_encoded_otherwise_than_the_others(connect: Connect) -> None:
    answers = [listing_of("a b", truncated=True, token="t"), Answer(listing([listing_entry("b c")], encoding=None))]
    problem = "page 2: its keys are encoded in another way"
    with scripted_server(answers) as server, pytest.raises(IncompleteInventoryError, match=problem):
        walked(connect(server.place()))


_WHOLE = ["a b", "c", "d/e", "f+g", "h", "i", "j"]


_TRUTH = [(key, len(key), ETAG, "STANDARD_IA") for key in _WHOLE]


def _true_page(query: dict[str, str]) -> bytes:
    """A page of three keys that says all that a page can say."""
    after = query.get("start-after", query.get("marker", query.get("continuation-token", "")))
    left = [key for key in _WHOLE if key > after]
    shown_keys, is_truncated = left[:3], len(left) > 3
    elements = f"<Name>asked</Name><Prefix/><MaxKeys>1000</MaxKeys><KeyCount>{len(shown_keys)}</KeyCount>"
    if "continuation-token" in query:
        elements += f"<ContinuationToken>{after}</ContinuationToken>"
    token = shown_keys[-1] if is_truncated else None
    entries = [listing_entry(key, size=len(key), storage_class="STANDARD_IA") for key in shown_keys]
    return listing(entries, truncated=is_truncated, token=token, elements=elements)


_ELEMENT = re.compile(rb"<([A-Za-z]+)>[^<>]*</\1>|<Contents>.*?</Contents>")


_TEXTS = st.sampled_from(
    [b"", b"0", b"-1", b"+5", b"7", b"true", b"false", b"\xc3", b"x" * 9000, b"<b/>", b"zz", b"2001"]
)


@given(st.integers(0, 2), st.integers(0, 40), st.sampled_from(["drop", "double", "rename", "text"]), _TEXTS)
@settings(max_examples=150 * THOROUGHNESS)
def test_no_damaged_field_is_believed(page: int, element: int, damage: str, text: bytes) -> None:
    walk = Walk(_ASKED, KeyRange())
    rows: list[tuple[str, int, str, str]] = []
    damaged = b""
    number = 0
    while not walk.has_ended:
        query = dict(walk.request().query)
        if query.get("continuation-token", "c") not in _WHOLE:
            return  # no server goes on from what is no token of its own
        body = _true_page(query)
        if number == page:
            places = list(_ELEMENT.finditer(body))
            place = places[element % len(places)]
            damaged = place[1] or b"Contents"
            whole = place[0]
            replaced = {
                "drop": b"",
                "double": whole + whole,
                "rename": whole.replace(damaged, b"Other"),
                "text": b"<%b>%b</%b>" % (damaged, text, damaged),
            }[damage]
            body = body[: place.start()] + replaced + body[place.end() :]
        number += 1
        try:
            found = walk.take(Response(200, (), body))
        except IncompleteInventoryError:
            return
        rows += zip(found.keys, found.sizes, found.etags, found.storage_classes, strict=True)
    if damaged in (b"Size", b"ETag", b"StorageClass") or (damaged, damage) == (b"Key", "text"):
        # Another value that makes sense is as good as the true one. No object is lost or added by it.
        assert len(rows) == len(_TRUTH)
        assert sum(row != true for row, true in zip(rows, _TRUTH, strict=True)) <= 1
        return
    assert rows == _TRUTH


def test_keys_that_were_not_asked_for(connect: Connect) -> None:
    with scripted_server([listing_of("img/a", "other/b")]) as server:
        with pytest.raises(IncompleteInventoryError, match="'other/b' does not begin with the prefix 'img/'"):
            walked(connect(server.place(prefix="img/")))
        with pytest.raises(IncompleteInventoryError, match="'img/a', which is not after 'img/z'"):
            walked(connect(server.place(prefix="img/")), after="img/z")
