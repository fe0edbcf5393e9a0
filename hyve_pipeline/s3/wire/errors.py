"""Failed requests: what their codes mean, which are transient, and the one-line message for the user.

- `S3RequestError`: any request that failed.
    - `ObjectChangedError`: the source object is no longer the planned one.
        - `s3.objects.pinned_write.StoreChangedError`: the store's object is not.
    - `ObjectUnreadableError`: it can't be read now.
        - `CustomerKeyError`: it can be read only with its owner's key (SSE-C).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.wire.messages import Request, Response

# Codes of failures without an answer, or without a usable one; S3 itself has no codes for them.
CONNECTION_ERROR = "ConnectionError"
TIMEOUT = "Timeout"
RESPONSE_TIMEOUT = "ResponseTimeout"
TLS_ERROR = "TLSError"
CREDENTIALS_ERROR = "CredentialsError"
INVALID_RESPONSE = "InvalidResponse"
ANSWER_TOO_LARGE = "AnswerTooLarge"

# The object has user metadata that is no text which a header can have; S3 says only how many entries that are.
HIDDEN_METADATA = "HiddenMetadata"

# The CRT transport stopped a request whose answer may be endless: botocore's reads answers piece by piece.
UNBOUNDED_ANSWER = "UnboundedAnswer"

# It can't read a header that is not UTF-8: botocore's takes it for Latin-1, as HTTP once had it.
UNREADABLE_HEADER = "UnreadableHeader"

# It drops a body that only the end of the connection ends, as of HTTP 1.0.
UNREADABLE_BODY = "UnreadableBody"

# Failures of the CRT transport that are none yet: botocore's has more patience, too.
FOR_THE_PATIENT = {RESPONSE_TIMEOUT, UNBOUNDED_ANSWER, UNREADABLE_HEADER, UNREADABLE_BODY}

# Codes for answers without one. Not S3's AccessDenied and PermanentRedirect: such an answer may come from a proxy.
FORBIDDEN = "Forbidden"
MOVED = "MovedPermanently"
NOT_FOUND = "NotFound"
_CODE_BY_STATUS = {
    301: MOVED,
    307: "TemporaryRedirect",
    400: "BadRequest",
    403: FORBIDDEN,
    404: NOT_FOUND,
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    412: "PreconditionFailed",
    416: "InvalidRange",
    429: "TooManyRequests",
    500: "InternalError",
    501: "NotImplemented",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}

# A server's message is shown, journaled and sent in alerts up to this length.
_MAX_MESSAGE = 300
_MAX_NAME = 100

# S3 and compatible servers report it as AccessDenied or InvalidRequest, which looks like a missing permission.
OBJECT_LOCKED = "ObjectLocked"
_LOCK_WORDS = re.compile(r"object lock|\bworm\b|legal hold|retention", re.IGNORECASE)

# S3's message for objects that are encrypted with a key that it does not have (SSE-C).
_CUSTOMER_KEY_WORDS = "stored using a form of server side encryption"

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_TRANSIENT_CODES = {
    CONNECTION_ERROR,
    TIMEOUT,
    RESPONSE_TIMEOUT,
    INVALID_RESPONSE,
    UNBOUNDED_ANSWER,
    UNREADABLE_BODY,
    UNREADABLE_HEADER,
    "BadGateway",
    "ConditionalRequestConflict",
    "GatewayTimeout",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
}
_TRANSIENT_STATUSES = {408, 425, 429}

# All other failures of a server may pass: some edges, proxies and providers have statuses of their own for them, see
# https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
_LASTING_FAILURES = {501, 505, 507, 508, 510, 511, 530}

# With these codes a server throttles: there are too many requests.
_THROTTLING_CODES = {
    "BandwidthLimitExceeded",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
}
_THROTTLING_STATUSES = {429, 503, 509, 529}

# Codes of refusals for a missing permission; that of a locked object is another. An answer to HEAD has only its status.
NOT_PERMITTED = {"AccessDenied", FORBIDDEN}

_MISSING_BUCKET = {"NoSuchBucket"}
_DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem"}
_WRONG_REGION = {
    "PermanentRedirect",
    "TemporaryRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "IncorrectEndpoint",
}
_WRONG_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"}


def shortened(text: str, most: int = _MAX_MESSAGE) -> str:
    """A server's message as one line of limited length, without characters that control a terminal."""
    line = " ".join(text[: 8 * most].split())
    shown = "".join(character if character.isprintable() else "\ufffd" for character in line[:most])
    return shown if len(line) <= most and len(text) <= 8 * most else f"{shown}…"


def refined_code(code: str, message: str) -> str:
    """An error's code, or `OBJECT_LOCKED` where only the message shows that the object is locked."""
    return OBJECT_LOCKED if _LOCK_WORDS.search(message) else code


def is_transient_code(code: str) -> bool:
    """Whether a request that failed with this code may succeed later."""
    return code in _TRANSIENT_CODES or code in _THROTTLING_CODES


def _is_transient_status(status: int) -> bool:
    return status in _TRANSIENT_STATUSES or (500 <= status < 600 and status not in _LASTING_FAILURES)


class S3RequestError(Exception):
    """S3 refused a request, or there is no usable answer.

    Attributes:
        operation: the operation's name in the S3 API.
        bucket: the bucket.
        key: the object's key, or None.
        status: the HTTP status, or None where there is no answer, or none that can be understood.
        code: S3's error code, or one of this module's own; the status where S3's is blank.
        message: the server's or the network's message, in one line of at most 300 characters.
        request_id: S3's id of the request, or None.
        bucket_region: the bucket's region if the server named it.
        condition: the header of the condition that did not hold, in lower case, if the server named it.
        written: the ETag of what the request has written although it failed; None if nothing is known to be written.
        sends: how often the request was sent.
    """

    def __init__(
        self,
        bucket: str,
        request: Request,
        code: str,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        bucket_region: str | None = None,
        condition: str | None = None,
    ) -> None:
        # Not the request itself: its body may be large, and an error may be kept for long.
        super().__init__(bucket, request.operation, request.key, code, message, status)
        self.operation = request.operation
        self.bucket = bucket
        self.key = request.key
        self.status = status
        self.code = shortened(code, _MAX_NAME) or str(status)
        self.message = shortened(message)
        self.request_id = shortened(request_id, _MAX_NAME) if request_id else None
        self.bucket_region = shortened(bucket_region, _MAX_NAME) if bucket_region else None
        self.condition = condition.strip().lower() if condition else None
        self.written: str | None = None
        self.sends = 1

    def as_kind(self, kind: "type[S3RequestError]") -> "S3RequestError":
        """The same error as one of the subclasses."""
        same = kind.__new__(kind, *self.args)
        vars(same).update(vars(self))
        return same

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later."""
        # Some servers answer 500 to a request that they don't support.
        is_unknown = self.code in ("NotImplemented", "MethodNotAllowed")
        return not is_unknown and (is_transient_code(self.code) or _is_transient_status(self.status or 0))

    @property
    def is_throttled(self) -> bool:
        """Whether the server throttled the request."""
        return self.code in _THROTTLING_CODES or self.status in _THROTTLING_STATUSES

    def __str__(self) -> str:
        where = self.bucket if self.key is None else f"{self.bucket} key {self.key!r}"
        status = f" ({self.status})" if self.status is not None else ""
        request_id = f" [request {self.request_id}]" if self.request_id else ""
        return f"{self.operation} {where}: {self.code}{status}: {self.message}{request_id}"


class ObjectChangedError(S3RequestError):
    """The source object is no longer the planned one: it was overwritten, or it is gone."""


class ObjectUnreadableError(S3RequestError):
    """The source object cannot be read now: its storage class is an archive, and it is not restored."""


class CustomerKeyError(ObjectUnreadableError):
    """The source object can be read only with its owner's key, which S3 does not have (SSE-C)."""


def needs_customer_key(error: S3RequestError) -> bool:
    """Whether an object could not be read because its owner's key is required (SSE-C)."""
    return error.status == 400 and _CUSTOMER_KEY_WORDS in error.message.lower()


def code_of_status(status: int) -> str:
    """The code for an answer without one."""
    return _CODE_BY_STATUS.get(status, f"HTTP{status}")


def _is_status(code: str) -> bool:
    """Whether a code is only the status of an answer that S3 never gives."""
    return code.startswith(("HTTP3", "HTTP4"))


def invalid_response(bucket: str, request: Request, response: Response, problem: str) -> S3RequestError:
    """The error for a successful response that cannot be understood."""
    return S3RequestError(
        bucket,
        request,
        INVALID_RESPONSE,
        f"{problem} (status {response.status})",
        request_id=response.header("x-amz-request-id"),
    )


def bucket_error(error: S3RequestError, place: Place) -> BucketError:
    """The error that says in one line why a bucket cannot be used, and what to do about it."""
    reason = _bucket_reason(error, place)
    return BucketError(f"{place.uri}: {reason} [{error.operation}: {error.code}]")


@contextmanager
def naming_bucket(place: Place) -> Iterator[None]:
    """A block that sends requests to one bucket: an `S3RequestError` of it becomes the error of `bucket_error`."""
    try:
        yield
    except S3RequestError as error:
        raise bucket_error(error, place) from error


def faulty_setting(error: S3RequestError) -> Literal["keys", "region", "endpoint_url", "bucket"]:
    """The setting to correct, most likely, after a bucket could not be listed."""
    if error.code in _WRONG_KEYS | _EXPIRED or error.code == CREDENTIALS_ERROR:
        return "keys"
    if error.code in _WRONG_REGION or error.bucket_region:
        return "region"
    is_no_s3 = error.code in (INVALID_RESPONSE, ANSWER_TOO_LARGE, UNBOUNDED_ANSWER) or _is_status(error.code)
    if error.status is None or error.code == MOVED or is_no_s3:
        return "endpoint_url"
    return "bucket"


def _bucket_reason(error: S3RequestError, place: Place) -> str:
    server = place.shown_server
    who = place.signer
    if error.code in _MISSING_BUCKET:
        return f"there is no bucket {place.bucket!r} at {server}: create it, or correct its name"
    if error.code in _WRONG_REGION | {MOVED} or (error.bucket_region and error.status in (301, 307, 400)):
        if error.bucket_region:
            return f"the bucket is in region {error.bucket_region!r}: set region = {error.bucket_region!r}"
        return f"{server} says that the bucket is elsewhere: set its region or endpoint_url ({error.message})"
    if error.code == "RequestTimeTooSkewed":
        return "this machine's clock differs from the server's by over 15 minutes: set the clock"
    if error.code in _WRONG_KEYS:
        return f"the server does not accept the access key or secret key of {who}: correct them"
    if error.code in _EXPIRED:
        return f"the session token of {who} has expired or is not valid: sign in again"
    if error.code == CREDENTIALS_ERROR:
        return f"no usable credentials from {who}: {error.message}"
    if error.code in _DENIED:
        return f"{who} may not do this: allow s3:{_permission(error.operation)} ({error.message})"
    if error.code == FORBIDDEN:
        permission = f"s3:{_permission(error.operation)}"
        return f"{server} refuses this without a reason: {who} may need {permission} ({error.message})"
    if error.code == NOT_FOUND and error.key is None:
        return f"{server} has no such resource: correct endpoint_url or the bucket's name ({error.message})"
    if error.code == TLS_ERROR and "WRONG_VERSION_NUMBER" in error.message:
        return f"{server} does not speak TLS: without it, its endpoint_url begins with http:// ({error.message})"
    if error.code == TLS_ERROR:
        return (
            f"no trusted TLS connection to {server}: name the certificates of its authority by AWS_CA_BUNDLE, or by "
            f"ca_bundle in the AWS profile ({error.message})"
        )
    if error.code in (INVALID_RESPONSE, ANSWER_TOO_LARGE, UNBOUNDED_ANSWER, "BadRequest") or _is_status(error.code):
        hint = "; correct its endpoint_url if that is of a console or a website, else tell the provider of the server"
        hint = "" if place.endpoint_url is None else hint
        return f"{server} does not answer as S3 does: {error.message}{hint}"
    if error.status is None:
        # Many a server without TLS only closes the connection.
        is_closed = "SOCKET_CLOSED" in error.message or "UNEXPECTED_EOF" in error.message
        is_tls = (place.endpoint_url or "").startswith("https:")
        hint = "; without TLS, its endpoint_url begins with http://" if is_closed and is_tls else ""
        return f"{server} cannot be reached: {error.message}{hint}"
    reason = f"{error.message} (status {error.status})"
    if error.is_throttled:
        return f"{server} throttles requests: try again later, or set options.requests_per_second: {reason}"
    if error.is_transient:
        return f"{server} has trouble that may pass, try again later: {reason}"
    return f"{server} refuses this: {reason}"


def _permission(operation: str) -> str:
    """The IAM action that allows an operation."""
    return {
        "ListObjects": "ListBucket",
        "ListObjectsV2": "ListBucket",
        "HeadBucket": "ListBucket",
        "HeadObject": "GetObject",
        "CopyObject": "PutObject and s3:GetObject",
        "UploadPartCopy": "PutObject and s3:GetObject",
        "CreateMultipartUpload": "PutObject",
        "CompleteMultipartUpload": "PutObject",
        "DeleteObjects": "DeleteObject",
    }.get(operation, operation)
