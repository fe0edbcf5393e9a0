"""Replacements mean what they mean to Python."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.replacement import expand, parse_replacement

_PATTERN = re.compile(r"(?P<first>a*)(b)?(.*)", re.DOTALL)
_PIECES = st.sampled_from([r"\\", r"\1", r"\2", r"\g<3>", r"\g<first>", r"\g<0>", "7", "x", "\n", "\u00fc", "%s", "{}"])


@given(st.lists(_PIECES), st.text(st.sampled_from("ab\\\n1"), max_size=5))
def test_a_replacement_is_as_in_python(pieces: list[str], text: str) -> None:
    replace = "".join(pieces)
    found = _PATTERN.fullmatch(text)
    assert found is not None
    try:
        parts = parse_replacement(replace, _PATTERN)
    except ValueError:
        # A digit after a reference makes a longer one: of a group that there is not.
        assert re.search(r"\\[12]7", replace)
        return
    assert expand(parts, found) == found.expand(replace)


@pytest.mark.parametrize(
    "replace", [r"\n", r"\0", r"\123", "\\", r"\g<4>", r"\g<none>", r"\g1", r"\4", r"\g<>", r"\g<-1>"]
)
def test_what_python_may_mean_otherwise_is_refused(replace: str) -> None:
    with pytest.raises(ValueError, match=r"is none of|there is no group"):
        parse_replacement(replace, _PATTERN)
