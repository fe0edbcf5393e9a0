"""The example of docs/moves.md does what the page says."""

from hyve_pipeline_tests.docs.markdown import ROOT
from hyve_pipeline_tests.docs.recipes import recipe_of
from hyve_pipeline_tests.docs.test_cookbook import follow
from hyve_pipeline_tests.syncs import Hyve, MakePair

_RECIPE = recipe_of(ROOT / "docs" / "moves.md")


def test_the_example(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(**_RECIPE.settings["options"])
    pair.source.put({"albums/new/1.jpg": b"1", "albums/new/2.jpg": b"22", "other": b"3"})
    pair.store.put({"albums/old/1.jpg": b"1", "albums/old/2.jpg": b"22", "other": b"3"})
    follow(_RECIPE, hyve)
    assert pair.store.read() == pair.source.read()
