"""From settings to an address and a region, the same for hot and rare requests."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline_tests.conftest import PROFILE, MakePlace
from hyve_pipeline_tests.s3.conftest import Connect

LOCAL = BucketSettings(bucket="pictures", endpoint_url="http://127.0.0.1:9", profile=PROFILE)

pytestmark = pytest.mark.usefixtures("aws_profile")


def _open(place: BucketSettings) -> Connection:
    with open_connection(place) as connection:
        return connection


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ({"bucket": "pictures", "region": "eu-west-3"}, ("https", "pictures.s3.eu-west-3.amazonaws.com", "")),
        ({"bucket": "my.pictures", "region": "eu-west-3"}, ("https", "s3.eu-west-3.amazonaws.com", "/my.pictures")),
        ({"bucket": "Old_Name", "region": "us-east-1"}, ("https", "s3.us-east-1.amazonaws.com", "/Old_Name")),
        ({"bucket": "pictures", "region": "cn-north-1"}, ("https", "pictures.s3.cn-north-1.amazonaws.com.cn", "")),
        (
            {"bucket": "pictures", "region": "eu-west-3", "dual_stack": True},
            ("https", "pictures.s3.dualstack.eu-west-3.amazonaws.com", ""),
        ),
        (
            {"bucket": "my.pictures", "region": "eu-west-3", "dual_stack": True},
            ("https", "s3.dualstack.eu-west-3.amazonaws.com", "/my.pictures"),
        ),
        (
            {"bucket": "pictures", "region": "cn-north-1", "dual_stack": True},
            ("https", "pictures.s3.dualstack.cn-north-1.amazonaws.com.cn", ""),
        ),
        (
            {"bucket": "pictures", "region": "eu-west-3", "accelerate": True},
            ("https", "pictures.s3-accelerate.amazonaws.com", ""),
        ),
        (
            {"bucket": "pictures", "region": "us-east-1", "accelerate": True, "dual_stack": True},
            ("https", "pictures.s3-accelerate.dualstack.amazonaws.com", ""),
        ),
        ({"bucket": "pictures", "endpoint_url": "http://127.0.0.1:9000"}, ("http", "127.0.0.1:9000", "/pictures")),
        ({"bucket": "pictures", "endpoint_url": "http://Example.org:80/"}, ("http", "example.org", "/pictures")),
        ({"bucket": "pictures", "endpoint_url": "https://example.org:443"}, ("https", "example.org", "/pictures")),
        ({"bucket": "pictures", "endpoint_url": "https://[::1]:9000"}, ("https", "[::1]:9000", "/pictures")),
    ],
)
def test_addresses(place: dict[str, Any], address: tuple[str, str, str]) -> None:
    endpoint = _open(BucketSettings(profile=PROFILE, **place)).endpoint
    assert (
        endpoint.scheme,
        endpoint.authority.replace("s3.amazonaws", "s3.us-east-1.amazonaws"),
        endpoint.path,
    ) == address


def test_hot_and_rare_requests_go_to_the_same_server(make_place: MakePlace) -> None:
    for place in (make_place(), BucketSettings(bucket="pictures", region="eu-west-3", profile=PROFILE)):
        with open_connection(place) as connection:
            url = urlsplit(connection.client.meta.endpoint_url)
            assert connection.endpoint.scheme == url.scheme
            assert connection.endpoint.authority.removeprefix("pictures.") == url.netloc
            assert connection.client.meta.region_name == connection.endpoint.region


@pytest.mark.parametrize("ways", [{"accelerate": True}, {"dual_stack": True}, {"accelerate": True, "dual_stack": True}])
def test_rare_requests_take_the_same_way(ways: dict[str, Any]) -> None:
    with open_connection(BucketSettings(bucket="pictures", region="eu-west-3", profile=PROFILE, **ways)) as connection:
        url = connection.client.generate_presigned_url("get_object", Params={"Bucket": "pictures", "Key": "k"})
        assert urlsplit(url).netloc == connection.endpoint.authority
        assert connection.endpoint.region == "eu-west-3"


@pytest.mark.parametrize(
    ("settings", "environment", "problem"),
    [
        (
            {"accelerate": True},
            {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"},
            "AWS_ENDPOINT_URL_S3 names the server",
        ),
        ({"accelerate": True}, {"AWS_USE_FIPS_ENDPOINT": "true"}, "Accelerate cannot be used with FIPS"),
        ({"accelerate": True, "region": "cn-north-1"}, {}, "Accelerate cannot be used in this region"),
        ({"dual_stack": True}, {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, "names the server 'http://127.0.0.1:9'"),
    ],
)
def test_ways_that_the_aws_settings_do_not_allow(
    settings: dict[str, Any], environment: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    place = BucketSettings.model_validate({"bucket": "pictures", "region": "eu-west-3", "profile": PROFILE} | settings)
    with pytest.raises(ConfigurationError, match=f"^s3://pictures/: .*{problem}"):
        open_connection(place)


def test_rare_requests_work(make_place: MakePlace, connect: Connect) -> None:
    place = make_place(versioned=True)
    assert connect(place).client.get_bucket_versioning(Bucket=place.bucket)["Status"] == "Enabled"


def test_region_comes_from_setting_then_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _open(LOCAL).endpoint.region == "us-east-1"
    (tmp_path / "aws_config").write_text(f"[profile {PROFILE}]\nregion = eu-north-1\n")
    assert _open(LOCAL).endpoint.region == "eu-north-1"
    assert _open(LOCAL.model_copy(update={"region": "eu-west-3"})).endpoint.region == "eu-west-3"


@pytest.mark.parametrize("variable", ["AWS_DEFAULT_REGION", "AWS_REGION"])
def test_a_variable_that_names_no_region_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    (tmp_path / "aws_config").write_text(f"[profile {PROFILE}]\n")
    monkeypatch.setenv(variable, "eu-west-3\n")
    with pytest.raises(ConfigurationError, match=rf"{variable}: 'eu-west-3\\n' is not a region"):
        _open(LOCAL)


def test_aws_without_region() -> None:
    with pytest.raises(ConfigurationError, match="s3://pictures/: the bucket's region is not known: set its region"):
        open_connection(BucketSettings(bucket="pictures", profile=PROFILE))
