"""Whether checksums of parts can be read is said, and is no failure."""

import re

import pytest

from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.findings import Verdict
from hyve_pipeline.operations.doctor.parts import examine_parts
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline_tests.s3.scripted import ETAG, Answer, error_answer, scripted_server

FIRST = CopyTask("k", "k", 3, ETAG)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(b"<GetObjectAttributesResponse/>"), "the checksums of parts can be read"),
        (error_answer(403, "AccessDenied"), r"\(AccessDenied\); .* s3:GetObjectAttributes"),
    ],
)
def test_it_is_said_whether_checksums_of_parts_can_be_read(answer: Answer, said: str, aws_profile: str) -> None:
    with scripted_server(lambda _: answer) as server:
        place = server.place().model_copy(update={"profile": aws_profile})
        with open_connection(place) as connection:
            [finding] = examine_parts(connection, FIRST)
            assert not [*examine_parts(connection, FIRST._replace(storage_class="GLACIER"))]
    assert finding.verdict is Verdict.OK
    assert re.search(said, finding.detail)
    assert server.received[0].query == {"attributes": ""}
    assert len(server.received) == 1
