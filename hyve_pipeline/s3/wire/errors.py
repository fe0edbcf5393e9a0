"""What S3 means when it refuses a request, and how that is told to a person."""

import re

from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.xml import MalformedXmlError, child_text, local_name, parse_xml

# Codes of failures that happen before any answer comes; S3 itself has no codes for them.
CONNECTION_ERROR = "ConnectionError"
TIMEOUT = "Timeout"
RESPONSE_TIMEOUT = "ResponseTimeout"
TLS_ERROR = "TLSError"
CREDENTIALS_ERROR = "CredentialsError"
INVALID_RESPONSE = "InvalidResponse"
ANSWER_TOO_LARGE = "AnswerTooLarge"

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

# A response to HEAD has no body, so that only its status tells what happened.
_CODE_BY_STATUS = {
    301: "PermanentRedirect",
    307: "TemporaryRedirect",
    400: "BadRequest",
    403: "AccessDenied",
    404: "NotFound",
    405: "MethodNotAllowed",
    412: "PreconditionFailed",
    416: "InvalidRange",
    429: "TooManyRequests",
    500: "InternalError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}

_MISSING_BUCKET = {"NoSuchBucket"}
_WRONG_REGION = {
    "PermanentRedirect",
    "TemporaryRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "IncorrectEndpoint",
}
_WRONG_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"}


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
        message: what the server or the network said, in one line.
        request_id: S3's id of the request, or None.
        bucket_region: the bucket's region where the server named it.
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
        self.code = code
        self.message = " ".join(message.split())
        self.request_id = request_id
        self.bucket_region = bucket_region

    @property
    def is_transient(self) -> bool:
        """Whether the same request may well succeed later."""
        return is_transient_code(self.code) or self.status in _TRANSIENT_STATUSES

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


# How a document begins whose root is an Error: white space keeps a connection open while the server works.
_ERROR_DOCUMENT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<(?:[^<>\s:]+:)?Error[\s/>]")


def is_error(response: Response) -> bool:
    """Whether a response tells of a failure.

    S3 may begin to answer CopyObject, UploadPartCopy and CompleteMultipartUpload with status 200 before it
    knows the outcome, and then send an ``<Error>`` as the body. An object whose content is such a document has an ETag.
    """
    if not 200 <= response.status < 300:
        return True
    return _ERROR_DOCUMENT.match(response.body) is not None and response.header("etag") is None


def error_of(bucket: str, request: Request, response: Response) -> S3RequestError:
    """The error that a response tells of."""
    fields = _read_error_fields(response.body)
    request_id = fields.get("RequestId") or response.header("x-amz-request-id")
    reason = fields.get("Message") or f"the server answered {response.status} without a message"
    code = fields.get("Code") or _CODE_BY_STATUS.get(response.status, f"HTTP{response.status}")
    return S3RequestError(
        request.operation,
        bucket,
        request.key,
        status=response.status,
        code=telling_code(code, reason),
        message=reason,
        request_id=request_id,
        bucket_region=response.header("x-amz-bucket-region") or fields.get("Region"),
    )


def invalid_response(bucket: str, request: Request, response: Response, problem: str) -> S3RequestError:
    """The error for a response that says it succeeded but cannot be understood."""
    return S3RequestError(
        request.operation,
        bucket,
        request.key,
        status=None,
        code=INVALID_RESPONSE,
        message=f"{problem} (status {response.status})",
        request_id=response.header("x-amz-request-id"),
    )


def as_kind(kind: type[S3RequestError], error: S3RequestError) -> S3RequestError:
    """The same error as one of its subclasses."""
    return kind(
        error.operation,
        error.bucket,
        error.key,
        status=error.status,
        code=error.code,
        message=error.message,
        request_id=error.request_id,
        bucket_region=error.bucket_region,
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
    if error.code in _MISSING_BUCKET or (error.status == 404 and error.key is None):
        return f"there is no bucket {place.bucket!r} at {server}: create it, or correct its name"
    if error.code in _WRONG_REGION or (error.status == 400 and error.bucket_region):
        if error.bucket_region:
            return f"the bucket is in region {error.bucket_region!r}: set region = {error.bucket_region!r}"
        return f"the bucket is in another region: set its region ({error.message})"
    if error.code == "RequestTimeTooSkewed":
        return "this machine's clock differs from the server's by over 15 minutes: set the clock"
    if error.code in _WRONG_KEYS:
        return f"the server does not accept the access key or secret key of {who}: correct them"
    if error.code in _EXPIRED:
        return f"the session token of {who} has expired or is not valid: sign in again"
    if error.code == CREDENTIALS_ERROR:
        return f"no usable credentials from {who}: {error.message}"
    if error.code in ("AccessDenied", "AllAccessDisabled", "AccountProblem") or error.status == 403:
        return f"{who} may not do this: allow s3:{_permission(error.operation)} ({error.message})"
    if error.code == TLS_ERROR:
        return f"no trusted TLS connection to {server}: {error.message}"
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


def _read_error_fields(body: bytes) -> dict[str, str]:
    """The fields of an ``<Error>`` document; empty where there is none."""
    if not body.strip():
        return {}
    try:
        root = parse_xml(body)
    except MalformedXmlError:
        return {}
    # Some servers wrap the error in another element.
    error = root if local_name(root) == "Error" else next(iter(root.iter("{*}Error")), root)
    names = ("Code", "Message", "RequestId", "Region")
    return {name: text for name in names if (text := child_text(error, name))}
