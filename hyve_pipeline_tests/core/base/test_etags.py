"""Comparing ETags: MD5s case-insensitively, all others exactly, in Python as in SQL."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.etags import differing_etags, same_etag

_MD5 = "0123456789abcdef0123456789abcdef"
_ETAGS = st.sampled_from(
    [
        None,
        "",
        _MD5,
        _MD5.upper(),
        f"{_MD5}-2",
        f"{_MD5.upper()}-2",
        f"{_MD5}-3",
        "abc",
        "ABC",
        f"{_MD5}x",
        "K",
        "\u212a",
    ]
)


@pytest.mark.parametrize(
    ("left", "right", "is_same"),
    [
        (_MD5, _MD5.upper(), True),
        (f"{_MD5.upper()}-12", f"{_MD5}-12", True),
        (_MD5, f"{_MD5}-1", False),
        (_MD5, _MD5.replace("0", "1"), False),
        ("opaqueText", "opaquetext", False),
        ("opaqueText", "opaqueText", True),
        (f"{_MD5}0", f"{_MD5.upper()}0", False),
        (None, None, True),
        (None, "", False),
        (_MD5, None, False),
    ],
)
def test_only_the_case_of_an_md5_does_not_matter(left: str | None, right: str | None, is_same: bool) -> None:
    assert same_etag(left, right) is is_same
    assert same_etag(right, left) is is_same


@given(_ETAGS, _ETAGS)
def test_sql_gives_the_same_answer(left: str | None, right: str | None) -> None:
    condition = differing_etags("$left::VARCHAR", "$right::VARCHAR")
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {condition}", {"left": left, "right": right}).fetchall()
    differs = found[0][0]
    assert differs is (None if left is None or right is None else not same_etag(left, right))
