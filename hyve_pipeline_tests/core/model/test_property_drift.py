"""What counts as drift, and what does not."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.model.property_drift import WEBSITE_REDIRECT, Carried, drift

_NAMES = st.sampled_from(["Content-Type", "Cache-Control", "metadata a", "Metadata Ü", "storage class"])
_HEADERS = st.dictionaries(_NAMES, st.text(max_size=5), max_size=5)
_TAGS = st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=4)
_WANTED = Carried((("content-type", "a/b"), ("metadata a", "1")), (("k", "v"),))


@given(_HEADERS, _TAGS, st.randoms())
def test_neither_order_nor_case_of_names_matters(
    headers: dict[str, str], tags: dict[str, str], order: random.Random
) -> None:
    one = Carried(tuple(headers.items()), tuple(tags.items()))
    other_headers = [(order.choice([name.lower(), name.title()]), f" {value}") for name, value in headers.items()]
    other_tags = list(tags.items())
    order.shuffle(other_headers)
    order.shuffle(other_tags)
    assert drift(one, Carried(tuple(other_headers), tuple(other_tags))) == ()


@given(_HEADERS, _HEADERS, _TAGS, _TAGS)
def test_every_difference_is_named_on_whichever_side_it_is(
    headers: dict[str, str], others: dict[str, str], tags: dict[str, str], other_tags: dict[str, str]
) -> None:
    one = {name.lower(): value.strip() for name, value in headers.items()} | {"content-type": "a/b"}
    other = {name.lower(): value.strip() for name, value in others.items()} | {"content-type": "a/c"}
    words = {"metadata a": "metadata", "metadata ü": "metadata"}
    expected = {words.get(name, name) for name in one | other if one.get(name) != other.get(name)}
    expected |= {"tags"} if tags != other_tags else set()
    found = drift(
        Carried(tuple(one.items()), tuple(tags.items())), Carried(tuple(other.items()), tuple(other_tags.items()))
    )
    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("headers", "tags", "names"),
    [
        ((("content-type", "a/c"), ("metadata a", "1")), (("k", "v"),), ("content-type",)),
        ((("content-type", "a/b"), ("metadata A", "2")), (("k", "v"),), ("metadata",)),
        ((("content-type", "a/b"), ("metadata b", "1")), (("k", "v"),), ("metadata",)),
        ((("content-type", "A/B"), ("metadata a", "1")), (("k", "V"),), ("content-type", "tags")),
        ((("content-type", "a/b"), ("metadata a", "1")), (), ("tags",)),
        ((), (), ("content-type", "metadata", "tags")),
        (
            (*_WANTED.properties, ("storage class", "STANDARD_IA"), ("expires", "0"), ("cache-control", "x")),
            (("k", "v"),),
            ("cache-control", "expires", "storage class"),
        ),
    ],
)
def test_names_come_in_one_order(
    headers: tuple[tuple[str, str], ...], tags: tuple[tuple[str, str], ...], names: tuple[str, ...]
) -> None:
    assert drift(_WANTED, Carried(headers, tags)) == names


def test_a_content_type_of_the_store_alone_is_its_servers_default() -> None:
    assert drift(Carried(()), Carried((("content-type", "binary/octet-stream"),))) == ()
    assert drift(Carried((("content-type", "a/b"),)), Carried(())) == ("content-type",)


def test_ignored_names_are_left_out() -> None:
    redirected = Carried((*_WANTED.properties, ("website redirect", "/x")), _WANTED.tags)
    assert drift(redirected, _WANTED) == (WEBSITE_REDIRECT,)
    assert drift(redirected, _WANTED, [WEBSITE_REDIRECT]) == ()
