"""Reading and writing the XML of S3, defensively: a server is not trusted, and no key may be changed."""

import re
import threading
from html import unescape
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - lxml has no type stubs

Element = Any  # lxml's element

# Raw tabs and line ends survive in XML only as character references: a parser turns a raw carriage return
# into a newline, and some trim white space. https://www.w3.org/TR/xml/#sec-line-ends
_REFERENCES = {"\t": "&#9;", "\n": "&#10;", "\r": "&#13;", "\x85": "&#133;", "\u2028": "&#8232;"}

_TO_ESCAPE = re.compile(f"[&<>{''.join(_REFERENCES)}]")

# The characters that XML 1.0 can't represent, not even as references. https://www.w3.org/TR/xml/#charsets
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

# References to characters, control characters included, which `html.unescape` would replace.
_REFERENCE = re.compile("&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));")

# Elements that only repeat the request, or say where the next page begins: an answer is complete without them.
_LISTING = ("Prefix", "StartAfter", "ContinuationToken", "Marker", "KeyMarker")
_NEXT = ("NextContinuationToken", "NextMarker", "NextKeyMarker")

# The answers about one multipart upload repeat its key, and where it will be.
_OF_AN_UPLOAD = re.compile(rb"<(?:InitiateMultipartUpload|CompleteMultipartUpload|ListParts)Result[\s>]")
_UPLOAD = ("Key", "Location")

_parsers = threading.local()


class MalformedXmlError(ValueError):
    """A document is truncated, not XML, or not like S3's."""


def parse_xml(document: bytes) -> Element:
    """Parse a server's document.

    No entity is expanded, nothing is fetched, and a document type is an error: text with an unexpanded entity would be
    read only up to it.

    Elements that only repeat the request, or say where the next page begins, are missing if XML can't represent their
    text. Ceph percent-encodes the keys of a listing, and not these.

    Raises:
        MalformedXmlError: the document is not well-formed, or declares a document type.
    """
    # Leading white space keeps a connection open while the server works; XML allows none before its declaration.
    document = document.lstrip()
    try:
        root = _parse(document)
    except MalformedXmlError:
        rest = _without_unrepresentable(document)
        if rest == document:
            raise
        root = _parse(rest)
    if root is None or root.getroottree().docinfo.doctype:
        raise MalformedXmlError("XML with a document type, which S3 never sends")
    return root


def _parse(document: bytes) -> Element:
    try:
        return etree.fromstring(document, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MalformedXmlError(f"malformed XML: {error}") from None


def _without_unrepresentable(document: bytes) -> bytes:
    """The document without the elements that it need not have and whose text XML can't represent."""
    names = "|".join((*_LISTING, *_NEXT, *(_UPLOAD if _OF_AN_UPLOAD.search(document) else ())))

    def kept(found: re.Match[bytes]) -> bytes:
        return found[0] if fits_in_xml(unescape_text(found[2].decode(errors="replace"))) else b""

    return re.sub(rf"<({names})>([^<]*)</\1>".encode(), kept, document)


def _parser() -> Any:
    """This thread's parser: making one takes as long as parsing a short answer."""
    parser = getattr(_parsers, "parser", None)
    if parser is None:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
        _parsers.parser = parser
    return parser


def local_name(element: Element) -> str:
    """An element's name without its namespace."""
    return etree.QName(element).localname


def child_text(element: Element, name: str) -> str | None:
    """The text of the first child of that name in any namespace: None if there is none, "" if it is empty."""
    child = next(element.iterchildren(f"{{*}}{name}"), None)
    return None if child is None else child.text or ""


def escape_text(text: str) -> str:
    """Text as the content of an element, so that a parser reads back the same text."""
    return escape(text, _REFERENCES) if _TO_ESCAPE.search(text) else text


def unescape_text(written: str) -> str:
    """What the content of an element stands for, also where it has references that no parser accepts."""
    return unescape(_REFERENCE.sub(_character, written))


def _character(reference: re.Match[str]) -> str:
    number = int(reference[1], 16) if reference[1] else int(reference[2])
    return chr(number) if number <= 0x10FFFF else reference[0]


def fits_in_xml(text: str) -> bool:
    """Whether XML 1.0 can represent the text."""
    return _NOT_IN_XML.search(text) is None


def unquote_etag(text: str) -> str:
    """An ETag without quotes, which some servers omit and some write as ``&quot;``."""
    return text.replace("&quot;", '"').strip().removeprefix("W/").strip('"')
