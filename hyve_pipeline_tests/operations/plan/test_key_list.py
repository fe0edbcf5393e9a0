"""Lists of keys: each key that a list can name, and each line that names none."""

import json
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.keys import list_line
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.plan.key_list import KeyList, counted_lines, read_key_list

_KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20) | st.text('{}"\r\n key:\\\ufeff', min_size=1)


def _read(content: bytes, prefix: str = "", store_prefix: str = "", **options: object) -> KeyList:
    settings = SyncSettings(
        name="images",
        source=BucketSettings(bucket="hyve-source", prefix=prefix),
        store=BucketSettings(bucket="hyve-store", prefix=store_prefix),
        options=Options.model_validate(options),
    )
    return read_key_list("keys.txt", BytesIO(content), settings)


def _problem(content: bytes, prefix: str = "", store_prefix: str = "") -> str:
    with pytest.raises(ConfigurationError) as caught:
        _read(content, prefix, store_prefix)
    return str(caught.value)


@given(st.lists(_KEYS, min_size=1, unique=True), st.booleans())
def test_every_key_can_be_named_by_its_line_in_a_list_and_by_json(keys: list[str], are_json: bool) -> None:
    settings = SyncSettings(
        name="images",
        source=BucketSettings(bucket="hyve-source", prefix="in/"),
        store=BucketSettings(bucket="hyve-store"),
    )
    whole = [f"in/{key}" for key in keys]
    text = "".join((json.dumps({"key": key, "size": 1}) if are_json else list_line(key)) + "\n" for key in whole)
    assert read_key_list("keys.txt", BytesIO(text.encode()), settings).keys == keys


def test_a_key_may_look_like_json() -> None:
    assert _read(b'{"key": 1}\n{a}.jpg\n').keys == ['{"key": 1}', "{a}.jpg"]
    assert _read(b'"{\\"key\\": \\"a\\"}"\nb').keys == ['{"key": "a"}', "b"]


def test_lines_that_name_no_further_key_are_counted_with_their_numbers() -> None:
    found = _read(b"a\n\nb.tmp\na\nb\na\nc.tmp", exclude=["*.tmp"])
    assert found.keys == ["a", "b.tmp", "b", "c.tmp"]
    assert list(counted_lines(found)) == [
        "keys.txt: line 2 is empty",
        "keys.txt: 2 lines have keys that earlier lines have, the first of them line 4",
        "keys.txt: 2 lines have keys that the filters exclude, the first of them line 3",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a\n\xff\n", "line 2: is not UTF-8"),
        (b"\xef\xbb\xbfa\n", "line 1: begins with a byte order mark: write the list without one"),
        (b"a\r\nb\r\n", "line 1: ends with a carriage return: end lines with a newline alone (and 1 more wrong line)"),
        (b"a\tb\n", "line 1: holds a control character: write the key as a JSON string, in double quotes"),
        (b'"a\n', "line 1: begins with a double quote and is no JSON string"),
        (b'"\\ud800"\n', "line 1: holds half a surrogate pair, which no key has"),
        (b'{"key": "a"}\nb\n', 'line 2: is no JSON object with a string "key", as the lines before are'),
        (b'a\n{"key": "b"}\n', "line 2: is a JSON object, and the lines before are not"),
        (b'{"key": ""}\n', "line 1: the key is empty"),
        (b"x" * 1025, "line 1: the key has 1,025 bytes, a key has 1,024 at most"),
        ("é".encode() * 513, "line 1: the key has 1,026 bytes, a key has 1,024 at most"),
        (b"", "it has no key"),
        (b"\n\n", "it has no key"),
    ],
)
def test_a_wrong_line_makes_no_plan(content: bytes, problem: str) -> None:
    said = _problem(content)
    assert said.startswith(f"keys.txt: {problem}")
    assert said.endswith("; no plan was made")


def test_keys_are_whole_and_below_the_prefixes() -> None:
    assert _read(b"in/a\nin/\n", "in/").keys == ["a", ""]
    assert "line 2: 'a' is not below the source's prefix 'in/'" in _problem(b"in/a\na\n", "in/")
    key = b"in/" + b"x" * 1021
    assert len(_read(key, "in/", "o/").keys) == 1
    assert "line 1: the key has 1,025 bytes in the store" in _problem(key, "in/", "out/")


def test_a_line_that_does_not_end_is_not_read_to_the_end() -> None:
    problem = _problem(b"a\n" + bytes(2**20 + 1))
    assert problem == "keys.txt: line 2: is too long for a line with a key; no plan was made"
