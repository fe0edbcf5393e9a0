"""The example of docs/filters.md does what the page says, and its table has every key."""

from hyve_pipeline.core.settings.filter import FilterSettings
from hyve_pipeline_tests.docs.markdown import ROOT, tables
from hyve_pipeline_tests.docs.recipes import recipe_of
from hyve_pipeline_tests.docs.test_cookbook import follow
from hyve_pipeline_tests.syncs import Hyve, MakePair, next_second

_PAGE = ROOT / "docs" / "filters.md"
_RECIPE = recipe_of(_PAGE)
_LARGE = b"0123456789"


def test_the_example(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    with (pair.home / "hyve.toml").open("a") as file:
        file.write(_RECIPE.of("toml")[0])
    pair.store.put({"albums/gone.jpg": _LARGE, "albums/private.jpg": b"of an earlier time"}, Tagging="public=yes")
    next_second()
    tagged = {"albums/1.jpg": _LARGE, "albums/1.tmp": _LARGE, "albums/small.jpg": b"1", "notes.txt": _LARGE}
    pair.source.put(tagged, Tagging="public=yes")
    pair.source.put({"albums/private.jpg": _LARGE})
    follow(_RECIPE, hyve)
    assert pair.store.read() == {"albums/1.jpg": _LARGE, "albums/private.jpg": b"of an earlier time"}


def test_the_table_has_every_key() -> None:
    (_, *names) = (row[0].strip("`") for row in tables(_PAGE, "The keys"))
    assert names == list(FilterSettings.model_fields)
