"""Reads recipes from `docs/cookbook.md`: the settings and the commands as a reader sees them."""

import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COOKBOOK = Path(__file__).parents[2] / "docs" / "cookbook.md"

_SECTION = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"\s+# exit (\d+)$")


@dataclass(frozen=True)
class Command:
    """A command of a recipe.

    Attributes:
        arguments: what follows the program's name.
        program: the program.
        code: the exit code that the page names, 0 where it names none.
        shown: lines that the page shows of its output, as parts of it.
    """

    program: str
    arguments: tuple[str, ...]
    code: int
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """One section of the cookbook."""

    number: int
    title: str
    blocks: tuple[tuple[str, str], ...]

    def of(self, language: str) -> list[str]:
        """The blocks in a language."""
        return [text for kind, text in self.blocks if kind == language]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of its sync, as the file has them."""
        (text,) = self.of("toml")
        return tomllib.loads(text)["sync"]["images"]

    @property
    def commands(self) -> list[Command]:
        """Its commands in their order, those of other programs too."""
        found: list[Command] = []
        for block in self.of("console"):
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                line, *shown = part.rstrip("\n").split("\n")
                code = _EXIT.search(line)
                words = shlex.split(_EXIT.sub("", line))
                words = [word for number, word in enumerate(words) if number or "=" not in word]
                while "=" in words[0]:
                    words = words[1:]
                found.append(Command(words[0], tuple(words[1:]), int(code[1]) if code else 0, tuple(shown)))
        return found


def recipe_of(page: Path) -> Recipe:
    """All blocks of a page as one recipe."""
    return Recipe(1, page.stem, tuple(_BLOCK.findall(page.read_text(encoding="utf-8"))))


def recipes() -> dict[int, Recipe]:
    """All recipes by their numbers."""
    text = COOKBOOK.read_text(encoding="utf-8")
    heads = list(_SECTION.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {
        int(head[1]): Recipe(int(head[1]), head[2], tuple(_BLOCK.findall(text[head.end() : end])))
        for head, end in zip(heads, ends, strict=True)
    }
