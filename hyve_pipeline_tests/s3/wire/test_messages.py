"""How keys, queries and copy sources are written into requests."""

import string
from urllib.parse import parse_qsl, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.s3.wire.messages import Response, copy_source, encode_key, encode_query
from hyve_pipeline_tests.s3.keys import ODD_KEYS

ANY_KEY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
UNENCODED = set(string.ascii_letters + string.digits + "-._~/")


@given(ANY_KEY)
def test_any_key_survives_encoding(key: str) -> None:
    encoded = encode_key(key)
    assert unquote_to_bytes(encoded) == key.encode()
    assert set(encoded) <= UNENCODED | {"%"}


@pytest.mark.parametrize("key", ODD_KEYS)
def test_only_slash_and_unreserved_characters_stay(key: str) -> None:
    expected = "".join(
        character if character in UNENCODED else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in key
    )
    assert encode_key(key) == expected
    assert copy_source("bucket", key) == f"bucket/{expected}"


@given(st.lists(st.tuples(ANY_KEY, st.text(st.characters(exclude_categories=["Cs"]))), unique_by=lambda pair: pair[0]))
def test_any_query_survives_encoding(pairs: list[tuple[str, str]]) -> None:
    encoded = encode_query(pairs)
    assert parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(pairs)) == sorted(pairs)
    assert "+" not in encoded


def test_headers_are_found_in_any_case() -> None:
    response = Response(200, (("X-Amz-Version-Id", "v1"), ("x-amz-version-id", "v2")))
    assert response.header("x-amz-Version-ID") == "v1"
    assert response.header("etag") is None
