"""What an answer must look like before it is believed: no error, the expected document, and no contradiction."""

import re

from hyve_pipeline.s3.wire.errors import S3RequestError, code_of_status, invalid_response, telling_code
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.xml import Element, MalformedXmlError, child_text, local_name, parse_xml

# How a document begins whose root is an Error: white space keeps a connection open while the server works.
_ERROR_DOCUMENT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<(?:[^<>\s:]+:)?Error[\s/>]")

# No error document is longer; whatever else comes with a status of failure need not be read whole.
MOST_ERROR_BYTES = 64 * 1024

_ERROR_FIELDS = ("Code", "Message", "RequestId", "Region")
_FIELD = re.compile("<(?:[^<>:]+:)?(" + "|".join(_ERROR_FIELDS) + ")>([^<]*)")
_TAGS = re.compile("<[^>]*>")

# 18 digits are always below 2^63.
_NUMBER = re.compile("[0-9]{1,18}")


def is_error(response: Response) -> bool:
    """Whether a response tells of a failure.

    S3 may begin to answer CopyObject, UploadPartCopy and CompleteMultipartUpload with status 200 before it
    knows the outcome, and then send an ``<Error>`` as the body. An object whose content is such a document has an ETag.
    """
    if not 200 <= response.status < 300:
        return True
    return _ERROR_DOCUMENT.match(response.body) is not None and response.header("etag") is None


def error_of(bucket: str, request: Request, response: Response) -> S3RequestError:
    """The error that a response tells of, in the server's own words where it has any."""
    body = response.body[:MOST_ERROR_BYTES]
    fields = _read_error_fields(body)
    reason = fields.get("Message") or _unsaid_reason(request, response.status, body, has_code="Code" in fields)
    location = response.header("location")
    if location is not None:
        reason = f"Location: {location[:200]}; {reason}"
    return S3RequestError.of(
        bucket,
        request,
        telling_code(fields.get("Code") or code_of_status(response.status), reason),
        reason,
        status=response.status,
        request_id=fields.get("RequestId") or response.header("x-amz-request-id"),
        bucket_region=response.header("x-amz-bucket-region") or fields.get("Region"),
    )


def _unsaid_reason(request: Request, status: int, body: bytes, *, has_code: bool) -> str:
    """What is known of a failure where the answer has no message."""
    if has_code:
        return f"the server answered {status} without a message"
    if request.method == "HEAD":
        return f"an answer to HEAD has no body, so that only its status {status} is known"
    text = " ".join(_TAGS.sub(" ", body.decode(errors="replace")).split())
    return f"the server answered {status} without a code of S3's" + (f": {text}" if text else "")


def parse_response(bucket: str, request: Request, response: Response, *roots: str, way_on: str = "") -> Element:
    """The document of an answer that says it succeeded.

    Args:
        bucket: the bucket that the request went to.
        request: what was asked.
        response: the answer.
        roots: names that the document's root may have, without namespace.
        way_on: what a person can do about it, at the end of the message.

    Raises:
        S3RequestError: there is no such document, so that nothing shows what the server did.
    """
    try:
        root = parse_xml(response.body)
    except MalformedXmlError as error:
        problem = f"the answer is {error}" if response.body.strip() else "the answer is empty"
        raise invalid_response(bucket, request, response, f"{problem}, and no <{roots[0]}>{way_on}") from None
    if local_name(root) not in roots:
        problem = f"the answer is a <{local_name(root)}>, and no <{roots[0]}>{way_on}"
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
    """The text of an element's child that must be there.

    Raises:
        S3RequestError: it is missing, or empty.
    """
    text = child_text(element, name)
    if not text:
        raise invalid_response(bucket, request, response, f"the answer has no {name}")
    return text


def is_truncated(bucket: str, request: Request, response: Response, root: Element) -> bool:
    """Whether a list goes on after this answer. One that does not say it may have lost anything.

    Raises:
        S3RequestError: it does not say it.
    """
    told = require(bucket, request, response, root, "IsTruncated").strip().lower()
    if told not in ("true", "false"):
        raise invalid_response(bucket, request, response, f"the answer has the IsTruncated {told!r}")
    return told == "true"


def check_echo(bucket: str, request: Request, response: Response, root: Element, name: str, asked: str | None) -> None:
    """Compare what a server says it was asked with what it was.

    Raises:
        S3RequestError: the answer is to another question. One that does not repeat the question passes.
    """
    told = child_text(root, name)
    if told and told != asked:
        raise invalid_response(bucket, request, response, f"the answer is for {name} {told!r}, and not {asked!r}")


def _read_error_fields(body: bytes) -> dict[str, str]:
    """The fields of an ``<Error>`` document; empty where there is none."""
    if not body.strip():
        return {}
    try:
        root = parse_xml(body)
    except MalformedXmlError:
        # What was cut off, or is only nearly XML, says as much in its beginning.
        return {name: text for name, text in reversed(_FIELD.findall(body.decode(errors="replace"))) if text.strip()}
    # Some servers wrap the error in another element.
    error = root if local_name(root) == "Error" else next(iter(root.iter("{*}Error")), root)
    return {name: text for name in _ERROR_FIELDS if (text := child_text(error, name))}
