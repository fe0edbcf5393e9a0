"""Keys are shortened to the room that there is."""

from hyve_pipeline.core.base.widths import columns_of, shortened_key


def test_a_long_key_keeps_both_ends() -> None:
    assert shortened_key(f"begin-{'x' * 2000}-end/", 17) == "begin-xx…xxx-end/"
    assert shortened_key("short/", 17) == "short/"
    assert shortened_key("a\\b\x1b\u202e", 17) == "a\\\\b\\x1b\\u202e"
    # Characters of double width.
    assert shortened_key("\u5199" * 8, 17) == "\u5199" * 8
    assert shortened_key("\u5199" * 10, 17) == "\u5199\u5199\u5199\u5199…\u5199\u5199\u5199\u5199"


def test_wide_characters_take_two_columns() -> None:
    assert columns_of("a\u5199\U0001f600") == 5
