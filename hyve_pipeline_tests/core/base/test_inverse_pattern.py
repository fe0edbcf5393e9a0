"""Which renames can be undone by a derived expression, and that it undoes them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.inverse_pattern import inverse_of

_LITERALS = st.text(st.sampled_from("a/-.\\é("), max_size=3)
# Each group with texts that it matches; none of them has a character of a literal.
_GROUPS = st.sampled_from([(r"(\d+)", "17"), ("(?P<name>[xyz]+)", "zx"), ("(v|ww)", "ww"), ("((?:_)*)", "__")])


@given(st.lists(st.tuples(_LITERALS.map(lambda text: text + "-"), _GROUPS), max_size=3), _LITERALS, st.randoms())
def test_a_derived_inverse_turns_a_key_back(
    parts: list[tuple[str, tuple[str, str]]], end: str, shuffler: object
) -> None:
    names = {number for number, (_, (group, _)) in enumerate(parts) if "name" in group}
    groups = [
        group.replace("name", f"name{number}") if number in names else group
        for number, (_, (group, _)) in enumerate(parts)
    ]
    match = "".join(re.escape(text) + group for (text, _), group in zip(parts, groups, strict=True)) + re.escape(end)
    key = "".join(text + found for text, (_, found) in parts) + end
    order = list(range(len(parts)))
    shuffler.shuffle(order)  # type: ignore[attr-defined]
    references = [rf"\g<name{number}>" if number in names else rf"\{number + 1}" for number in order]
    replace = "new\\\\" + "".join(f"/{reference}" for reference in references)
    found = inverse_of(match, replace)
    assert found is not None
    new = re.compile(match).fullmatch(key)
    assert new is not None
    back = re.compile(found[0]).fullmatch(new.expand(replace))
    assert back is not None
    assert back.expand(found[1]) == key


@pytest.mark.parametrize(
    ("match", "replace"),
    [
        (r"a(.)*", r"\1"),  # a group that is repeated has only its last text
        (r"a+(.*)", r"\1"),
        (r"a.(.*)", r"\1"),
        (r"\d(.*)", r"\1"),
        (r"a|(.*)", r"\1"),
        (r"[ab](.*)", r"\1"),
        (r"(a(b))", r"\1"),
        (r"(?i)a(.*)", r"\1"),
        (r"(?=a)(.*)", r"\1"),
        (r"(.*)(\1)", r"\1\2"),
        (r"(.*)/(.*)", r"\1"),  # what the other one has had is lost
        (r"a(.*$)", r"\1"),
    ],
)
def test_of_others_none_is_derived(match: str, replace: str) -> None:
    re.compile(match).sub(replace, "")
    assert inverse_of(match, replace) is None


def test_a_group_may_come_twice() -> None:
    expression, replacement = inverse_of(r"^(\d+)/(.*)$", r"\1/\1-\2") or ("", "")
    found = re.fullmatch(expression, "7/7-x")
    assert found is not None
    assert found.expand(replacement) == "7/x"
    assert re.fullmatch(expression, "7/8-x") is None
