"""Failed requests: what their codes mean, which may pass, and the line that a person reads.

- `S3RequestError`: any request that failed.
    - `ObjectChangedError`: the source object is no longer the planned one.
    - `ObjectUnreadableError`: it can't be read now.
        - `CustomerKeyError`: it can be read with its owner's key alone.
"""

import re
from typing import Self

from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.wire.messages import Request, Response

# Codes of failures that happen before any answer comes; S3 itself has no codes for them.
CONNECTION_ERROR = "ConnectionError"
TIMEOUT = "Timeout"
RESPONSE_TIMEOUT = "ResponseTimeout"
TLS_ERROR = "TLSError"
CREDENTIALS_ERROR = "CredentialsError"
INVALID_RESPONSE = "InvalidResponse"
ANSWER_TOO_LARGE = "AnswerTooLarge"

# The fast transport gave a request up, since its answer may have no end: the other one reads answers piece by piece.
UNBOUNDED_ANSWER = "UnboundedAnswer"

# Where an answer names no code: S3 refuses by AccessDenied, and redirects by PermanentRedirect. Nobody knows whether
# it was S3 that answered so.
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

# What a server says is shown, journaled and sent as an alert, as far as that.
_MOST_CHARACTERS = 300
_MOST_OF_NAME = 100

# Told as AccessDenied or InvalidRequest by S3 and its likes, which sends people looking for a permission.
OBJECT_LOCKED = "ObjectLocked"
_LOCK_WORDS = re.compile(r"object lock|\bworm\b|legal hold|retention", re.IGNORECASE)

# How S3 answers for objects that are encrypted by a key that it does not have (SSE-C).
_CUSTOMER_KEY_WORDS = "stored using a form of server side encryption"

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_TRANSIENT_CODES = {
    CONNECTION_ERROR,
    TIMEOUT,
    RESPONSE_TIMEOUT,
    INVALID_RESPONSE,
    UNBOUNDED_ANSWER,
    "BadGateway",
    "GatewayTimeout",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
}
_TRANSIENT_STATUSES = {408, 429, 500, 502, 503, 504}

# By these a server says that there are too many requests, and not only that this one failed.
_REFUSALS = {"SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "TooManyRequests"}

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


def shortened(text: str, most: int = _MOST_CHARACTERS) -> str:
    """What a server says, as one line of a length that can be read, and without what would control a terminal."""
    line = " ".join(text[: 8 * most].split())
    shown = "".join(character if character.isprintable() else "\ufffd" for character in line[:most])
    return shown if len(line) <= most and len(text) <= 8 * most else f"{shown}…"


def telling_code(code: str, message: str) -> str:
    """An error's code, or our own where only the message tells that the object is locked."""
    return OBJECT_LOCKED if _LOCK_WORDS.search(message) else code


def is_transient_code(code: str) -> bool:
    """Whether a request that failed with this code may well succeed later."""
    return code in _TRANSIENT_CODES


class S3RequestError(Exception):
    """S3 refused a request, or no usable answer came.

    Attributes:
        operation: the operation's name in the S3 API.
        bucket: the bucket.
        key: the object's key, or None.
        status: the HTTP status, or None where no answer came.
        code: S3's error code, or one of this module's own.
        message: what the server or the network said, in one line of at most some hundred characters.
        request_id: S3's id of the request, or None.
        bucket_region: the bucket's region where the server named it.
        sends: how often the request was sent.
    """

    def __init__(
        self,
        operation: str,
        bucket: str,
        key: str | None,
        *,
        status: int | None,
        code: str,
        message: str,
        request_id: str | None = None,
        bucket_region: str | None = None,
    ) -> None:
        super().__init__(operation, bucket, key, status, code, message)
        self.operation = operation
        self.bucket = bucket
        self.key = key
        self.status = status
        self.code = shortened(code, _MOST_OF_NAME)
        self.message = shortened(message)
        self.request_id = shortened(request_id, _MOST_OF_NAME) if request_id else None
        self.bucket_region = shortened(bucket_region, _MOST_OF_NAME) if bucket_region else None
        self.sends = 1

    @classmethod
    def of(
        cls,
        bucket: str,
        request: Request,
        code: str,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        bucket_region: str | None = None,
    ) -> Self:
        """The error of a request.

        Args:
            bucket: the bucket that it went to.
            request: the request.
            code: S3's error code, or one of this module's own.
            message: what the server or the network said.
            status: the HTTP status, or None where no answer came, or none that can be understood.
            request_id: S3's id of the request.
            bucket_region: the bucket's region where the server named it.
        """
        return cls(
            request.operation,
            bucket,
            request.key,
            status=status,
            code=code,
            message=message,
            request_id=request_id,
            bucket_region=bucket_region,
        )

    def as_kind(self, kind: "type[S3RequestError]") -> "S3RequestError":
        """The same error as one of the subclasses."""
        same = kind(
            self.operation,
            self.bucket,
            self.key,
            status=self.status,
            code=self.code,
            message=self.message,
            request_id=self.request_id,
            bucket_region=self.bucket_region,
        )
        same.sends = self.sends
        return same

    @property
    def is_transient(self) -> bool:
        """Whether the same request may well succeed later."""
        # Some servers say by 500 that they don't know a request.
        is_unknown = self.code in ("NotImplemented", "MethodNotAllowed")
        return not is_unknown and (is_transient_code(self.code) or self.status in _TRANSIENT_STATUSES)

    @property
    def is_refusal(self) -> bool:
        """Whether the server refused the request since there were too many."""
        return self.code in _REFUSALS or self.status in (429, 503)

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
    """The source object can be read only with a key that its owner has and S3 has not (SSE-C)."""


def needs_customer_key(error: S3RequestError) -> bool:
    """Whether an object could not be read for want of its owner's key."""
    return error.status == 400 and _CUSTOMER_KEY_WORDS in error.message.lower()


def code_of_status(status: int) -> str:
    """A code for an answer that names none."""
    return _CODE_BY_STATUS.get(status, f"HTTP{status}")


def invalid_response(bucket: str, request: Request, response: Response, problem: str) -> S3RequestError:
    """The error for a response that says it succeeded but cannot be understood."""
    return S3RequestError.of(
        bucket,
        request,
        INVALID_RESPONSE,
        f"{problem} (status {response.status})",
        request_id=response.header("x-amz-request-id"),
    )


def bucket_error(error: S3RequestError, place: Place) -> BucketError:
    """The one line that tells a person why a bucket cannot be used, and what to do about it."""
    reason = _bucket_reason(error, place)
    return BucketError(f"{place.uri}: {reason} [{error.operation}: {error.code}]")


def _bucket_reason(error: S3RequestError, place: Place) -> str:
    server = place.shown_server
    who = f"profile {place.profile!r}" if place.profile else "the default AWS credentials"
    if place.resource is not None:
        who = f"resource {place.resource!r}"
    if error.code in _MISSING_BUCKET:
        return f"there is no bucket {place.bucket!r} at {server}: create it, or correct its name"
    if error.code in _WRONG_REGION or (error.bucket_region and error.status in (301, 307, 400)):
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
        return f"{server} refuses this, and does not say why: {who} may need {permission} ({error.message})"
    if error.code == NOT_FOUND and error.key is None:
        return f"{server} knows no such place: correct endpoint_url or the bucket's name ({error.message})"
    if error.code == TLS_ERROR:
        return f"no trusted TLS connection to {server}: {error.message}"
    if error.code in (INVALID_RESPONSE, ANSWER_TOO_LARGE, UNBOUNDED_ANSWER):
        return f"{server} does not answer as S3 does: {error.message}"
    if error.status is None:
        return f"{server} cannot be reached: {error.message}"
    return f"{error.message} (status {error.status})"


def _permission(operation: str) -> str:
    """The action of an IAM policy that allows an operation."""
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
