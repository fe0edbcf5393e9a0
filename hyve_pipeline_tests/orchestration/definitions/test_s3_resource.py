"""What a sync takes from an S3Resource."""

import pytest
from dagster_aws.s3 import S3Resource, s3_resource

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.access_keys import AccessKeys
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.orchestration.definitions.s3_resource import Borrowed, complete_sync

NOTHING = Borrowed(profile=None, region=None, endpoint_url=None, keys=None)


def sync_with(source: BucketSettings, store: BucketSettings, trash: str | None = None) -> SyncSettings:
    return SyncSettings.model_validate(
        {"name": "images", "source": source, "store": store, "options": {"trash": trash} if trash else {}}
    )


def test_a_resource_says_where_the_server_is_and_who_asks() -> None:
    resource = S3Resource(
        region_name="eu-central-1",
        endpoint_url="https://s3.example.org",
        profile_name="archive",
        aws_access_key_id="AKIDRESOURCE",
        aws_secret_access_key="resource-secret",
        aws_session_token="resource-token",
    )
    assert Borrowed.of("s3", resource) == Borrowed(
        profile="archive",
        region="eu-central-1",
        endpoint_url="https://s3.example.org",
        keys=AccessKeys("AKIDRESOURCE", "resource-secret", "resource-token"),
    )
    assert Borrowed.of("s3", S3Resource()) == NOTHING


def test_keys_are_never_shown() -> None:
    resource = S3Resource(aws_access_key_id="AKID", aws_secret_access_key="secret", aws_session_token="token")
    assert "AccessKeys()" in repr(Borrowed.of("s3", resource))


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        (object(), "is a object: a sync needs a dagster_aws.s3.S3Resource"),
        (s3_resource, "is a ResourceDefinition: a sync needs a dagster_aws.s3.S3Resource"),
        (S3Resource(aws_access_key_id="AKID"), "has one of the two keys: its aws_secret_access_key is not set"),
        (S3Resource(aws_secret_access_key="hush"), "has one of the two keys: its aws_access_key_id is not set"),
        (
            S3Resource(use_unsigned_session=True),
            "has use_unsigned_session: write anonymous: true instead of the resource",
        ),
        (S3Resource(verify=False), "has verify=False: certificates are always checked"),
        (S3Resource(use_ssl=False), "has use_ssl=False: name a server by endpoint_url='http://...'"),
    ],
)
def test_what_cannot_be_used_is_refused(resource: object, problem: str) -> None:
    with pytest.raises(ConfigurationError, match="resource 's3' ") as caught:
        Borrowed.of("s3", resource)
    assert problem in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_place_has_from_its_resource_what_it_leaves_open() -> None:
    borrowed = Borrowed("archive", "eu-central-1", "https://s3.example.org", None)
    sync = sync_with(
        BucketSettings(bucket="hyve-in", resource="s3"),
        BucketSettings(bucket="hyve-store", resource="s3", region="us-east-1", endpoint_url="http://127.0.0.1:9000"),
    )
    complete = complete_sync(sync, {"s3": borrowed})
    assert complete.source == BucketSettings(
        bucket="hyve-in",
        profile="archive",
        region="eu-central-1",
        endpoint_url="https://s3.example.org",
        resource="s3",
    )
    assert (complete.store.region, complete.store.endpoint_url) == ("us-east-1", "http://127.0.0.1:9000")
    assert complete_sync(sync, {}) == sync


def test_overlaps_are_judged_by_the_servers_that_resources_name() -> None:
    source = BucketSettings(bucket="hyve-store", prefix="a", endpoint_url="http://localhost:9000")
    store = BucketSettings(bucket="hyve-store", resource="s3")
    here = Borrowed(None, None, "http://127.0.0.1:9000/", None)
    elsewhere = Borrowed(None, None, "https://s3.example.org", None)
    assert complete_sync(sync_with(source, store), {"s3": elsewhere}).store.server == "s3.example.org"
    with pytest.raises(ConfigurationError, match="images: store: overlaps the source: s3://hyve-store/ and "):
        complete_sync(sync_with(source, store), {"s3": here})
    with pytest.raises(ConfigurationError, match=r"images: options\.trash: overlaps the source"):
        complete_sync(
            sync_with(source, store.model_copy(update={"bucket": "other"}), trash="s3://hyve-store/a/t"), {"s3": here}
        )


def test_the_server_of_a_resource_is_neither_accelerated_nor_dual_stack() -> None:
    store = BucketSettings(bucket="hyve-store", resource="s3", dual_stack=True)
    sync = sync_with(BucketSettings(bucket="hyve-in"), store)
    assert complete_sync(sync, {"s3": NOTHING}).store.dual_stack
    with pytest.raises(ConfigurationError, match="images: store: dual_stack and endpoint_url are both set"):
        complete_sync(sync, {"s3": Borrowed(None, None, "https://s3.example.org", None)})


def test_what_a_resource_says_is_checked() -> None:
    sync = sync_with(BucketSettings(bucket="hyve-in"), BucketSettings(bucket="hyve-store", resource="s3"))
    with pytest.raises(ConfigurationError, match=r"images: store\.endpoint_url: 'minio:9000' is not an endpoint"):
        complete_sync(sync, {"s3": Borrowed(None, None, "minio:9000", None)})
