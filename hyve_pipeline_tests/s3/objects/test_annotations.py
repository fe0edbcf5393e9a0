"""Lists of annotations, whole or damaged, and the texts: nothing is taken for an annotation that is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.server_abilities import ANNOTATIONS, NO_ANNOTATIONS
from hyve_pipeline.s3.objects.annotations import (
    Annotation,
    AnnotationsOf,
    list_annotations,
    put_annotation,
    read_annotation,
)
from hyve_pipeline.s3.objects.carry_annotations import differing
from hyve_pipeline.s3.objects.put import Content
from hyve_pipeline.s3.wire.checksums import checksum, md5_of
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer, head_answer, scripted_server

TEXT = "größer".encode()
MD5 = md5_of(TEXT)
ENTRY = Annotation("labels", len(TEXT), MD5)


def _entry(name: str, size: int = 3) -> str:
    return f"<AnnotationEntry><AnnotationName>{name}</AnnotationName><Size>{size}</Size></AnnotationEntry>"


def _list(*names: str, count: int | None = None, more: str = "", root: str = "ListObjectAnnotationsOutput") -> Answer:
    entries = "".join(map(_entry, names))
    number = len(names) if count is None else count
    body = f"<Annotations>{entries}</Annotations><Key>k</Key><AnnotationCount>{number}</AnnotationCount>{more}"
    return Answer(f"<{root}>{body}</{root}>".encode())


def _aws(connection: Connection) -> Connection:
    """The connection as if its server were Amazon S3."""
    connection.place = connection.place.model_copy(update={"endpoint_url": None, "endpoint_origin": "default"})
    assert connection.place.server == AWS
    return connection


def test_all_pages_are_read(connect: Connect) -> None:
    pages = {
        None: _list("b", "a", more="<NextContinuationToken>t 1</NextContinuationToken>"),
        "t 1": _list("c", more="<ContinuationToken>t 1</ContinuationToken>"),
    }
    with scripted_server(lambda received: pages[received.query.get("continuation-token")]) as server:
        found = list_annotations(connect(server.place()), "k").result()
    assert found == tuple(Annotation(name, 3, "") for name in "abc")


@pytest.mark.parametrize(
    "answer",
    [
        _list("a", count=2),
        _list("a", "a"),
        _list("a", more="<NextContinuationToken>t</NextContinuationToken>"),  # the second page is like the first
        _list(*(f"a{number}" for number in range(1001))),
        Answer(_list("a").body.replace(b"<Key>k<", b"<Key>other<")),
        Answer(_list("a").body.replace(b"<Size>3<", b"<Size>x<")),
        Answer(_list("a").body.replace(b"<AnnotationName>a<", b"<AnnotationName><")),
        Answer(_list("a").body[:-20]),
        Answer(b"<ListObjectAnnotationsOutput/>"),
        _list("a", root="ListBucketResult"),
        Answer(),
        Answer(_list("a").body, headers={"ETag": f'"{MD5}"'}),
    ],
)
def test_amazon_s3_must_answer_with_a_list(connect: Connect, answer: Answer) -> None:
    """Otherwise annotations would be lost without a word; nothing proves that the server has any."""
    with scripted_server(lambda _: answer) as server:
        connection = _aws(connect(server.place()))
        with pytest.raises(S3RequestError, match="InvalidResponse"):
            list_annotations(connection, "k").result()
        assert not connection.abilities.has_proved(NO_ANNOTATIONS)
        _assert_none_is_put(connection)
        assert [received.method for received in server.received if received.method == "PUT"] == []


@pytest.mark.parametrize(
    ("answer", "is_lacking"),
    [
        (error_answer(501, "NotImplemented"), True),
        (error_answer(405, "MethodNotAllowed"), True),
        (error_answer(400, "InvalidRequest"), False),
        (error_answer(403, "AccessDenied"), False),
        (error_answer(500, "InternalError"), False),
        (error_answer(404, "NoSuchKey"), False),
    ],
)
def test_what_amazon_s3_refuses_is_no_lack_unless_it_says_so(
    connect: Connect, answer: Answer, is_lacking: bool
) -> None:
    """In some regions it has no annotations."""
    with scripted_server(lambda received: head_answer() if received.method == "HEAD" else answer) as server:
        connection = _aws(connect(server.place()))
        if is_lacking:
            assert list_annotations(connection, "k").result() is None
        else:
            with pytest.raises(S3RequestError):
                list_annotations(connection, "k").result()
        _assert_none_is_put(connection)


def _assert_none_is_put(connection: Connection) -> None:
    assert not connection.abilities.has_proved(ANNOTATIONS)
    with pytest.raises(S3RequestError, match="has not answered ListObjectAnnotations"):
        put_annotation(connection, "k", MD5, "labels", Content.of(TEXT, "CRC32", needs_md5=True)).result()


def test_a_gone_object_is_no_lack(connect: Connect) -> None:
    with scripted_server(lambda _: error_answer(404, "NoSuchKey")) as server:
        connection = connect(server.place())
        with pytest.raises(S3RequestError, match="NoSuchKey"):
            list_annotations(connection, "k").result()
        assert not connection.abilities.has_proved(NO_ANNOTATIONS)


def test_a_server_that_has_answered_once_lacks_nothing_later(connect: Connect) -> None:
    answers = [_list("a"), error_answer(400, "InvalidRequest")]
    with scripted_server(answers) as server:
        connection = connect(server.place())
        assert list_annotations(connection, "k").result()
        with pytest.raises(S3RequestError, match="InvalidRequest"):
            list_annotations(connection, "k").result()


@pytest.mark.parametrize(
    ("headers", "text", "problem"),
    [
        ({"ETag": f'"{MD5}"'}, TEXT, None),
        ({"x-amz-checksum-xxhash3": checksum("XXHASH3", TEXT)}, TEXT, None),
        ({"ETag": f'"{MD5}"', "x-amz-server-side-encryption": "aws:kms"}, TEXT, None),
        ({"ETag": f'"{MD5}"'}, TEXT[:-1], "is another one than was listed"),
        ({"ETag": '"' + "0" * 32 + '"'}, TEXT, "is another one than was listed"),
        ({"ETag": f'"{MD5}"'}, TEXT[::-1], "the MD5 of the annotation 'labels' is"),
        ({"x-amz-checksum-sha256": checksum("SHA256", TEXT)}, TEXT[::-1], "the SHA256 of the annotation 'labels' is"),
    ],
)
def test_a_text_is_what_was_listed(connect: Connect, headers: dict[str, str], text: bytes, problem: str | None) -> None:
    with scripted_server(lambda _: Answer(text, headers=headers)) as server:
        of = AnnotationsOf(connect(server.place()), "k", (ENTRY,))
        if problem is None:
            assert read_annotation(of, ENTRY).result().data == TEXT
        else:
            with pytest.raises(S3RequestError, match=problem):
                read_annotation(of, ENTRY).result()


def test_the_checksum_of_a_text_keeps_its_algorithm(connect: Connect) -> None:
    sent: list[Received] = []

    def script(received: Received) -> Answer:
        if received.method == "PUT":
            sent.append(received)
            return Answer(headers={"ETag": f'"{MD5}"'})
        if "annotationName" in received.query:
            return Answer(TEXT, headers={"x-amz-checksum-sha512": checksum("SHA512", TEXT)})
        return _list()

    with scripted_server(script) as server:
        connection = connect(server.place())
        list_annotations(connection, "k").result()
        text = read_annotation(AnnotationsOf(connection, "k", (ENTRY,)), ENTRY).result()
        put_annotation(connection, "k", MD5, "labels", text).result()
    assert sent[0].headers["x-amz-checksum-sha512"] == checksum("SHA512", TEXT)


ENTRIES = st.lists(
    st.builds(Annotation, st.sampled_from("abcd"), st.integers(1, 2), st.sampled_from([MD5, MD5.upper(), "0" * 32])),
    unique_by=lambda entry: entry.name,
)


@given(ENTRIES, ENTRIES)
def test_what_differs_is_what_makes_both_equal(wanted: list[Annotation], present: list[Annotation]) -> None:
    missing = differing(wanted, present)
    after = {entry.name: entry for entry in present} | {entry.name: entry for entry in missing}
    assert all(after[entry.name].size == entry.size for entry in wanted)
    assert not differing(wanted, after.values())
    assert not differing(wanted, wanted)


@pytest.mark.parametrize("is_large", [True, False])
def test_a_server_that_may_answer_with_a_large_object_is_asked_by_the_transport_that_reads_its_headers_first(
    connect: Connect, is_large: bool
) -> None:
    with scripted_server([Answer(b"x" * 1000, headers={"ETag": f'"{MD5}"'}), head_answer()]) as server:
        connection = connect(server.place())
        assert list_annotations(connection, "k", is_large=is_large).result() is None
    # urllib3 sends this header, and the CRT does not.
    is_patient = server.received[0].headers.get("accept-encoding") == "identity"
    assert is_patient == (is_large or connection.transport_name == "botocore")
    assert connection.abilities.has_proved(NO_ANNOTATIONS)
