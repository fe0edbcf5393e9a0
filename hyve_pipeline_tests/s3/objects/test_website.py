"""Whether the redirects of objects have to be read."""

import pytest

from hyve_pipeline.s3.connection.retry_policy import RetryPolicy
from hyve_pipeline.s3.objects.website import may_be_website
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import Answer, error_answer, listing_of, scripted_server


@pytest.mark.parametrize(
    ("answer", "may_be"),
    [
        (Answer(b"<WebsiteConfiguration/>"), True),
        (Answer(b"no document"), True),
        (listing_of(), False),
        (error_answer(404, "NoSuchWebsiteConfiguration"), False),
        (error_answer(501, "NotImplemented"), False),
        (error_answer(403, "AccessDenied"), True),
        (error_answer(503, "SlowDown"), True),
        (Answer(hang_up=True), True),
    ],
    ids=["one", "unknown document", "ignored", "none", "not supported", "not allowed", "throttled", "cut"],
)
def test_redirects_are_read_unless_it_is_known_that_there_are_none(
    answer: Answer, may_be: bool, connect: Connect
) -> None:
    with scripted_server([answer]) as server:
        assert may_be_website(connect(server.place(), policy=RetryPolicy(most_sends=1))) == may_be
