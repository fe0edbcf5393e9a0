"""What is read of messages: any key in any form, and of anything else only why it is not understood."""

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.model.event_message import read_event_message
from hyve_pipeline_tests.queues import event_of

_KEYS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=60)
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*"ab", "Records", "s3", "detail", "Type"]), inner),
    max_leaves=8,
)


def _bridge(bucket: str, key: str) -> str:
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})


@given(_KEYS)
def test_a_key_is_read_from_every_form(key: str) -> None:
    plain, bridge = event_of("b", quote_plus(key)), _bridge("b", key)
    for body in (plain, bridge):
        for message in (body, json.dumps({"Type": "Notification", "TopicArn": "t", "Message": body})):
            read = read_event_message(message, "b")
            assert read.kind == "keys"
            assert key in read.keys


@given(st.text() | st.builds(json.dumps, _JSON))
def test_anything_else_is_not_understood(body: str) -> None:
    read = read_event_message(body, "b")
    assert read.keys == frozenset()
    assert read.detail or read.kind == "test"


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        "{}",
        json.dumps({"Records": []}),
        event_of("b", ""),
        event_of("b", "%ff"),
        event_of("b", "x" * 2_000),
        json.dumps({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "\ud800"}}}]}),
    ],
)
def test_a_message_that_looks_like_an_event_is_not_trusted(body: str) -> None:
    read = read_event_message(body, "b")
    assert (read.kind, read.keys) == ("garbage", frozenset())
    assert read.detail


def test_events_of_several_buckets_name_ours_alone() -> None:
    records: list[Any] = [json.loads(event_of(bucket, "k"))["Records"][0] for bucket in ("other", "b")]
    assert read_event_message(json.dumps({"Records": records}), "b").keys == {"k"}
    assert read_event_message(json.dumps({"Records": records[:1]}), "b").kind == "foreign"
    assert read_event_message(json.dumps({"Event": "s3:TestEvent", "Bucket": "b"}), "b").kind == "test"
