"""Reading one page of a listing: exact, or refused."""

import re
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.s3.listing.pages import MalformedPageError
from hyve_pipeline.s3.listing.range_walk import parse_answer
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
    told = {
        "a": restore_status(DATE),
        "b": restore_status(None),
        "c": "",
        "d": "<RestoreStatus/>",
        "e": _IN_PROGRESS_WITH_DATE,
        "f": restore_status("2024-05-06T07:08:09.123456Z"),
    }
    entries = [listing_entry(key, storage_class="GLACIER", more=more) for key, more in told.items()]
    table = parse_answer(listing(entries, namespace=namespace)).page.table
    found = table.column("restored_until").cast("int64").to_pylist()
    assert found == [MICROSECONDS, None, None, None, None, MICROSECONDS + 456]
    assert table.column("key").to_pylist() == list(told)


def test_nobody_was_restored() -> None:
    table = parse_answer(listing(map(listing_entry, "abc"))).page.table
    assert table.column("restored_until").null_count == 3


def test_key_of_a_server_without_url_encoding_is_taken_as_it_is() -> None:
    entry = listing_entry("X").replace("<Key>X</Key>", f"<Key>{escape('a%20b+c&d')}</Key>")
    assert parse_answer(listing([entry], encoding=None)).page.keys == ["a%20b+c&d"]


def test_plus_is_a_space_in_url_encoding() -> None:
    entry = listing_entry("X").replace("<Key>X</Key>", "<Key>a+b%2Bc</Key>")
    assert parse_answer(listing([entry])).page.keys == ["a b+c"]


def test_empty_page() -> None:
    answer = parse_answer(listing())
    assert (len(answer.page), answer.envelope.is_truncated, answer.envelope.next_token) == (0, False, None)


def _without(tag: str, entry: str) -> str:
    return re.sub(f"<{tag}>.*?</{tag}>", "", entry)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (listing([listing_entry("k")], truncated=None), "does not say whether it is truncated"),
        (listing([listing_entry("k")]).replace(b"false", b"perhaps"), "does not say whether it is truncated"),
        (listing([listing_entry("k")])[:-30], "malformed XML"),
        (b"", "malformed XML"),
        (b"<html><body>welcome</body></html>", "<html> document"),
        (listing([listing_entry("j"), _without("Size", listing_entry("k"))]), "2 objects have 1 Size fields: 'k'"),
        (listing([listing_entry("j"), _without("LastModified", listing_entry("k"))]), "1 LastModified fields: 'k'"),
        (listing([listing_entry("j"), _without("ETag", listing_entry("k"))]), "1 ETag fields: 'k'"),
        (listing([listing_entry("j"), _without("Key", listing_entry("k"))]), "2 objects have 1 Key fields"),
        (listing([listing_entry("")]), "empty Key"),
        (listing([listing_entry("k", date="")]), "empty LastModified: 'k'"),
        (listing([listing_entry("j"), listing_entry("k", size="3 bytes")]), "'k' has the size '3 bytes'"),
        (listing([listing_entry("j"), listing_entry("k", size=-1)]), "'k' has the size '-1'"),
        (listing([listing_entry("j"), listing_entry("k", date="yesterday")]), "'k' has the date 'yesterday'"),
        (listing([listing_entry("k", date="2024-05-06T07:08:09")]), "'k' has the date"),
        (listing([listing_entry("k", more=restore_status("some day"))]), "'k' has the date 'some day'"),
        (listing([listing_entry("X")]).replace(b"<Key>X", b"<Key>a%FFb"), "'a%FFb' cannot be decoded"),
        (listing([listing_entry("X")]).replace(b"<Key>X", b"<Key>a%2"), "'a%2' cannot be decoded"),
        (listing([listing_entry("X")]).replace(b"<Key>X", b"<Key>%ED%A0%80"), "cannot be decoded"),
    ],
)
def test_what_does_not_fit_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(MalformedPageError, match=re.escape(problem)):
        parse_answer(body)


@given(st.integers(0))
def test_no_cut_of_a_page_is_a_page(cut: int) -> None:
    body = listing([listing_entry(f"key{n}") for n in range(3)], truncated=True, token="t")
    with pytest.raises(MalformedPageError):
        parse_answer(body[: cut % len(body)])
