"""The elements of a page besides its objects: whether more follow, the request's parameters, the number of keys."""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass

from hyve_pipeline.s3.listing.malformed import MalformedPageError, shown
from hyve_pipeline.s3.wire.xml import Element, local_name

# Elements that a page has at most once, each with a plain text.
_ONCE = {
    "ContinuationToken",
    "Delimiter",
    "EncodingType",
    "IsTruncated",
    "KeyCount",
    "Marker",
    "MaxKeys",
    "Name",
    "NextContinuationToken",
    "NextMarker",
    "Prefix",
    "StartAfter",
}
_COUNT = re.compile("[0-9]{1,9}")

# A token is part of the URL of the next request: no server accepts a longer one.
_MOST_TOKEN = 8 * 1024


@dataclass(frozen=True, slots=True)
class Envelope:
    """The elements of an answer besides its objects; None for those that it does not have.

    Attributes:
        is_truncated: whether more pages follow.
        next_token: the continuation token of the next page.
        start_after, token, marker: the request's StartAfter, ContinuationToken and Marker, as the answer has them.
        is_encoded: whether keys are percent-encoded.
        name: the bucket's name.
        prefix: the request's prefix, as the answer has it.
        max_keys: how many keys the page may have.
        key_count: how many keys it has.
    """

    is_truncated: bool
    next_token: str | None
    start_after: str | None
    token: str | None
    is_encoded: bool
    name: str | None = None
    prefix: str | None = None
    max_keys: int | None = None
    key_count: int | None = None
    marker: str | None = None

    @property
    def is_version_2(self) -> bool:
        """Whether the answer has an element that only ListObjectsV2 has."""
        return any(value is not None for value in (self.next_token, self.start_after, self.token, self.key_count))


def read_envelope(root: Element) -> Envelope:
    """Read the elements of an answer besides its objects.

    Raises:
        MalformedPageError: it is no listing, contradicts itself, or lacks IsTruncated.
    """
    if local_name(root) != "ListBucketResult":
        raise MalformedPageError(f"it is a <{local_name(root)}> document")
    texts = texts_beside(root, ("Contents",), _ONCE)
    is_truncated = read_truncated(texts)
    encoding = texts.get("EncodingType")
    if encoding not in (None, "", "url"):
        raise MalformedPageError(f"its keys have an encoding that was not requested, {shown(encoding)}")
    if texts.get("Delimiter"):
        raise MalformedPageError("it is a listing by delimiter, which was not requested")
    token = texts.get("NextContinuationToken") or None
    if token is not None and not is_truncated:
        raise MalformedPageError("it says that no page follows, and has the token of the next one")
    if token is not None and len(token) > _MOST_TOKEN:
        raise MalformedPageError(f"its continuation token has {len(token):,} characters")
    return Envelope(
        is_truncated=is_truncated,
        next_token=token,
        start_after=texts.get("StartAfter"),
        token=texts.get("ContinuationToken"),
        is_encoded=encoding == "url",
        name=texts.get("Name") or None,
        prefix=texts.get("Prefix") or None,
        max_keys=_count(texts, "MaxKeys"),
        key_count=_count(texts, "KeyCount"),
        marker=texts.get("Marker"),
    )


def check_count(envelope: Envelope, objects: int) -> None:
    """Check the number of objects on a page against its KeyCount and MaxKeys.

    Raises:
        MalformedPageError: they contradict it.
    """
    if envelope.key_count not in (None, objects):
        raise MalformedPageError(f"it says that it has {envelope.key_count:,} keys, and has {objects:,}")
    if envelope.max_keys is not None and objects > envelope.max_keys:
        raise MalformedPageError(f"it says that it has {envelope.max_keys:,} keys at most, and has {objects:,}")


def read_truncated(texts: Mapping[str, str]) -> bool:
    """Whether more pages follow, by the texts of a page.

    Raises:
        MalformedPageError: it does not say so, so its end may be missing.
    """
    # Some write it as their language does: False.
    text = texts.get("IsTruncated", "").lower()
    if text not in ("true", "false"):
        raise MalformedPageError("it does not say whether it is truncated")
    return text == "true"


def texts_beside(root: Element, entries: Container[str], once: Container[str]) -> dict[str, str]:
    """The texts of a page's elements besides what it lists, by name.

    Args:
        root: the page.
        entries: the elements of what is listed, which alone have keys.
        once: elements that a page has at most once, each with a plain text; others are ignored.

    Raises:
        MalformedPageError: one is there twice, there are keys outside of the entries, or text between the elements.
    """
    texts: dict[str, str] = {}
    stray = [root.text or ""]
    for element in root:
        stray.append(element.tail or "")
        name = local_name(element) if isinstance(element.tag, str) else ""
        if name in entries:
            continue
        if name in once:
            if name in texts or len(element):
                raise MalformedPageError(f"its {name} is not one text")
            texts[name] = element.text or ""
        elif name == "CommonPrefixes" and any(text.strip() for text in element.itertext()):
            raise MalformedPageError("it has common prefixes, which were not requested")
        elif name == "Key" or next(element.iter("{*}Key"), None) is not None:
            raise MalformedPageError(f"it has a key outside of an object, in <{name[:100]}>")
    if "".join(stray).strip():
        raise MalformedPageError("it has text between its elements")
    return texts


def _count(texts: dict[str, str], name: str) -> int | None:
    text = texts.get(name)
    if not text:
        return None
    if not _COUNT.fullmatch(text):
        raise MalformedPageError(f"its {name} is {shown(text)}")
    return int(text)
