"""The line of each key of a TOML file, however it is written."""

import pytest

from hyve_pipeline.core.settings.lines import key_lines

TEXT = '''\
# A comment.
sync.first.source = { bucket = "a" }

["sync"."second"]
schedule = """
[not.a.table]
key = 1
"""
tags = { a = "b" }
[sync.second.options]
include = [
  "*.jpg", # ]
  '"',
]

trash = 's3://trash/'
'''


def test_the_line_of_each_key() -> None:
    assert key_lines(TEXT) == {
        ("sync",): 2,
        ("sync", "first"): 2,
        ("sync", "first", "source"): 2,
        ("sync", "first", "source", "bucket"): 2,
        ("sync", "second"): 4,
        ("sync", "second", "schedule"): 5,
        ("sync", "second", "tags"): 9,
        ("sync", "second", "tags", "a"): 9,
        ("sync", "second", "options"): 10,
        ("sync", "second", "options", "include"): 11,
        ("sync", "second", "options", "trash"): 16,
    }


@pytest.mark.parametrize("text", ["", "\n\n# nothing", "key = [1,\n", "\r\n"])
def test_texts_without_a_whole_key(text: str) -> None:
    assert key_lines(text) == {}


def test_lines_of_a_file_from_windows() -> None:
    assert key_lines("[home]\r\nstate = 's3://aaa/'\r\n") == {("home",): 1, ("home", "state"): 2}
