import ast
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.keys import displayed, list_line, parse_list_line

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    "key",
    [
        "a/b.jpg",
        " lead and trail ",
        "a//b",
        "/lead",
        "dir/",
        "../up",
        'say "hi"',
        "back\\slash",
        "ü",
        "u\u0308",
        "\u2028",
        "\u200e",
        "😀",
    ],
)
def test_an_ordinary_key_is_its_own_line(key: str) -> None:
    assert list_line(key) == key
    assert parse_list_line(key) == key


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("a\nb", '"a\\nb"'),
        ("\r", '"\\r"'),
        ("tab\t", '"tab\\t"'),
        ("nul\x00ü", '"nul\\u0000\\u00fc"'),
        ("del\x7f", '"del\\u007f"'),
        ("next line\x85", '"next line\\u0085"'),
        ('"', '"\\""'),
        ('"quoted"', '"\\"quoted\\""'),
    ],
)
def test_control_characters_and_a_leading_quote_make_a_json_string(key: str, line: str) -> None:
    assert list_line(key) == line == json.dumps(key)
    assert parse_list_line(line) == key


@given(ANY_TEXT)
def test_lines_follow_the_unicode_category_and_are_read_back(key: str) -> None:
    line = list_line(key)
    needs_quotes = key.startswith('"') or any(unicodedata.category(character) == "Cc" for character in key)
    assert line == (json.dumps(key) if needs_quotes else key)
    assert "\n" not in line
    assert parse_list_line(line) == key


@pytest.mark.parametrize("line", ['"', '"open', '"a" b', '"a\nb"', '"\\q"'])
def test_a_broken_quoted_line_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"line|Expecting|Invalid|Extra|Unterminated"):
        parse_list_line(line)


@pytest.mark.parametrize("text", ["", "a b  c ", "ü u\u0308 漢字 עברית العربية", "😀", "'\"%$`", "\ufe0f"])
def test_ordinary_text_is_displayed_as_it_is(text: str) -> None:
    assert displayed(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\r\n\tb", r"a\x0d\x0a\x09b"),
        ("\x9b2J", r"\x9b2J"),
        ("a\u202eb\u2066", r"a\u202eb\u2066"),
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("no\u00a0break", r"no\xa0break"),
        ("soft\u00adhyphen", r"soft\xadhyphen"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
        ("\\", r"\\"),
        ("\\x1b", r"\\x1b"),
    ],
)
def test_terminal_controls_are_displayed_as_escapes(text: str, shown: str) -> None:
    assert displayed(text) == shown


@given(ANY_TEXT)
def test_displayed_text_is_printable_and_unambiguous(text: str) -> None:
    shown = displayed(text)
    assert shown.isprintable()
    assert ast.literal_eval('"' + shown.replace('"', '\\"') + '"') == text
