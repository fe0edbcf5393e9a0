"""The example of docs/mapping.md does what the page says, and its table has every key."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from hyve_pipeline.core.settings.mapping import KeyMapping, MappingRule
from hyve_pipeline_tests.docs.markdown import ROOT, blocks, tables
from hyve_pipeline_tests.docs.recipes import recipe_of
from hyve_pipeline_tests.docs.test_cookbook import follow
from hyve_pipeline_tests.syncs import Hyve, MakePair

_PAGE = ROOT / "docs" / "mapping.md"
_RECIPE = recipe_of(_PAGE)
_INDENTED = re.findall(r"((?:^    .*\n)+)", _PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_examples(make_pair: MakePair, hyve: Hyve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make_pair()
    monkeypatch.chdir(tmp_path)
    with (pair.home / "hyve.toml").open("a") as file:
        file.write(_RECIPE.of("toml")[0])
    pair.source.put({"raw/2025/a.jpg": b"a", "incoming/17/b.jpg": b"b", "notes.txt": b"n"})
    pair.store.put({"archive/2025/old.jpg": b"o", "readme.txt": b"r"})
    whole, listed = _RECIPE.of("console")
    follow(replace(_RECIPE, blocks=(("console", whole),)), hyve)
    assert pair.store.read() == {"archive/2025/a.jpg": b"a", "photos/b.jpg-17": b"b", "readme.txt": b"r"}
    (text,) = (block.text for block in blocks(_PAGE) if block.text.startswith("raw/"))
    (tmp_path / "keys.txt").write_text(text)
    pair.source.put({"raw/2025/c.jpg": b"c", "raw/2025/later.jpg": b"l"})
    pair.store.put({"archive/2025/gone.jpg": b"g"})
    follow(replace(_RECIPE, blocks=(("console", listed),)), hyve)
    assert pair.store.keys() == ["archive/2025/a.jpg", "archive/2025/c.jpg", "photos/b.jpg-17", "readme.txt"]


def test_the_table_has_every_key() -> None:
    (_, *names) = (row[0].strip("`") for row in tables(_PAGE, "The rules"))
    assert names == list(MappingRule.model_fields)


@pytest.mark.parametrize(
    ("example", "key", "new"), [('from = ""', "any", "any"), ("inverse", "20260101-a.jpg", "2026/01/a.jpg")]
)
def test_the_other_rules_do_what_the_page_says(example: str, key: str, new: str) -> None:
    (text,) = (block for block in _INDENTED if example in block)
    rules = tomllib.loads(text)["sync"]["images"]["mapping"]
    mapping = KeyMapping([MappingRule.model_validate(rule) for rule in rules])
    assert (mapping.to_store(key), mapping.to_source(new)) == (new, key)
