"""Answers in the coding gzip, which some proxies give to everything."""

import gzip

import pytest

from hyve_pipeline.s3.wire.messages import Pairs, Response
from hyve_pipeline.s3.wire.responses import unpacked

DOCUMENT = b'\xef\xbb\xbf <?xml version="1.0"?><ListBucketResult/>'
GZIP: Pairs = (("Content-Encoding", "gzip"), ("Content-Type", "application/xml"))
MOST = 1000


@pytest.mark.parametrize("status", [200, 403, 503])
def test_a_document_is_unpacked(status: int) -> None:
    packed = Response(status, GZIP, gzip.compress(DOCUMENT))
    assert unpacked(packed, MOST) == Response(status, GZIP, DOCUMENT)


def test_a_failure_that_has_an_etag_is_unpacked() -> None:
    packed = Response(412, (*GZIP, ("ETag", '"a"')), gzip.compress(DOCUMENT))
    assert unpacked(packed, MOST).body == DOCUMENT


@pytest.mark.parametrize(
    "response",
    [
        Response(200, (*GZIP, ("ETag", '"a"')), gzip.compress(DOCUMENT)),
        Response(200, GZIP, gzip.compress(b"no document")),
        Response(200, (), gzip.compress(DOCUMENT)),
        Response(200, GZIP, DOCUMENT),
        Response(200, GZIP, gzip.compress(DOCUMENT)[:-1]),
        Response(200, GZIP, b"\x1f\x8b damaged"),
        Response(200, GZIP, gzip.compress(b"<" + b" " * MOST)),
        Response(200, GZIP, b""),
    ],
    ids=["object", "text", "without the header", "plain", "cut", "damaged", "too long", "empty"],
)
def test_anything_else_stays_as_it_is(response: Response) -> None:
    assert unpacked(response, MOST) is response
