"""Deleting, and knowing of each key whether it is gone."""

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.s3.connection.retry_policy import RetryPolicy
from hyve_pipeline.s3.objects.delete import (
    UNMENTIONED,
    DeletedObject,
    DeleteFailure,
    DeleteResult,
    delete_document,
    delete_objects,
)
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, S3RequestError
from hyve_pipeline.s3.wire.xml import child_text, fits_in_xml, parse_xml
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.copying.test_copy_object import RCLONE_KEYS
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer, scripted_server
from hyve_pipeline_tests.servers import client_for, list_keys, put_objects


def _answer(content: str) -> Answer:
    return Answer(f'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{content}</DeleteResult>'.encode())


def _delete_on(answer: Answer, connect: Connect, *keys: str) -> tuple[DeleteResult, list[Received]]:
    with scripted_server([answer]) as server:
        return delete_objects(connect(server.place()), keys).result(), server.received


@given(st.lists(st.text(min_size=1).filter(fits_in_xml)))
def test_any_key_that_fits_survives_the_document(keys: list[str]) -> None:
    root = parse_xml(delete_document(keys, {}))
    assert [child_text(entry, "Key") for entry in root] == keys


def test_exactly_these_keys_are_deleted(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    client = client_for(str(place.endpoint_url))
    kept = ["a/b", "lead", "newline", "new line", "u", "tab here", "dir", "carriage\nreturn"]
    put_objects(client, place.bucket, dict.fromkeys([*ODD_KEYS, *kept], b""))
    result = delete_objects(connect(place), [*ODD_KEYS, "was never there"]).result()
    assert result.errors == {}
    assert set(result.deleted) == {*ODD_KEYS, "was never there"}
    assert list_keys(client, place.bucket) == sorted(kept)


def test_a_thousand_at_once(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    client = client_for(str(place.endpoint_url))
    keys = [f"key-{number:04}" for number in range(1001)]
    # A key that is not there counts as deleted.
    put_objects(client, place.bucket, dict.fromkeys(keys[::50] + keys[-1:], b""))
    assert len(delete_objects(connect(place), keys[:1000]).result().deleted) == 1000
    assert list_keys(client, place.bucket) == ["key-1000"]


def test_delete_markers_are_told(make_place: MakePlace, connect: Connect) -> None:
    place = make_place(versioned=True)
    client = client_for(str(place.endpoint_url))
    put_objects(client, place.bucket, {"a": b"", "control\x01": b""})
    result = delete_objects(connect(place), ["a", "control\x01"]).result()
    assert list_keys(client, place.bucket) == []
    for key, deleted in result.deleted.items():
        client.delete_object(Bucket=place.bucket, Key=key, VersionId=deleted.delete_marker_version_id)
    assert list_keys(client, place.bucket) == ["a", "control\x01"]


def test_request_on_the_wire(connect: Connect) -> None:
    _, (received,) = _delete_on(_answer("<Deleted><Key>a</Key></Deleted>"), connect, "a")
    assert (received.method, received.path, received.query) == ("POST", "/scripted", {"delete": ""})
    assert received.headers["content-md5"] == base64.b64encode(hashlib.md5(received.body).digest()).decode()
    assert b"Quiet" not in received.body


def test_conditions_on_the_wire(connect: Connect) -> None:
    with scripted_server(lambda received: _answer("<Deleted><Key>a</Key></Deleted>")) as server:
        delete_objects(connect(server.place()), ["a", "b", "c\x01", "d\x01"], {"a": "aa", "c\x01": "cc"}).result()
        received = sorted(server.received, key=lambda received: received.method + received.path)
    assert [one.headers.get("if-match") for one in received] == ['"cc"', None, None]
    objects = [
        {child.tag.rpartition("}")[2]: child.text for child in entry.iterchildren()}
        for entry in parse_xml(received[-1].body).iterchildren("{*}Object")
    ]
    assert objects == [{"Key": "a", "ETag": '"aa"'}, {"Key": "b"}]


def test_results_are_read_by_key(connect: Connect) -> None:
    answer = _answer(
        "<Deleted><Key>a</Key></Deleted>"
        "<Deleted><Key>b</Key><DeleteMarker>true</DeleteMarker>"
        "<DeleteMarkerVersionId>v1</DeleteMarkerVersionId></Deleted>"
        "<Deleted><Key>n</Key><DeleteMarkerVersionId>null</DeleteMarkerVersionId></Deleted>"
        "<Error><Key>c</Key><Code>AccessDenied</Code><Message>no\n  way</Message></Error>"
        "<Deleted><Key>stranger</Key></Deleted>"
    )
    result, _ = _delete_on(answer, connect, "a", "b", "c", "d", "n")
    assert result.deleted == {"a": DeletedObject(), "b": DeletedObject("v1"), "n": DeletedObject()}
    assert set(result.errors) == {"c", "d"}
    assert result.errors["c"] == DeleteFailure("AccessDenied", "no way")
    assert result.errors["d"].code == UNMENTIONED


def test_key_in_both_lists_is_an_error(connect: Connect) -> None:
    answer = _answer("<Error><Key>a</Key><Code>InternalError</Code></Error><Deleted><Key>a</Key></Deleted>")
    result, _ = _delete_on(answer, connect, "a")
    assert result == DeleteResult({}, {"a": DeleteFailure("InternalError", "no message")})


@pytest.mark.parametrize("body", [b"", b"<html/>", b"<DeleteResult><Deleted><Key>a</Key></Deleted>"])
def test_answer_that_proves_nothing_is_no_success(connect: Connect, body: bytes) -> None:
    with pytest.raises(S3RequestError) as caught:
        _delete_on(Answer(body), connect, "a")
    assert caught.value.code == INVALID_RESPONSE


def test_refusal_of_the_whole_request(connect: Connect) -> None:
    with pytest.raises(S3RequestError) as caught:
        _delete_on(error_answer(403, "AccessDenied"), connect, "a", "b")
    assert (caught.value.operation, caught.value.code) == ("DeleteObjects", "AccessDenied")


def test_refusal_of_one_odd_key_does_not_hide_the_others(connect: Connect) -> None:
    def script(received: Received) -> Answer:
        if received.method == "DELETE":
            return error_answer(403, "AccessDenied") if received.path.endswith("%01") else Answer(status=204)
        return _answer("<Deleted><Key>plain</Key></Deleted>")

    with scripted_server(script) as server:
        result = delete_objects(connect(server.place()), ["x\x01", "y\x02", "plain", "r\r"]).result()
        assert sorted(received.method for received in server.received) == ["DELETE", "DELETE", "DELETE", "POST"]
    assert set(result.deleted) == {"y\x02", "plain", "r\r"}
    assert result.errors == {"x\x01": DeleteFailure("AccessDenied", "as scripted")}


def test_nothing_to_delete_sends_nothing(connect: Connect) -> None:
    result, received = _delete_on(Answer(), connect)
    assert (result, received) == (DeleteResult({}, {}), [])


@pytest.mark.parametrize("keys", [[f"k{number}" for number in range(1001)], ["a", "a"]])
def test_too_many_or_repeated_keys(connect: Connect, keys: list[str]) -> None:
    with scripted_server([Answer()]) as server:
        connection = connect(server.place())
        with pytest.raises(ValueError, match=re.escape(f"{len(keys)} keys to delete at once")):
            delete_objects(connection, keys)
        assert server.received == []


REFUSALS = [
    error_answer(501, "NotImplemented", "POST ?delete is not implemented for objects."),
    error_answer(400, "InvalidArgument", "Cannot create buckets using a POST."),
    error_answer(400, "MalformedXML"),
    error_answer(405, "MethodNotAllowed"),
    Answer(status=404),
    Answer(status=411),
    _answer("".join(f"<Error><Key>{key}</Key><Code>NotImplemented</Code></Error>" for key in "ab")),
]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("knows_condition", [True, False])
def test_a_server_without_this_request_is_asked_for_each_object(
    connect: Connect, refusal: Answer, knows_condition: bool
) -> None:
    def script(received: Received) -> Answer:
        if received.method == "POST":
            return refusal
        if not knows_condition and "if-match" in received.headers:
            return error_answer(501, "NotImplemented", "If-Match")
        return Answer(status=204)

    with scripted_server(script) as server:
        connection = connect(server.place())
        for _ in range(2):
            result = delete_objects(connection, ["a", "b"], {"a": "1" * 32, "b": "2" * 32}).result()
            assert (set(result.deleted), result.errors) == ({"a", "b"}, {})
            assert result.is_conditional is knows_condition
        lacks = [lack.lack for lack in connection.abilities.met]
    posts = [received for received in server.received if received.method == "POST"]
    assert len(posts) <= 2
    conditions = [] if knows_condition else ["does not support conditions on deletes"]
    assert sorted(lacks) == sorted(["has no DeleteObjects", *conditions])
    given = [received.headers.get("if-match") for received in server.received[-2:]]
    assert set(given) == ({f'"{"1" * 32}"', f'"{"2" * 32}"'} if knows_condition else {None})


def test_what_can_not_be_deleted_in_any_way_is_told_by_key(connect: Connect) -> None:
    def script(received: Received) -> Answer:
        return REFUSALS[0] if received.method == "POST" else error_answer(403, "AccessDenied")

    with scripted_server(script) as server:
        connection = connect(server.place())
        result = delete_objects(connection, ["a"], {"a": "1" * 32}).result()
        assert result.errors == {"a": DeleteFailure("AccessDenied", "as scripted")}
        # Nothing shows that the one request is known and the other is not.
        assert connection.abilities.met == ()


def test_many_one_by_one(connect: Connect) -> None:
    keys = [f"k{number}" for number in range(300)]
    with scripted_server(lambda received: REFUSALS[0] if received.method == "POST" else Answer(status=204)) as server:
        result = delete_objects(connect(server.place()), keys).result()
    assert set(result.deleted) == set(keys)
    assert len(server.received) == 301


@pytest.mark.rclone
def test_second_server(rclone_endpoint: str, make_place: MakePlace, connect: Connect) -> None:
    place = make_place(endpoint_url=rclone_endpoint)
    client = client_for(rclone_endpoint)
    put_objects(client, place.bucket, dict.fromkeys([*RCLONE_KEYS, "kept.txt"], b"1"))
    result = delete_objects(connect(place), RCLONE_KEYS).result()
    assert (set(result.deleted), result.errors) == (set(RCLONE_KEYS), {})
    assert list_keys(client, place.bucket) == ["kept.txt"]


_REFUSALS = {
    "a form": error_answer(412, "PreconditionFailed", "Bucket POST must be of the enclosure-type multipart/form-data"),
    "a trouble": error_answer(500, "InternalError"),
}


@pytest.mark.parametrize("refusal", _REFUSALS)
def test_a_server_whose_answers_do_not_say_that_it_lacks_deletes_of_many(connect: Connect, refusal: str) -> None:
    def script(received: Received) -> Answer:
        return _REFUSALS[refusal] if received.method == "POST" else Answer(status=204)

    policy = RetryPolicy(patience=0, first_delay=0.001, most_sends=1)
    with scripted_server(script) as server:
        connection = connect(server.place(), policy=policy)
        for keys in (["a", "b", "c"], ["d", "e"]):
            assert set(delete_objects(connection, keys).result().deleted) == set(keys)
        sent = [received.path.rpartition("/")[2] for received in server.received if received.method == "DELETE"]
        assert sorted(sent) == ["a", "b", "c", "d", "e"]
        assert [lack.lack for lack in connection.abilities.met] == ["has no DeleteObjects"]


def test_keys_that_may_not_be_deleted_are_not_tried_alone(connect: Connect) -> None:
    with scripted_server([error_answer(403, "AccessDenied", "no way")]) as server:
        with pytest.raises(S3RequestError, match="AccessDenied"):
            delete_objects(connect(server.place()), ["a", "b", "c"]).result()
        assert [received.method for received in server.received] == ["POST"]


def test_only_one_key_is_tried_alone_where_that_is_refused_too(connect: Connect) -> None:
    with scripted_server([error_answer(412, "PreconditionFailed", "no way")]) as server:
        with pytest.raises(S3RequestError, match="PreconditionFailed"):
            delete_objects(connect(server.place()), ["a", "b", "c"]).result()
        assert [received.method for received in server.received] == ["POST", "DELETE"]


def test_a_failure_of_a_server_that_deletes_many_is_about_the_keys(connect: Connect) -> None:
    answers = [_answer("<Deleted><Key>a</Key></Deleted>"), error_answer(403, "AccessDenied")]
    with scripted_server(answers) as server:
        connection = connect(server.place())
        delete_objects(connection, ["a"]).result()
        with pytest.raises(S3RequestError, match="AccessDenied"):
            delete_objects(connection, ["b", "c"]).result()
        assert [received.method for received in server.received] == ["POST", "POST"]
