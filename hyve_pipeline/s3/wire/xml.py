"""Reading and writing the XML of S3, defensively: a server is not trusted, and no key may be changed."""

import re
import threading
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


_parsers = threading.local()


class MalformedXmlError(ValueError):
    """A document is truncated, not XML, or not like S3's."""


def parse_xml(document: bytes) -> Element:
    """Parse a server's document.

    No entity is expanded, nothing is fetched, and a document type is an error: text with an unexpanded entity would be
    read only up to it.

    Raises:
        MalformedXmlError: the document is not well-formed, or declares a document type.
    """
    try:
        # Leading white space keeps a connection open while the server works; XML allows none before its declaration.
        root = etree.fromstring(document.lstrip(), _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MalformedXmlError(f"malformed XML: {error}") from None
    if root is None or root.getroottree().docinfo.doctype:
        raise MalformedXmlError("XML with a document type, which S3 never sends")
    return root


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


def fits_in_xml(text: str) -> bool:
    """Whether XML 1.0 can represent the text."""
    return _NOT_IN_XML.search(text) is None


def unquote_etag(text: str) -> str:
    """An ETag without quotes, which some servers omit and some write as ``&quot;``."""
    return text.replace("&quot;", '"').strip().removeprefix("W/").strip('"')
