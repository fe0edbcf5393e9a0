"""XML that is read and written without changing a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.s3.wire.xml import (
    MalformedXmlError,
    child_text,
    escape_text,
    fits_in_xml,
    local_name,
    parse_xml,
    unquote_etag,
)
from hyve_pipeline_tests.s3.keys import CONTROL_KEYS, XML_KEYS


@given(st.text().filter(fits_in_xml))
def test_any_text_that_fits_survives(text: str) -> None:
    assert child_text(parse_xml(f"<a><Key>{escape_text(text)}</Key></a>".encode()), "Key") == text


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: not fits_in_xml(text)))
def test_text_that_does_not_fit_is_no_xml(text: str) -> None:
    with pytest.raises(MalformedXmlError):
        parse_xml(f"<a><Key>{escape_text(text)}</Key></a>".encode())


def test_odd_keys_are_told_apart() -> None:
    assert [key for key in XML_KEYS if not fits_in_xml(key)] == []
    assert [key for key in CONTROL_KEYS if fits_in_xml(key)] == []


@pytest.mark.parametrize("namespace", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
def test_children_are_found_in_any_namespace(namespace: str) -> None:
    root = parse_xml(f"  \n<Root{namespace}><Empty/><Full>x</Full></Root>".encode())
    assert local_name(root) == "Root"
    assert (child_text(root, "Empty"), child_text(root, "Full"), child_text(root, "None")) == ("", "x", None)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"   ",
        b"not xml",
        b"<a><b></a>",
        b"<a>",
        b"<a>&unknown;</a>",
        b'<!DOCTYPE a [<!ENTITY e "x">]><a>one&e;two</a>',
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        b"<a>\xff\xfe</a>",
    ],
)
def test_what_s3_never_sends_is_refused(document: bytes) -> None:
    with pytest.raises(MalformedXmlError):
        parse_xml(document)


@pytest.mark.parametrize("text", ['"abc-2"', "abc-2", "&quot;abc-2&quot;", 'W/"abc-2"', ' "abc-2" '])
def test_etags_lose_their_quotes(text: str) -> None:
    assert unquote_etag(text) == "abc-2"


# A text with characters that XML can't represent, as Ceph writes it.
_UNREADABLE = "a&#x01;&lt;&#27;"


def _with(root: str, name: str) -> bytes:
    return f"<{root}><{name}>{_UNREADABLE}</{name}><UploadId>u</UploadId></{root}>".encode()


@pytest.mark.parametrize(
    ("root", "name"),
    [
        ("ListBucketResult", "Prefix"),
        ("ListBucketResult", "StartAfter"),
        ("ListBucketResult", "NextContinuationToken"),
        ("ListVersionsResult", "NextKeyMarker"),
        ("InitiateMultipartUploadResult", "Key"),
        ("CompleteMultipartUploadResult", "Location"),
        ("ListPartsResult", "Key"),
    ],
)
def test_what_only_repeats_the_request_may_be_unreadable(root: str, name: str) -> None:
    found = parse_xml(_with(root, name))
    assert (child_text(found, name), child_text(found, "UploadId")) == (None, "u")


@pytest.mark.parametrize(("root", "name"), [("Contents", "Key"), ("Error", "Message"), ("Deleted", "Key")])
def test_what_says_more_must_be_readable(root: str, name: str) -> None:
    with pytest.raises(MalformedXmlError, match="invalid xmlChar"):
        parse_xml(_with(root, name))
    with pytest.raises(MalformedXmlError, match="invalid xmlChar"):
        parse_xml(b"<ListBucketResult>" + _with("Prefix", "Key") + b"</ListBucketResult>")
