"""What counts as a failure."""

import pytest

from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.wire.errors import (
    CONNECTION_ERROR,
    CREDENTIALS_ERROR,
    INVALID_RESPONSE,
    MOVED,
    S3RequestError,
    bucket_error,
    code_of_status,
    faulty_setting,
)
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.responses import is_error

_ERROR = b"<Error><Code>InternalError</Code></Error>"


@pytest.mark.parametrize(
    "body",
    [
        _ERROR,
        b"<?xml version='1.0' encoding='UTF-8'?>\n" + _ERROR,
        # White space keeps the connection open until the outcome is known.
        b" " * 100_000 + b'<?xml version="1.0"?>' + _ERROR,
        b"\r\n\t" + _ERROR,
        b"\xef\xbb\xbf" + _ERROR,
        b'<Error xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Code>SlowDown</Code></Error>',
        b'<s3:Error xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/"/>',
        b"<Error/>",
    ],
)
def test_an_error_with_status_200(body: bytes) -> None:
    assert is_error(Response(200, (), body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>",
        # The failures of single keys are no failure of the request.
        b"<DeleteResult>" + _ERROR + b"</DeleteResult>",
        b"<?xml version='1.0'?><ListBucketResult><Contents><Key>&lt;Error&gt;</Key></Contents></ListBucketResult>",
        b"<Errors/>",
        b"text, then <Error>",
    ],
)
def test_a_success(body: bytes) -> None:
    assert not is_error(Response(200, (), body))


@pytest.mark.parametrize("status", [199, 300, 304, 403, 404, 412, 500, 503])
def test_any_other_status(status: int) -> None:
    assert is_error(Response(status, (), b""))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 509, 520, 522, 525, 529, 598, 599])
def test_an_edge_or_server_that_has_trouble_may_answer_later(status: int) -> None:
    error = S3RequestError("b", Request("GetObject", "GET", "k"), code_of_status(status), "", status=status)
    assert error.is_transient
    assert error.is_throttled is (status in (429, 509, 529))


@pytest.mark.parametrize("status", [400, 404, 501, 505, 507, 530])
def test_other_failures_do_not_pass(status: int) -> None:
    error = S3RequestError("b", Request("GetObject", "GET", "k"), code_of_status(status), "", status=status)
    assert not error.is_transient


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "BandwidthLimitExceeded", "RequestThrottled"])
def test_a_server_may_throttle_by_a_code_alone(code: str) -> None:
    error = S3RequestError("b", Request("GetObject", "GET", "k"), code, "", status=400)
    assert error.is_throttled
    assert error.is_transient


def test_a_body_that_was_cut_on_its_way_is_sent_again() -> None:
    assert S3RequestError("b", Request("PutObject", "PUT", "k"), "IncompleteBody", "", status=400).is_transient


@pytest.mark.parametrize(("code", "may_pass"), [("NotImplemented", False), ("InternalError", True), ("HTTP500", True)])
def test_what_a_server_does_not_know_does_not_pass(code: str, may_pass: bool) -> None:
    error = S3RequestError("b", Request("GetObjectTagging", "GET", "k"), code, "", status=500)
    assert error.is_transient is may_pass


@pytest.mark.parametrize(
    ("code", "status", "setting"),
    [
        ("InvalidAccessKeyId", 403, "keys"),
        ("SignatureDoesNotMatch", 403, "keys"),
        ("ExpiredToken", 400, "keys"),
        (CREDENTIALS_ERROR, None, "keys"),
        ("AuthorizationHeaderMalformed", 400, "region"),
        ("PermanentRedirect", 301, "region"),
        (MOVED, 301, "endpoint_url"),
        (code_of_status(308), 308, "endpoint_url"),
        (CONNECTION_ERROR, None, "endpoint_url"),
        (INVALID_RESPONSE, 200, "endpoint_url"),
        ("NoSuchBucket", 404, "bucket"),
        ("AccessDenied", 403, "bucket"),
    ],
)
def test_the_setting_that_is_at_fault(code: str, status: int | None, setting: str) -> None:
    assert faulty_setting(S3RequestError("b", Request("ListObjectsV2", "GET"), code, "", status=status)) == setting


@pytest.mark.parametrize(
    ("code", "status", "advice"),
    [
        (MOVED, 301, "set its region or endpoint_url (Location: https://b)"),
        (code_of_status(302), 302, "correct its endpoint_url"),
        ("SlowDown", 503, "try again later, or set options.requests_per_second"),
        ("TooManyRequests", 429, "try again later, or set options.requests_per_second"),
        ("InternalError", 500, "try again later"),
    ],
)
def test_a_bucket_that_does_not_answer_is_one_line_that_says_what_to_do(code: str, status: int, advice: str) -> None:
    error = S3RequestError("b", Request("ListObjectsV2", "GET"), code, "Location: https://b", status=status)
    place = Place(bucket="pictures", endpoint_url="http://127.0.0.1:9", endpoint_origin="settings")
    assert advice in str(bucket_error(error, place))
