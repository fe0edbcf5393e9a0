"""Reading one page of a listing: exact, or refused."""

import itertools
import re
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.s3.listing.key_encoding import AmbiguousPlusError, Plus
from hyve_pipeline.s3.listing.malformed import MalformedPageError
from hyve_pipeline.s3.listing.walk import parse_answer
from hyve_pipeline_tests.s3.scripted import DATE, ETAG, MICROSECONDS, listing, listing_entry, restore_status

ANY_KEY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(st.sets(ANY_KEY, max_size=20))
def test_any_key_survives_a_listing(keys: set[str]) -> None:
    assert parse_answer(listing(map(listing_entry, sorted(keys)))).page.keys == sorted(keys)


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001 - hypothesis adds the zone
    st.integers(0, 5 * 1024**4),
)
def test_dates_and_sizes_are_exact(moment: datetime, size: int) -> None:
    moment = moment.replace(tzinfo=UTC)
    date = moment.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("Z") + "Z"
    page = parse_answer(listing([listing_entry("k", size=size, date=date)])).page
    assert timedelta(microseconds=page.last_modified[0]) == moment - datetime(1970, 1, 1, tzinfo=UTC)
    assert page.sizes == [size]


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-05-06T07:08:09.123Z", MICROSECONDS),
        ("2024-05-06T07:08:09.123456789Z", MICROSECONDS + 456),
        ("2024-05-06T09:08:09.123+02:00", MICROSECONDS),
        ("2024-05-06T07:08:09.123+0000", MICROSECONDS),
        ("Mon, 06 May 2024 07:08:09 GMT", MICROSECONDS - 123_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
    ],
)
def test_dates_of_other_servers(date: str, expected: int) -> None:
    assert parse_answer(listing([listing_entry("k", date=date)])).page.last_modified == [expected]


@pytest.mark.parametrize("namespace", [None, "http://s3.amazonaws.com/doc/2006-03-01/", "http://example.org/other"])
def test_namespace_does_not_matter(namespace: str | None) -> None:
    answer = parse_answer(listing([listing_entry("k")], truncated=True, token="t&1", namespace=namespace))
    assert (answer.page.keys, answer.envelope.is_truncated, answer.envelope.next_token) == (["k"], True, "t&1")


@pytest.mark.parametrize("etag", [f'"{ETAG}"', ETAG, f"&quot;{ETAG}&quot;"])
def test_etags_lose_their_quotes(etag: str) -> None:
    assert parse_answer(listing([listing_entry("k", etag=etag)])).page.etags == [ETAG]


def test_missing_storage_class_is_standard() -> None:
    entries = [
        listing_entry("a", storage_class=None),
        listing_entry("b", storage_class="GLACIER"),
        listing_entry("c", storage_class=None),
    ]
    assert parse_answer(listing(entries)).page.storage_classes == ["STANDARD", "GLACIER", "STANDARD"]
    assert parse_answer(listing([entries[0]])).page.storage_classes == ["STANDARD"]


_IN_PROGRESS_WITH_DATE = restore_status(DATE).replace("false", "true")


@pytest.mark.parametrize("namespace", [None, "http://s3.amazonaws.com/doc/2006-03-01/"])
def test_until_when_objects_are_restored(namespace: str | None) -> None:
    elements = {
        "a": restore_status(DATE),
        "b": restore_status(None),
        "c": "",
        "d": "<RestoreStatus/>",
        "e": _IN_PROGRESS_WITH_DATE,
        "f": restore_status("2024-05-06T07:08:09.123456Z"),
    }
    entries = [listing_entry(key, storage_class="GLACIER", more=more) for key, more in elements.items()]
    table = parse_answer(listing(entries, namespace=namespace)).page.table
    found = table.column("restored_until").cast("int64").to_pylist()
    assert found == [MICROSECONDS, None, None, None, None, MICROSECONDS + 456]
    assert table.column("key").to_pylist() == list(elements)


def test_nobody_was_restored() -> None:
    table = parse_answer(listing(map(listing_entry, "abc"))).page.table
    assert table.column("restored_until").null_count == 3


def test_key_of_a_server_without_url_encoding_is_taken_as_it_is() -> None:
    entry = listing_entry("X").replace("<Key>X</Key>", f"<Key>{escape('a%20b+c&d')}</Key>")
    assert parse_answer(listing([entry], encoding=None)).page.keys == ["a%20b+c&d"]


def _written(*keys: str) -> bytes:
    """A page of keys as they are written in an encoded page."""
    return listing([listing_entry("X").replace("<Key>X</Key>", f"<Key>{key}</Key>") for key in keys])


@pytest.mark.parametrize("known", [None, " ", "+"])
def test_a_page_shows_what_a_plus_stands_for(known: Plus | None) -> None:
    # Of what is known of the server, a page that says it itself needs nothing.
    assert parse_answer(_written("a+b%2Bc", "d+e"), known).page.keys == ["a b+c", "d e"]
    assert parse_answer(_written("a+b", "c%20d"), known).page.keys == ["a+b", "c d"]
    assert parse_answer(_written("a+b", "c d"), known).page.keys == ["a+b", "c d"]
    assert parse_answer(_written("c%2520d", "c%252Bd"), known).page.keys == ["c%20d", "c%2Bd"]


def test_a_page_that_does_not_show_what_a_plus_stands_for() -> None:
    for page in (_written("a+b", "c"), _written("a+b", "c%20d%2Be"), _written("a+b", "c%252Bd%2520")):
        with pytest.raises(AmbiguousPlusError) as caught:
            parse_answer(page)
        assert caught.value.written == ["a+b"]
        assert parse_answer(page, " ").page.keys[0] == "a b"
        assert parse_answer(page, "+").page.keys[0] == "a+b"


_BARE = "<Contents><Key>k</Key><LastModified>{}</LastModified>{}<Size>3</Size></Contents>"


@pytest.mark.parametrize(
    "etag",
    ["", "<ETag/>", '<ETag>""</ETag>', "<ETag>a&#10;b</ETag>", "<ETag>\u00e9</ETag>", f"<ETag>{'a' * 2000}</ETag>"],
)
def test_an_object_without_a_usable_etag_has_none(etag: str) -> None:
    page = parse_answer(listing([listing_entry("j"), _BARE.format(DATE, etag)])).page
    assert page.etags == [ETAG, ""]
    assert parse_answer(listing([_BARE.format(DATE, etag)])).page.etags == [""]


def test_empty_page() -> None:
    answer = parse_answer(listing())
    assert (len(answer.page), answer.envelope.is_truncated, answer.envelope.next_token) == (0, False, None)


def _twice(tag: str) -> str:
    return re.sub(f"(<{tag}>.*?</{tag}>)", r"\1\1", listing_entry("k"))


def _without(tag: str, entry: str) -> str:
    return re.sub(f"<{tag}>.*?</{tag}>", "", entry)


@pytest.mark.parametrize(
    "entry",
    [
        _without("Size", listing_entry("k")),
        _without("LastModified", listing_entry("k")),
        listing_entry("k", date=""),
        listing_entry("k", size=""),
    ],
)
def test_of_an_object_without_size_or_time_nothing_but_its_key_is_taken(entry: str) -> None:
    first, second = parse_answer(listing([listing_entry("j"), entry])).page.table.to_pylist()
    assert first["etag"] == ETAG
    assert (second["key"], second["etag"], second["last_modified"].year) == ("k", "", 1)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (listing([listing_entry("k")], truncated=None), "does not say whether it is truncated"),
        (listing([listing_entry("k")]).replace(b"false", b"perhaps"), "does not say whether it is truncated"),
        (listing([listing_entry("k")])[:-30], "malformed XML"),
        (b"", "malformed XML"),
        (b"<html><body>welcome</body></html>", "<html> document"),
        (listing([listing_entry("j"), _without("Key", listing_entry("k"))]), "an object has no Key"),
        (listing([listing_entry("")]), "empty Key"),
        (listing([listing_entry("j"), listing_entry("k", size="3 bytes")]), "'k' has the size '3 bytes'"),
        (listing([listing_entry("j"), listing_entry("k", size=-1)]), "'k' has the size '-1'"),
        (listing([listing_entry("j"), listing_entry("k", date="yesterday")]), "'k' has the date 'yesterday'"),
        (listing([listing_entry("k", date="2024-05-06T07:08:09")]), "'k' has the date"),
        (listing([listing_entry("k", more=restore_status("some day"))]), "'k' has the date 'some day'"),
        (listing([listing_entry("X")]).replace(b"<Key>X", b"<Key>a%FFb"), "'a%FFb' cannot be decoded"),
        (listing([listing_entry("X")]).replace(b"<Key>X", b"<Key>a%2"), "'a%2' cannot be decoded"),
        (listing([listing_entry("X")]).replace(b"<Key>X", b"<Key>%ED%A0%80"), "cannot be decoded"),
        (listing([_twice("Key")]), "two Key fields: 'k'"),
        (listing([_twice("Size")]), "two Size fields: 'k'"),
        (listing([_twice("ETag")]), "two ETag fields: 'k'"),
        (listing([listing_entry("j").replace("<Key>j</Key>", ""), _twice("Key")]), "an object has no Key"),
        (listing([listing_entry("k", size="+5")]), "'k' has the size '+5'"),
        (listing([listing_entry("k", size="0x10")]), "'k' has the size '0x10'"),
        (listing([listing_entry("k", size=" 5")]), "'k' has the size ' 5'"),
        (listing([listing_entry("k", size="1_0")]), "'k' has the size '1_0'"),
        (listing([listing_entry("k", size="\u0665")]), "'k' has the size"),
        (listing([listing_entry("k", size=2**63)]), "'k' has the size '9223372036854775808'"),
        (listing([listing_entry("k", size="9" * 5000)]), "'k' has the size '999"),
        (listing([listing_entry("k", date="0000-01-01T00:00:00Z")]), "date"),
        (listing([listing_entry("k", date="Mon, 06 Mai 2024 07:08:09 GMT")]), "'k' has the date 'Mon, 06 Mai"),
        (listing([listing_entry("k", date="Mon, 06 May 2024 07:08:09")]), "'k' has the date 'Mon, 06 May"),
        (
            listing([listing_entry("j"), listing_entry("k", date="0001-01-01T00:00:00+05:00")]),
            "'k' has a date outside of the years 1 to 9999",
        ),
        (listing([listing_entry("k", date="9999-12-31T23:59:59-05:00")]), "'k' has a date outside of the years"),
        (listing([listing_entry("k" * 3_000_000)]), "a key has 3,000,000 bytes: 'kkk"),
        (listing([listing_entry("\u00e9" * 5000)]), "a key has 10,000 bytes"),
        (listing([listing_entry("k", storage_class="C" * 300)]), "a storage class of over 256 bytes"),
        (listing([listing_entry("X").replace("X<", "a<b/>c<")]), "a field that is no text"),
        (listing([listing_entry("X").replace("X<", "a<?b?>c<")]), "a field that is no text"),
        (listing([listing_entry("k").replace("<Size>", "lost<Size>")]), "a field that is no text"),
        (listing([listing_entry("k").replace("<Key>", "lost<Key>")]), "text beside its fields"),
        (listing([listing_entry("j"), "lost", listing_entry("k")]), "text between its elements"),
        (
            listing([listing_entry("j"), listing_entry("k").replace("Contents", "Contends")]),
            "a key outside of an object",
        ),
        (listing(["<Key>k</Key>"]), "a key outside of an object"),
    ],
    ids=itertools.count(),
)
def test_what_does_not_fit_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(MalformedPageError, match=re.escape(problem)) as caught:
        parse_answer(body)
    assert len(str(caught.value)) < 1000


@given(st.integers(0))
def test_no_cut_of_a_page_is_a_page(cut: int) -> None:
    body = listing([listing_entry(f"key{n}") for n in range(3)], truncated=True, token="t")
    with pytest.raises(MalformedPageError):
        parse_answer(body[: cut % len(body)])
