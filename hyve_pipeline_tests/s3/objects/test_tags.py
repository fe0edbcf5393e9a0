"""Whose tags are requested when an object is read as a whole, and that none are lost."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import pytest

from hyve_pipeline.core.model.copy_task import CopyRules, CopyTask
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.server_abilities import TAGS
from hyve_pipeline.s3.objects.tags import Tags, read_tags, tells_tag_counts
from hyve_pipeline.s3.streaming.whole import read_by_one_request
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import (
    ETAG,
    HTTP_DATE,
    Answer,
    Received,
    ScriptedServer,
    error_answer,
    head_answer,
    scripted_server,
)

KNOWN = pytest.mark.parametrize("name", ["MinIO", "Ceph Object Gateway (squid)"])


class Source:
    """A server of objects without content; those whose keys begin with ``tagged`` have a tag.

    Attributes:
        name: the header Server.
        more: other headers of each object.
        tells: whether it sends the number of tags with an object.
        may_read: whether tags may be read.
    """

    def __init__(self) -> None:
        self.name = "other"
        self.tells = True
        self.may_read = True
        self.more: dict[str, str] = {}
        self.asked: list[str] = []

    def __call__(self, received: Received) -> Answer:
        key = received.path.rpartition("/")[2]
        is_tagged = key.startswith("tagged")
        if "tagging" in received.query:
            self.asked.append(key)
            if not self.may_read:
                return error_answer(403, "AccessDenied")
            tag = f"<Tag><Key>of</Key><Value>{key}</Value></Tag>" if is_tagged else ""
            return Answer(f"<Tagging><TagSet>{tag}</TagSet></Tagging>".encode())
        count = {"x-amz-tagging-count": "1"} if is_tagged and self.tells and self.may_read else {}
        return Answer(
            headers={"ETag": f'"{ETAG}"', "Last-Modified": HTTP_DATE, "Server": self.name, **count, **self.more}
        )


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def server(source: Source) -> Iterator[ScriptedServer]:
    with scripted_server(source) as server:
        yield server


@pytest.fixture
def connection(server: ScriptedServer, connect: Connect) -> Connection:
    return connect(server.place())


def _read(connection: Connection, *keys: str, tags: Literal["copy", "require", "skip"] = "copy") -> list[Tags | None]:
    tasks = [CopyTask(key, key, 0, ETAG, rules=CopyRules(tags=tags)) for key in keys]
    return [read_by_one_request(connection, task).result()[0].tags for task in tasks]


def test_a_server_that_tells_the_number_is_found_out_by_an_object_with_tags(
    source: Source, connection: Connection
) -> None:
    assert _read(connection, "a", "tagged 1", "b", "tagged 2", "c") == [
        (),
        (("of", "tagged%201"),),
        (),
        (("of", "tagged%202"),),
        (),
    ]
    assert source.asked == ["a", "tagged%201", "tagged%202"]


def test_every_object_is_asked_for_its_tags_if_the_server_does_not_tell_the_number(
    source: Source, connection: Connection
) -> None:
    source.tells = False
    keys = ("a", "b", "tagged", "c", "tagged")
    assert _read(connection, *keys) == [(), (), (("of", "tagged"),), (), (("of", "tagged"),)]
    assert source.asked == list(keys)


@KNOWN
def test_of_a_known_server_one_object_is_asked(source: Source, connection: Connection, name: str) -> None:
    source.name = name
    assert _read(connection, "a", "b", "tagged", "c") == [(), (), (("of", "tagged"),), ()]
    assert source.asked == ["a", "tagged"]


@KNOWN
def test_a_known_server_that_hides_a_number_is_not_trusted(source: Source, connection: Connection, name: str) -> None:
    source.name, source.tells = name, False
    assert _read(connection, "tagged", "a", "tagged") == [(("of", "tagged"),), (), (("of", "tagged"),)]
    assert source.asked == ["tagged", "a", "tagged"]


@KNOWN
def test_tags_that_may_not_be_read_fail_their_objects(source: Source, connection: Connection, name: str) -> None:
    """Nor is their number told then."""
    source.name, source.may_read = name, False
    for _ in range(2):
        with pytest.raises(S3RequestError, match="AccessDenied"):
            _read(connection, "tagged")


@pytest.mark.parametrize(
    "refused",
    [
        error_answer(400, "InvalidRequest"),
        error_answer(405, "MethodNotAllowed"),
        error_answer(404, "NotFound"),
        Answer(b"content", headers={"ETag": f'"{ETAG}"'}),
    ],
)
def test_a_server_that_has_answered_once_has_tags_whatever_it_says_later(
    source: Source, connect: Connect, refused: Answer
) -> None:
    def script(received: Received) -> Answer:
        return refused if "tagging" in received.query and received.path.endswith("refused") else source(received)

    with scripted_server(script) as server:
        connection = connect(server.place())
        assert _read(connection, "tagged-1") == [(("of", "tagged-1"),)]
        with pytest.raises(S3RequestError, match=r"GetObjectTagging .*refused"):
            read_tags(connection, "tagged-refused").result()
        assert read_tags(connection, "tagged-2").result() == (("of", "tagged-2"),)


@KNOWN
def test_required_tags_are_always_asked_for(source: Source, connection: Connection, name: str) -> None:
    source.name = name
    _read(connection, "a", "b", "tagged", tags="require")
    assert source.asked == ["a", "b", "tagged"]
    _read(connection, "c", "tagged", tags="skip")
    assert source.asked == ["a", "b", "tagged"]


@pytest.mark.usefixtures("aws_profile")
def test_amazon_s3_tells_the_number_to_those_who_may_read_tags(connect: Connect) -> None:
    connection = connect(BucketSettings(bucket="no-request-is-sent", region="us-east-1"))
    assert not tells_tag_counts(connection)
    connection.abilities.prove(TAGS)
    assert tells_tag_counts(connection)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-amz-tagging-count": "0"}, ()),
        ({"x-rgw-object-type": "Normal"}, ()),
        ({"x-rgw-object-type": "Normal", "x-amz-tagging-count": "1"}, None),
        ({"x-amz-tagging-count": "1"}, None),
        ({}, None),
    ],
)
def test_an_empty_answer_means_no_tags_where_the_object_says_so(
    connect: Connect, headers: dict[str, str], expected: Tags | None
) -> None:
    """As Ceph answers for an object of a multipart upload; its headers have the number, or are Ceph's."""

    head = head_answer()

    def script(received: Received) -> Answer:
        return Answer() if "tagging" in received.query else replace(head, headers=head.headers | headers)

    with scripted_server(script) as server:
        connection = connect(server.place())
        if expected is None:
            with pytest.raises(S3RequestError, match="the answer is empty, not a <Tagging>"):
                read_tags(connection, "k").result()
        else:
            assert read_tags(connection, "k").result() == expected
            assert connection.abilities.has_proved(TAGS)


def test_of_ceph_without_a_name_one_object_is_asked(source: Source, connection: Connection) -> None:
    source.more = {"x-rgw-object-type": "Normal"}
    assert _read(connection, "a", "b", "tagged", "c") == [(), (), (("of", "tagged"),), ()]
    assert source.asked == ["a", "tagged"]
