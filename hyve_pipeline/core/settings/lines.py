"""The lines on which the keys of a TOML file are, which no TOML parser says."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Keys = tuple[str, ...]

# Where a statement has more lines, what follows has no lines: each further one costs more time.
_MOST_LINES = 1_000


def key_lines(text: str) -> dict[Keys, int]:
    """The line of each table and key of a TOML text, by its path, such as ``("sync", "images", "source", "bucket")``.

    Args:
        text: a valid TOML text. What comes after a mistake is left out.
    """
    lines: dict[Keys, int] = {}
    table: Keys = ()
    for number, statement, values in _statements(text):
        if statement.lstrip().startswith("["):
            table = _path_of(values)
            lines.setdefault(table, number)
        else:
            for path in _paths(values):
                lines.setdefault((*table, *path), number)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The statements of a TOML text, each with its first line and what it says by itself.

    A statement ends with the first line with which it is valid TOML: one that goes on has an open bracket or quote.
    """
    begun: list[str] = []
    first = 1
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not begun:
            first = number
        begun.append(line)
        statement = "\n".join(begun)
        try:
            values = tomllib.loads(statement)
        except (ValueError, RecursionError):
            if len(begun) > _MOST_LINES:
                return
            continue
        begun = []
        if values:
            yield first, statement, values


def _path_of(values: Mapping[str, Any]) -> Keys:
    """The path of a table from its header alone."""
    path: list[str] = []
    inner: Any = values
    while isinstance(inner, Mapping) and inner:
        name, inner = next(iter(inner.items()))
        path.append(name)
    return tuple(path)


def _paths(values: Mapping[str, Any]) -> Iterator[Keys]:
    for name, value in values.items():
        yield (name,)
        if isinstance(value, Mapping):
            yield from ((name, *path) for path in _paths(value))
