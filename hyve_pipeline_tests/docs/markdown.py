"""Reads the pages: their code blocks, the code within their texts, their headings, links and tables."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("deploy/*.md")),
]

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A block of lines indented by four after an empty line; lists have their own indentation and are two deep here.
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)((?: {4}.*\n|\n(?= {4}))+)")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_NOT_IN_ANCHORS = re.compile(r"[^\w -]")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        language: what the page calls it; empty where it is indented.
        text: without indentation.
    """

    language: str
    text: str


def name_of(page: Path) -> str:
    """A page's path below the project's folder."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page."""
    text = page.read_text(encoding="utf-8")
    fenced = [Block(language, body) for language, body in _FENCED.findall(text)]
    return fenced + [Block("", textwrap.dedent(body)) for body in _INDENTED.findall(_FENCED.sub("\n", text))]


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return _INDENTED.sub("", _FENCED.sub("\n", page.read_text(encoding="utf-8")))


def inline_code(page: Path) -> list[str]:
    """What stands between backticks in a page's text."""
    return _INLINE.findall(prose(page))


def links(page: Path) -> list[str]:
    """The targets of a page's links that lead to files of the project."""
    return [target for target in _LINK.findall(prose(page)) if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """What can follow # in a link to a page."""
    plain = (heading.replace("`", "") for heading in _HEADING.findall(prose(page)))
    return {_NOT_IN_ANCHORS.sub("", heading).strip().lower().replace(" ", "-") for heading in plain}


def tables(page: Path, heading: str) -> Iterator[list[str]]:
    """The rows of the tables below a heading, without the table's own head."""
    section = page.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    for line in section.splitlines():
        cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and not set(cells[0]) <= set("-:"):
            yield cells
