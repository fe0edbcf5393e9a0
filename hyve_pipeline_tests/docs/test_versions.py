"""The example of docs/versions.md does what the page says."""

import pytest

from hyve_pipeline.core.settings.options import NOT_OF_VERSIONS
from hyve_pipeline_tests.docs.markdown import ROOT
from hyve_pipeline_tests.docs.recipes import recipe_of
from hyve_pipeline_tests.docs.test_cookbook import follow
from hyve_pipeline_tests.syncs import Hyve, MakePair

pytestmark = pytest.mark.xdist_group("versions")

_PAGE = ROOT / "docs" / "versions.md"
_RECIPE = recipe_of(_PAGE)


def test_the_example(make_pair: MakePair, version_endpoint: str, hyve: Hyve) -> None:
    pair = make_pair(endpoint_url=version_endpoint, versioned=True, **_RECIPE.settings["options"])
    for content in (b"1", b"2"):
        pair.source.put({"photos/1.jpg": content, "photos/2.jpg": content})
    pair.source.delete("photos/2.jpg")
    follow(_RECIPE, hyve)
    assert pair.store.read() == {"photos/1.jpg": b"2"}
    listed = pair.store.client.list_object_versions(Bucket=pair.store.name)
    assert (len(listed["Versions"]), len(listed["DeleteMarkers"])) == (4, 1)


def test_the_page_names_what_can_not_be_combined() -> None:
    text = _PAGE.read_text(encoding="utf-8")
    assert [name for name in NOT_OF_VERSIONS if f"`{name}`" not in text] == []
