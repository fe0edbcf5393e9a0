"""The example of docs/restore.md does what the page says."""

from hyve_pipeline_tests.docs.markdown import ROOT
from hyve_pipeline_tests.docs.recipes import recipe_of
from hyve_pipeline_tests.docs.test_cookbook import follow
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.syncs import Hyve, MakePair

_RECIPE = recipe_of(ROOT / "docs" / "restore.md")


def test_the_example(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    pair = make_pair(through=faulty)
    (settings,) = _RECIPE.of("toml")
    with (pair.home / "hyve.toml").open("a") as file:
        file.write(settings.split("\n", 1)[1])
    pair.source.put({"cold/a.jpg": b"12", "cold/b.jpg": b"1234"}, StorageClass="GLACIER")
    follow(_RECIPE, hyve)
    assert len([one for one in faulty.received if "restore" in one.query]) == 2
