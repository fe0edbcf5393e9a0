"""The example of docs/key-lists.md does what the page says."""

from pathlib import Path

import pytest

from hyve_pipeline.operations.inventory.restricted import is_cheaper_by_listing
from hyve_pipeline_tests.docs.markdown import ROOT, blocks, tables
from hyve_pipeline_tests.docs.recipes import recipe_of
from hyve_pipeline_tests.docs.test_cookbook import follow
from hyve_pipeline_tests.syncs import Hyve, MakePair

_PAGE = ROOT / "docs" / "key-lists.md"


def test_the_example(make_pair: MakePair, hyve: Hyve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make_pair(max_deletes="100%")
    monkeypatch.chdir(tmp_path)
    (text,) = (block.text for block in blocks(_PAGE) if block.text.startswith("albums/"))
    (tmp_path / "keys.txt").write_text(text)
    pair.store.put({"albums/2.jpg": b"1", "albums/old.jpg": b"1", "other": b"stays for now"})
    pair.source.put({"albums/1.jpg": b"1", "albums/2.jpg": b"22", "more": b"1"})
    recipe = recipe_of(_PAGE)
    follow(recipe, hyve)
    assert pair.store.read() == pair.source.read()


def test_the_table_of_requests_is_right() -> None:
    rows = [row for row in tables(_PAGE, "HEAD or a listing") if row[0][0].isdigit()]
    assert len(rows) == 3
    for keys, objects, how, requests, dollars in rows:
        many, all_keys = int(keys.replace(",", "")), int(objects.replace(",", ""))
        lists = is_cheaper_by_listing(many, all_keys)
        assert how == ("listing" if lists else "HEAD")
        sent = all_keys // 1_000 if lists else many
        assert int(requests.replace(",", "")) == sent
        assert float(dollars) == pytest.approx(sent / 1_000 * (0.005 if lists else 0.0004))
