"""What Dagster's runs get of a sync is all that its settings say of the credentials, by name."""

from pathlib import Path

import pytest

from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.definitions.resources import BucketResource, SyncResource
from hyve_pipeline_tests.sts import ROLE


@pytest.mark.parametrize(
    "place",
    [
        BucketSettings(bucket="aaa", prefix="x/", profile="hyve", region="eu-west-1"),
        BucketSettings(bucket="aaa", profile="hyve", role_arn=ROLE, external_id="hyve-4711"),
        BucketSettings(bucket="aaa", anonymous=True),
    ],
)
def test_a_place_is_the_same_in_a_run(place: BucketSettings) -> None:
    assert BucketResource.of(place).place() == place
    assert set(BucketResource.model_fields) == set(BucketSettings.model_fields)


def test_the_sync_of_a_run_has_the_role(tmp_path: Path) -> None:
    store = BucketSettings(bucket="bbb", role_arn=ROLE, external_id="hyve-4711", endpoint_url="http://127.0.0.1:9")
    source = BucketSettings(bucket="aaa", anonymous=True, endpoint_url="http://127.0.0.1:9")
    settings = SyncSettings(name="images", source=source, store=store)
    found = SyncResource.of(Home(tmp_path), settings).context().settings
    assert (found.store.role_arn, found.store.external_id, found.source.anonymous) == (ROLE, "hyve-4711", True)
