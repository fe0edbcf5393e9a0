"""Any legal key, through every form in which it goes over the wire: unchanged, or refused by its name."""

import re
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, cast
from urllib.parse import quote, unquote, unquote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - lxml has no type stubs

from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.model.inventory import KeyRange
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.server_abilities import ServerAbilities
from hyve_pipeline.s3.connection.transport import Endpoint, OnEnd
from hyve_pipeline.s3.listing.malformed import MalformedPageError
from hyve_pipeline.s3.listing.walk import Walk, parse_answer
from hyve_pipeline.s3.objects.delete import DeleteResult, delete_document, delete_objects
from hyve_pipeline.s3.wire.futures import then
from hyve_pipeline.s3.wire.messages import Request, Response, copy_source, encode_key, encode_query
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.keys import LEGAL_KEYS, MOST_BYTES, ODD_KEYS, XML_LEGAL_KEYS
from hyve_pipeline_tests.s3.scripted import Answer, listing, listing_entry, scripted_server

_LONGEST = "\U0001f600" * (MOST_BYTES // 4)


@given(LEGAL_KEYS)
def test_keys_are_such_as_s3_allows(key: str) -> None:
    assert 1 <= len(key.encode()) <= MOST_BYTES


@given(LEGAL_KEYS)
@example(_LONGEST)
def test_a_path_is_decoded_once_and_has_nothing_to_fold(key: str) -> None:
    encoded = encode_key(key)
    assert encoded.isascii()
    assert encoded.isprintable()
    assert not set(encoded) & set(' +?#&\\"<>')
    assert unquote(encoded, errors="strict") == key
    assert encoded.count("/") == key.count("/")


@given(LEGAL_KEYS)
@example(_LONGEST)
def test_a_copy_source_is_the_bucket_and_the_key(key: str) -> None:
    # S3 decodes it as a query string, and others as a path: both give the key.
    for decode in (unquote, unquote_plus):
        assert decode(copy_source("bucket", key), errors="strict").split("/", 1) == ["bucket", key]


@given(LEGAL_KEYS)
def test_a_key_is_asked_for_in_a_query(key: str) -> None:
    name, _, value = encode_query([("start-after", key)]).partition("=")
    assert (name, unquote_plus(value, errors="strict")) == ("start-after", key)


@given(st.lists(XML_LEGAL_KEYS, unique=True, max_size=20))
def test_a_request_for_deletes_is_read_back_by_any_parser(keys: list[str]) -> None:
    root = etree.fromstring(delete_document(keys, {}))
    assert [element.text for element in root.iter("{*}Key")] == keys


class _Echo:
    """Stands in for a connection; it deletes what it is asked to, and answers with raw line ends as Go does."""

    def __init__(self) -> None:
        self.bucket = "echo"
        self.abilities = ServerAbilities(Endpoint("http", "echo", "", "us-east-1", "echo"))
        self.deleted: list[str] = []

    def send(self, request: Request, **_: object) -> "Future[Response]":
        answer: Future[Response] = Future()
        if request.key is not None:
            self.deleted.append(request.key)
            answer.set_result(Response(204, ()))
            return answer
        keys = [element.text for element in etree.fromstring(request.body).iter("{*}Key")]
        self.deleted += keys
        entries = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        answer.set_result(Response(200, (), f"<DeleteResult>{entries}</DeleteResult>".encode()))
        return answer

    def ask(self, request: Request, read: Callable[[Response], DeleteResult], **_: object) -> "Future[DeleteResult]":
        return then(self.send(request), read)

    def exchange(self, request: Request, on_end: OnEnd, **_: object) -> None:
        on_end(self.send(request).result())


@given(st.lists(LEGAL_KEYS, unique=True, max_size=20))
@example(list(ODD_KEYS))
def test_every_key_is_deleted_by_a_request_that_can_carry_it(keys: list[str]) -> None:
    connection = _Echo()
    result = delete_objects(cast(Connection, connection), keys).result()
    assert sorted(connection.deleted) == sorted(keys)
    assert (set(result.deleted), result.errors) == (set(keys), {})


@given(st.sets(LEGAL_KEYS, min_size=1, max_size=20))
@example(set(ODD_KEYS))
def test_an_encoded_page_has_exactly_these_keys(keys: set[str]) -> None:
    page = parse_answer(listing(map(listing_entry, sorted(keys)))).page
    assert page.keys == sorted(keys) == sorted(keys, key=str.encode)
    # S3 itself writes spaces as `+`, and leaves more characters as they are.
    spaced = [
        listing_entry(key).replace(quote(key, safe="/"), quote(key, safe="/*-._").replace("%20", "+"))
        for key in sorted(keys)
    ]
    assert parse_answer(listing(spaced), " ").page.keys == sorted(keys)


def _plain_entry(key: str) -> str:
    """One object of a listing whose key is not percent-encoded, with line ends as references, as S3 writes them."""
    written = escape(key, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})
    return listing_entry("X").replace("<Key>X</Key>", f"<Key>{written}</Key>")


@given(st.sets(XML_LEGAL_KEYS, min_size=1, max_size=20))
def test_a_plain_page_has_exactly_these_keys(keys: set[str]) -> None:
    page = parse_answer(listing(map(_plain_entry, sorted(keys)), encoding=None)).page
    assert page.keys == sorted(keys)


# What servers write that do not heed `encoding-type=url`, of a key that XML can't carry so.
_UNTOLD = {
    "photo 7\x01.jpg": "photo 7\x01.jpg",
    "photo 7\x01.jpg as a reference": "photo 7&#1;.jpg",
    "photo 7\x00.jpg": "photo 7\x00.jpg",
    "photo 7\ufffe.jpg": "photo 7\ufffe.jpg",
    "photo 7\uffff.jpg as a reference": "photo 7&#65535;.jpg",
    # XML has it read as a newline, which would be another key.
    "photo 7\r.jpg": "photo 7\r.jpg",
    "photo 7\r\n.jpg": "photo 7\r\n.jpg",
}


def _untold_page(written: str) -> bytes:
    entries = [listing_entry(key) for key in ("a", "X", "z")]
    return listing([entry.replace("<Key>X<", f"<Key>{written}<") for entry in entries], encoding=None)


@pytest.mark.parametrize("written", _UNTOLD.values(), ids=_UNTOLD)
def test_a_key_that_xml_cannot_carry_is_named_and_its_page_refused(written: str) -> None:
    with pytest.raises(MalformedPageError, match="photo 7"):
        parse_answer(_untold_page(written))


@pytest.mark.parametrize("written", ["photo 7\x00.jpg", "photo 7\r.jpg"])
def test_a_listing_with_such_a_key_is_no_inventory(written: str, connect: Connect) -> None:
    with scripted_server([Answer(_untold_page(written))]) as server:
        connection = connect(server.place())
        walk = Walk(connection.place, KeyRange())
        answer: Any = connection.send(walk.request()).result()
        with pytest.raises(IncompleteInventoryError) as caught:
            walk.take(answer)
    message = str(caught.value)
    assert "photo 7" in message
    assert re.search(r"[\x00-\x1f\x7f-\x9f]", message) is None
