"""Checks of answers: no error, the expected document, and no contradiction."""

import re
import zlib

from hyve_pipeline.s3.wire.errors import S3RequestError, code_of_status, invalid_response, refined_code
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.xml import Element, MalformedXmlError, child_text, local_name, parse_xml

# The beginning of a document with the root Error. White space keeps a connection open while the server works.
_ERROR_DOCUMENT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<(?:[^<>\s:]+:)?Error[\s/>]")

# No error document is longer; anything else with an error status need not be read completely.
MOST_ERROR_BYTES = 64 * 1024

_ERROR_FIELDS = ("Code", "Message", "RequestId", "Region", "Condition")
_FIELD = re.compile("<(?:[^<>:]+:)?(" + "|".join(_ERROR_FIELDS) + ")>([^<]*)")
_TAGS = re.compile("<[^>]*>")

# How gzip data begins, and what lets zlib read it.
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31

# A document in any form begins so.
_DOCUMENT = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")

# 18 digits are always below 2^63.
_NUMBER = re.compile("[0-9]{1,18}")


def unpacked(response: Response, most: int) -> Response:
    """The answer without the coding gzip, if it is a document: some proxies give every answer that coding.

    The content of an object is left as it is, as it may be stored so.

    Args:
        response: the answer.
        most: how many bytes a document may have; a longer one is left as it is.
    """
    if not response.body.startswith(_GZIP) or "gzip" not in (response.header("content-encoding") or "").lower():
        return response
    reader = zlib.decompressobj(_GZIP_WINDOW)
    try:
        body = reader.decompress(response.body, most)
    except zlib.error:
        return response
    # As in `is_error`, what has an ETag is an object.
    is_object = response.header("etag") is not None and 200 <= response.status < 300
    is_document = reader.eof and _DOCUMENT.match(body) is not None
    return response._replace(body=body) if is_document and not is_object else response


def is_error(response: Response) -> bool:
    """Whether a response reports a failure.

    S3 may begin to answer CopyObject, UploadPartCopy and CompleteMultipartUpload with status 200 before it
    knows the outcome, and then send an ``<Error>`` as the body. An object whose content is such a document has an ETag.
    """
    if not 200 <= response.status < 300:
        return True
    return _ERROR_DOCUMENT.match(response.body) is not None and response.header("etag") is None


def error_of(bucket: str, request: Request, response: Response) -> S3RequestError:
    """The error that a response reports, with the server's own message if there is one."""
    body = response.body[:MOST_ERROR_BYTES]
    fields = _read_error_fields(body)
    reason = fields.get("Message") or _default_reason(request, response.status, body, has_code="Code" in fields)
    location = response.header("location")
    if location is not None:
        reason = f"Location: {location[:200]}; {reason}"
    return S3RequestError(
        bucket,
        request,
        refined_code(fields.get("Code") or code_of_status(response.status), reason),
        reason,
        status=response.status,
        request_id=fields.get("RequestId") or response.header("x-amz-request-id"),
        bucket_region=response.header("x-amz-bucket-region") or fields.get("Region"),
        condition=fields.get("Condition"),
    )


def _default_reason(request: Request, status: int, body: bytes, *, has_code: bool) -> str:
    """The reason of a failure whose answer has no message."""
    if has_code:
        return f"the server answered {status} without a message"
    if request.method == "HEAD":
        return f"an answer to HEAD has no body, so only its status {status} is known"
    text = " ".join(_TAGS.sub(" ", body.decode(errors="replace")).split())
    return f"the server answered {status} without an S3 error code" + (f": {text}" if text else "")


def parse_response(bucket: str, request: Request, response: Response, *roots: str, hint: str = "") -> Element:
    """The document of a successful answer.

    Args:
        bucket: the bucket that the request went to.
        request: the request.
        response: the answer.
        roots: the allowed names of the document's root, without namespace.
        hint: what the user can do about it, for the end of the message.

    Raises:
        S3RequestError: there is no such document, so nothing proves what the server did.
    """
    try:
        root = parse_xml(response.body)
    except MalformedXmlError as error:
        problem = f"the answer is {error}" if response.body.strip() else "the answer is empty"
        raise invalid_response(bucket, request, response, f"{problem}, not a <{roots[0]}>{hint}") from None
    if local_name(root) not in roots:
        problem = f"the answer is a <{local_name(root)}>, not a <{roots[0]}>{hint}"
        raise invalid_response(bucket, request, response, problem)
    return root


def whole_number(text: str | None) -> int:
    """The number that a field of an answer has: ASCII digits alone, and none larger than what S3 counts.

    Raises:
        ValueError: it has none.
    """
    if text is None or not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r:.100} is not a number")
    return int(text)


def require(bucket: str, request: Request, response: Response, element: Element, name: str) -> str:
    """The text of a required child of an element.

    Raises:
        S3RequestError: it is missing, or empty.
    """
    text = child_text(element, name)
    if not text:
        raise invalid_response(bucket, request, response, f"the answer has no {name}")
    return text


def is_truncated(bucket: str, request: Request, response: Response, root: Element) -> bool:
    """Whether more pages follow this answer.

    Raises:
        S3RequestError: it does not say so, so its end may be missing.
    """
    text = require(bucket, request, response, root, "IsTruncated").strip().lower()
    if text not in ("true", "false"):
        raise invalid_response(bucket, request, response, f"the answer has the IsTruncated {text!r}")
    return text == "true"


def check_echo(bucket: str, request: Request, response: Response, root: Element, name: str, asked: str | None) -> None:
    """Check the request's parameter that an answer repeats, if it does.

    Raises:
        S3RequestError: the answer is to another request.
    """
    text = child_text(root, name)
    if text and text != asked:
        raise invalid_response(bucket, request, response, f"the answer is for {name} {text!r}, not {asked!r}")


def _read_error_fields(body: bytes) -> dict[str, str]:
    """The fields of an ``<Error>`` document; empty where there is none."""
    if not body.strip():
        return {}
    try:
        root = parse_xml(body)
    except MalformedXmlError:
        # A truncated document, or one that is only almost XML, has the fields at its beginning.
        return {name: text for name, text in reversed(_FIELD.findall(body.decode(errors="replace"))) if text.strip()}
    # Some servers wrap the error in another element.
    error = root if local_name(root) == "Error" else next(iter(root.iter("{*}Error")), root)
    return {name: text for name in _ERROR_FIELDS if (text := child_text(error, name))}
