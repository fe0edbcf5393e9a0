"""The example of docs/s3-inventory.md does what the page says."""

from hyve_pipeline_tests.docs.markdown import ROOT
from hyve_pipeline_tests.docs.recipes import recipe_of
from hyve_pipeline_tests.docs.test_cookbook import follow
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.reports import Report, rows_of
from hyve_pipeline_tests.syncs import Bucket, Hyve, MakePair, next_second

_RECIPE = recipe_of(ROOT / "docs" / "s3-inventory.md")


def test_the_example(make_pair: MakePair, make_place: MakePlace, hyve: Hyve) -> None:
    pair = make_pair()
    source = _RECIPE.settings["source"]
    assert "inventory" not in _RECIPE.settings["store"]
    prefix = source["inventory"].split("/", 3)[3]
    reports = make_place("reports", prefix=prefix)
    pair.store.put({"photos/1.jpg": b"1"})
    pair.source.put({f"photos/{number}.jpg": b"%d" % number for number in range(1, 4)})
    next_second()
    Report(pair.source.name, rows_of(pair.source)).write(Bucket(reports, str(reports.endpoint_url)))
    pair.store.take_from(pair.source, ["photos/1.jpg"])
    file = pair.home / "hyve.toml"
    head = "[sync.images.source]\n"
    file.write_text(file.read_text().replace(head, f'{head}inventory = "{reports.uri}"\n'))
    follow(_RECIPE, hyve)
    assert pair.store.read() == pair.source.read()
