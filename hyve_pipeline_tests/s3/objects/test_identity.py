"""Whether two answers to HEAD are of one object."""

import pytest

from hyve_pipeline.s3.objects.identity import are_two_objects
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import Answer, scripted_server


@pytest.mark.parametrize(
    ("one", "other", "two"),
    [
        ({}, {}, False),
        ({"x-amz-version-id": "1"}, {"x-amz-version-id": "1"}, False),
        ({"x-amz-version-id": "1"}, {"x-amz-version-id": "2"}, True),
        ({"x-amz-version-id": "1"}, {}, False),
        ({"x-amz-replication-status": "COMPLETED"}, {"x-amz-replication-status": "REPLICA"}, True),
        ({"x-amz-replication-status": "REPLICA"}, {"x-amz-replication-status": "REPLICA"}, False),
    ],
)
def test_what_one_object_can_not_have_twice(
    one: dict[str, str], other: dict[str, str], two: bool, connect: Connect
) -> None:
    with scripted_server([Answer(b"", 200, one)]) as first, scripted_server([Answer(b"", 200, other)]) as second:
        assert are_two_objects(connect(first.place()), connect(second.place()), "k") is two


def test_what_can_not_be_asked_is_not_known(connect: Connect) -> None:
    with scripted_server([Answer(b"", 404)]) as server:
        assert not are_two_objects(connect(server.place()), connect(server.place()), "k")
