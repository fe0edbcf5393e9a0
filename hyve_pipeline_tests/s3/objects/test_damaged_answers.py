"""Whatever is damaged in an answer of status 200 is noticed, or changes nothing of what the answer says."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - lxml has no type stubs

from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.server_abilities import ServerAbilities
from hyve_pipeline.s3.connection.transport import Endpoint
from hyve_pipeline.s3.objects.acl import read_grants
from hyve_pipeline.s3.objects.delete import delete_objects
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.objects.multipart_api import create_upload, list_parts, list_uploads
from hyve_pipeline.s3.objects.properties import parts_of_etag, read_properties
from hyve_pipeline.s3.objects.source_responses import read_copied_part
from hyve_pipeline.s3.objects.tags import read_tags
from hyve_pipeline.s3.objects.versions import list_versions, versioning_state
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.futures import complete
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response

_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_ETAG = "d41d8cd98f00b204e9800998ecf8427e"


class _Saying:
    """Stands in for a connection whose server gives one answer to everything."""

    def __init__(self, response: Response) -> None:
        self.bucket = "bucket"
        self.place = Place(bucket="bucket", endpoint_url="http://saying")
        self.abilities = ServerAbilities(Endpoint("http", "saying", "", "us-east-1", "bucket"))
        self._response = response

    def send(self, request: Request, **_: object) -> "Future[Response]":
        return self.ask(request, lambda response: response)

    def ask(self, _: Request, read: Callable[[Response], Any], **__: object) -> "Future[Any]":
        outcome: Future[Any] = Future()
        complete(outcome, read, self._response)
        return outcome

    def exchange(self, _: Request, on_end: Callable[[Response], None], **__: object) -> None:
        on_end(self._response)


@dataclass(frozen=True)
class _Kind:
    """One kind of answer.

    Attributes:
        document: what S3 answers.
        read: what Hyve makes of it.
        free: elements that S3 itself may leave out or empty, so that nothing shows that they were there.
        headers: of the answer.
    """

    document: str
    read: Callable[[Connection, Response], Any]
    free: tuple[str, ...] = ()
    headers: Pairs = ()


def _copied(operation: str) -> Callable[[Connection, Response], Any]:
    return lambda connection, response: read_copied_part(
        connection.bucket, Request(operation, "PUT", "k"), response, None
    )


_KINDS = {
    "tags": _Kind(
        f"<Tagging {_NAMESPACE}><TagSet><Tag><Key>a</Key><Value>b</Value></Tag>"
        "<Tag><Key>c</Key><Value>d</Value></Tag></TagSet></Tagging>",
        lambda connection, _: read_tags(connection, "k").result(),
        free=("Value",),  # it may be empty
        headers=(("x-amz-tagging-count", "2"),),
    ),
    "grants": _Kind(
        f"<AccessControlPolicy {_NAMESPACE}><Owner><ID>o</ID></Owner><AccessControlList><Grant><Grantee><ID>g</ID>"
        "</Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>",
        lambda connection, _: read_grants(connection, "k").result(),
        free=("Grant", "AccessControlList"),  # there may be none
    ),
    "versioning": _Kind(
        f"<VersioningConfiguration {_NAMESPACE}><Status>Enabled</Status></VersioningConfiguration>",
        lambda connection, _: versioning_state(connection),
        free=("Status",),
    ),
    "versions": _Kind(
        f"<ListVersionsResult {_NAMESPACE}><IsTruncated>false</IsTruncated><Version><Key>k</Key>"
        "<VersionId>v</VersionId>"
        f"<ETag>&quot;{_ETAG}&quot;</ETag><Size>1</Size><StorageClass>GLACIER</StorageClass></Version>"
        "</ListVersionsResult>",
        lambda connection, _: list_versions(connection, "k").result(),
        free=("Version", "StorageClass", "Key"),  # of other keys nothing is wanted
    ),
    "uploads": _Kind(
        f"<ListMultipartUploadsResult {_NAMESPACE}><Bucket>bucket</Bucket><Prefix>p/</Prefix>"
        "<IsTruncated>false</IsTruncated><Upload><Key>p/k</Key><UploadId>u</UploadId>"
        "<Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>",
        lambda connection, _: list_uploads(connection, "p/"),
        free=("Upload", "Initiated"),  # there may be none; a time that is not known is shown so
    ),
    "upload": _Kind(
        f"<InitiateMultipartUploadResult {_NAMESPACE}><UploadId>u</UploadId></InitiateMultipartUploadResult>",
        lambda connection, _: create_upload(connection, "k", ()),
    ),
    "parts": _Kind(
        f"<ListPartsResult {_NAMESPACE}><UploadId>u</UploadId><IsTruncated>false</IsTruncated><Part><PartNumber>1"
        f"</PartNumber><ETag>&quot;{_ETAG}&quot;</ETag><Size>5</Size></Part></ListPartsResult>",
        lambda connection, _: list_parts(connection, "k", "u", None),
        free=("Part",),  # what is not there is sent again
    ),
    "copy": _Kind(
        f"<CopyObjectResult {_NAMESPACE}><ETag>&quot;{_ETAG}&quot;</ETag></CopyObjectResult>", _copied("CopyObject")
    ),
    "part copy": _Kind(
        f"<CopyPartResult {_NAMESPACE}><ETag>&quot;{_ETAG}&quot;</ETag></CopyPartResult>", _copied("UploadPartCopy")
    ),
    "completion": _Kind(
        f"<CompleteMultipartUploadResult {_NAMESPACE}><ETag>&quot;{_ETAG}&quot;</ETag></CompleteMultipartUploadResult>",
        _copied("CompleteMultipartUpload"),
    ),
    "delete": _Kind(
        f"<DeleteResult {_NAMESPACE}><Deleted><Key>k</Key></Deleted></DeleteResult>",
        lambda connection, _: delete_objects(connection, ["k"]).result(),
    ),
}


def _said(kind: _Kind, body: bytes) -> Any:
    """What is made of an answer; None where it is none, or says of no object that it is gone."""
    response = Response(200, kind.headers, body)
    try:
        said = kind.read(cast(Connection, _Saying(response)), response)
    except S3RequestError:
        return None
    return None if getattr(said, "errors", None) else said


@pytest.mark.parametrize("name", _KINDS)
@given(st.data())
def test_no_damage_is_passed_over(name: str, data: st.DataObject) -> None:
    kind = _KINDS[name]
    whole = _said(kind, kind.document.encode())
    assert whole is not None
    root = etree.fromstring(kind.document.encode())
    damage = data.draw(st.sampled_from(["cut", "element"]))
    if damage == "cut":
        body = kind.document.encode()[: data.draw(st.integers(0, len(kind.document) - 1))]
        assert _said(kind, body) is None
        return
    elements = [element for element in root.iter() if etree.QName(element).localname not in kind.free]
    element = data.draw(st.sampled_from(elements))
    how = data.draw(st.sampled_from(["empty", "rename", "remove"]))
    if how == "remove" and element is not root:
        element.getparent().remove(element)
    elif how == "empty":
        element.clear()
    else:
        element.tag = "Other"
    assert _said(kind, etree.tostring(root)) in (None, whole)


@pytest.mark.parametrize("name", _KINDS)
@pytest.mark.parametrize("body", [b"", b" ", b"<html>welcome</html>", b"<ListBucketResult/>", b"<Other/>", b"\x00"])
def test_another_document_is_no_answer(name: str, body: bytes) -> None:
    assert _said(_KINDS[name], body) is None


# Numbers that Python takes and S3 never gives, and what is none.
_ODD_NUMBERS = ["", " ", "x", "-5", "+5", "1_0", "5.0", "\u0663", "9" * 19, "9" * 5_000]

_HEADERS = {
    "ETag": f'"{_ETAG}"',
    "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
    "Content-Length": "5",
    "x-amz-tagging-count": "2",
    "x-amz-version-id": "v",
}

_ODD_HEADERS = [
    *(("ETag", value) for value in ("", '""')),
    *(
        ("Last-Modified", value)
        for value in ("", "x", "0", "Thu, 01 Jan 2026 00:00:00", f"1 Jan 2026 0:0:0 +{'9' * 30}")
    ),
    *(("Content-Length", value) for value in _ODD_NUMBERS),
    *(("x-amz-tagging-count", value) for value in _ODD_NUMBERS),
]


def _properties(headers: dict[str, str]) -> Any:
    """What is made of an answer to HEAD; None where it is refused."""
    connection = cast(Connection, _Saying(Response(200, tuple(headers.items()), b"")))
    try:
        return head_object(connection, "k").result(), read_properties(connection, "k", _ETAG).result()
    except S3RequestError:
        return None


@pytest.mark.parametrize(("name", "value"), _ODD_HEADERS, ids=lambda value: ascii(value[:20]))
def test_a_header_that_makes_no_sense_is_no_answer(name: str, value: str) -> None:
    assert _properties(_HEADERS) is not None
    assert _properties({**_HEADERS, name: value}) is None


@pytest.mark.parametrize("name", ["ETag", "Last-Modified"])
def test_a_header_that_must_be_there(name: str) -> None:
    assert _properties({key: value for key, value in _HEADERS.items() if key != name}) is None


@given(st.sampled_from(sorted(_HEADERS)), st.text(max_size=30))
def test_whatever_a_header_says_is_no_crash(name: str, value: str) -> None:
    _properties({**_HEADERS, name: value})


@pytest.mark.parametrize(
    ("etag", "parts"),
    [("a-2", 2), ("a-10000", 10_000), ("a", None), ("a-0", None), ("a-x", None), (f"a-{'9' * 5_000}", None)],
    ids=lambda value: str(value)[:20],
)
def test_parts_of_an_etag(etag: str, parts: int | None) -> None:
    assert parts_of_etag(etag) == parts
