"""The example of docs/costs.md does what the page says."""

from pathlib import Path
from urllib.parse import urlsplit

from hyve_pipeline_tests.docs.markdown import ROOT, blocks
from hyve_pipeline_tests.docs.recipes import recipe_of
from hyve_pipeline_tests.docs.test_cookbook import follow
from hyve_pipeline_tests.syncs import Hyve, MakePair

_PAGE = ROOT / "docs" / "costs.md"
_RECIPE = recipe_of(_PAGE)


def test_the_example(make_pair: MakePair, hyve: Hyve, tmp_path: Path) -> None:
    pair = make_pair()
    (settings,) = _RECIPE.of("toml")
    (prices,) = [block.text for block in blocks(_PAGE) if block.text.startswith("# /etc/hyve")]
    port = urlsplit(str(pair.store.place.endpoint_url)).port
    # Three objects stand for six million: each costs ten dollars.
    prices = prices.replace("s3.example.org:9000", f"localhost:{port}").replace("write = 0.005", "write = 10_000")
    file = tmp_path / "prices.toml"
    file.write_text(prices)
    with (pair.home / "hyve.toml").open("a") as configured:
        configured.write(settings.split("\n", 1)[1].replace("/etc/hyve/prices.toml", str(file)))
    pair.source.put({f"{number}.jpg": b"1" for number in range(3)})
    follow(_RECIPE, hyve)
    assert pair.store.read() == pair.source.read()
