"""Reads the lists for users, as their scripts would."""

from hyve_pipeline.core.base.keys import parse_list_line


def read_list(content: bytes) -> list[str]:
    """The keys of a list, in the order of its lines, of which each ends with a newline."""
    *lines, rest = content.decode().split("\n")
    assert rest == "", "the last line has no newline"
    return [parse_list_line(line) for line in lines]
