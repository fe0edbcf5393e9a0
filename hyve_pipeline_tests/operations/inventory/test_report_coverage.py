"""Whether a report covers its whole side: by its own keys, or by what the bucket has before and after them."""

from datetime import UTC, datetime, timedelta

import pytest

from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.model.inventory_report import ReportManifest
from hyve_pipeline.operations.inventory.report_coverage import check_coverage
from hyve_pipeline.operations.inventory.report_folder import FoundReport
from hyve_pipeline_tests.syncs import MakePair

# As if the objects that a test has just written were older than the report, or newer.
_OLD, _NEW = timedelta(minutes=-5), timedelta(hours=1)


@pytest.mark.parametrize(
    ("prefix", "keys", "bounds", "foreign"),
    [
        # Keys with nothing in common: no prefix left any out.
        ("", ["a", "b", "z"], ("a", "b"), None),
        ("in/", ["in/a", "in/b", "in/z", "zz"], ("in/a", "in/b"), None),
        # All begin alike, and so do all of the bucket.
        ("", ["img/a", "img/b"], ("img/a", "img/b"), None),
        ("in/", ["in/one", "out"], ("in/one", "in/one"), None),
        ("", [], None, None),
        # The report is limited to a prefix, or of an other part of the bucket.
        ("", ["img/a", "img/b", "zoo"], ("img/a", "img/b"), "zoo"),
        ("", ["about", "img/a", "img/b"], ("img/a", "img/b"), "about"),
        ("in/", ["in/x/1", "in/y/1", "zoo"], ("in/x/1", "in/x/1"), "in/y/1"),
        ("in/", ["in/x"], None, "in/x"),
    ],
)
def test_a_report_that_leaves_out_older_keys_is_refused(
    prefix: str, keys: list[str], bounds: tuple[str, str] | None, foreign: str | None, make_pair: MakePair
) -> None:
    pair = make_pair(prefixes=(prefix, ""))
    pair.source.put(dict.fromkeys(keys, b""))
    context = pair.context()
    manifest = ReportManifest(
        source_bucket=pair.source.name, as_of=datetime.now(UTC), format="CSV", columns=(), files=()
    )
    found = FoundReport("s3://reports/manifest.json", manifest)
    with context.connect(context.place("source")) as bucket:
        check_coverage(bucket, found, bounds, _NEW)
        if foreign is None:
            check_coverage(bucket, found, bounds, _OLD)
            return
        with pytest.raises(IncompleteInventoryError) as caught:
            check_coverage(bucket, found, bounds, _OLD)
    message = str(caught.value)
    assert f"and the bucket has '{foreign}', written before: remove the prefix of the report's configuration" in message
