"""Whether what HEAD has found is of another key, by a listing of one key."""

import pytest

from hyve_pipeline.s3.objects.exact_key import is_other_key
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.scripted import Answer, error_answer, listing_of, scripted_server
from hyve_pipeline_tests.servers import client_for, put_objects


@pytest.mark.parametrize("key", ["k", "a b", "a+b", "a%20b", "ü", "<&>"])
def test_a_key_that_is_there_is_no_other(make_place: MakePlace, connect: Connect, key: str) -> None:
    place = make_place()
    put_objects(client_for(str(place.endpoint_url)), place.bucket, {key: b"1", f"{key}2": b"2", f"{key}/3": b"3"})
    connection = connect(place)
    assert not is_other_key(connection, key).result()
    assert is_other_key(connection, f"{key}/").result()
    assert is_other_key(connection, f"{key}4").result()


@pytest.mark.parametrize("answer", [error_answer(403, "AccessDenied"), listing_of(truncated=True, token="t")])
def test_a_listing_that_proves_nothing(connect: Connect, answer: Answer) -> None:
    with scripted_server([answer]) as server:
        assert not is_other_key(connect(server.place()), "k").result()
