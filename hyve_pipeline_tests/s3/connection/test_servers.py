"""Where requests go: as botocore finds it, and said by what."""

from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.places import BucketSettings, Place
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline.s3.connection.servers import locate
from hyve_pipeline_tests.conftest import PROFILE

pytestmark = pytest.mark.usefixtures("aws_profile")

PLACE = BucketSettings(bucket="pictures", region="eu-west-3", profile=PROFILE)

_PROFILE = f"[profile {PROFILE}]\n"
_SERVICES = "services = own\n[services own]\ns3 =\n  endpoint_url = http://services.example:1\n"
_GLOBAL = "endpoint_url = http://profile.example:2\n"


@pytest.mark.parametrize(
    ("environment", "config", "origin", "server"),
    [
        ({}, "", "default", "aws"),
        ({}, _PROFILE + _GLOBAL, f"profile '{PROFILE}'", "profile.example:2"),
        ({}, _PROFILE + _GLOBAL + _SERVICES, f"profile '{PROFILE}'", "services.example:1"),
        ({}, "[profile other]\n" + _GLOBAL, "default", "aws"),
        ({}, "[default]\n" + _GLOBAL, "default", "aws"),
        ({"AWS_ENDPOINT_URL": "http://all.example"}, _PROFILE + _SERVICES, "AWS_ENDPOINT_URL", "all.example"),
        (
            {"AWS_ENDPOINT_URL": "http://all.example", "AWS_ENDPOINT_URL_S3": "http://s3.example"},
            _PROFILE + _GLOBAL,
            "AWS_ENDPOINT_URL_S3",
            "s3.example",
        ),
        ({"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": ""}, "", "default", "aws"),
        ({"AWS_ENDPOINT_URL_SQS": "http://sqs.example"}, "", "default", "aws"),
        (
            {"AWS_ENDPOINT_URL": "http://all.example", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            _PROFILE + _GLOBAL,
            "default",
            "aws",
        ),
        ({}, _PROFILE + "ignore_configured_endpoint_urls = true\n" + _GLOBAL, "default", "aws"),
        ({"AWS_ENDPOINT_URL": "https://s3.eu-west-3.amazonaws.com"}, "", "AWS_ENDPOINT_URL", "aws"),
    ],
)
def test_the_server_is_the_one_that_boto3_sends_to(
    environment: dict[str, str],
    config: str,
    origin: str,
    server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "aws_config").write_text(config)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = boto3.Session(profile_name=PROFILE).client(
        "s3", region_name="eu-west-3", config=Config(s3={"addressing_style": "path"})
    )
    place = locate(PLACE)
    assert (place.endpoint_origin, place.server) == (origin, server)
    if place.endpoint_url is not None:
        assert place.endpoint_url == client.meta.endpoint_url
    with open_connection(PLACE) as connection:
        assert connection.place == place
        host = urlsplit(client.meta.endpoint_url).netloc
        assert connection.endpoint.authority.removeprefix("pictures.") == host


def test_the_default_profile_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aws_config").write_text("[default]\n" + _GLOBAL + "[profile own]\n" + _GLOBAL)
    unnamed = PLACE.model_copy(update={"profile": None})
    assert locate(unnamed).shown_server == "http://profile.example:2 (from profile 'default')"
    monkeypatch.setenv("AWS_PROFILE", "own")
    assert locate(unnamed).shown_server == "http://profile.example:2 (from profile 'own')"


def test_the_settings_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.example")
    place = locate(PLACE.model_copy(update={"endpoint_url": "http://127.0.0.1:9"}))
    assert (place.endpoint_url, place.endpoint_origin) == ("http://127.0.0.1:9", "settings")
    assert place.shown_server == "http://127.0.0.1:9"


def test_where_a_place_is_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    place = locate(PLACE)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert locate(place) is place
    with open_connection(place) as connection:
        assert connection.endpoint.authority == "pictures.s3.eu-west-3.amazonaws.com"
        assert connection.client.meta.endpoint_url == "https://s3.eu-west-3.amazonaws.com"


@pytest.mark.parametrize("url", ["http://key:secret@host", "http://host/path", "host:9000", "ftp://host"])
def test_what_no_request_can_go_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(ConfigurationError, match=r"^s3://pictures/: AWS_ENDPOINT_URL: .* is not an endpoint such as"):
        locate(PLACE)


def test_a_services_section_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "aws_config").write_text(_PROFILE + "services = own\n")
    with pytest.raises(ConfigurationError, match=r'^s3://pictures/: the AWS settings cannot be used: .*"own"'):
        locate(PLACE)


@pytest.mark.parametrize(
    ("values", "environment", "address"),
    [
        ({"addressing_style": "path"}, None, ("s3.eu-west-3.amazonaws.com", "/pictures")),
        ({"addressing_style": "virtual"}, None, ("pictures.s3.eu-west-3.amazonaws.com", "")),
        ({}, "https://s3.example.org", ("s3.example.org", "/pictures")),
        ({"addressing_style": "virtual"}, "https://s3.example.org:9000", ("pictures.s3.example.org:9000", "")),
        ({}, "https://s3.eu-west-3.amazonaws.com", ("pictures.s3.eu-west-3.amazonaws.com", "")),
    ],
)
def test_all_requests_have_one_style(
    values: dict[str, str], environment: str | None, address: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if environment is not None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", environment)
    place = BucketSettings.model_validate(PLACE.model_dump() | values)
    with open_connection(place) as connection:
        endpoint = connection.endpoint
        assert (endpoint.authority, endpoint.path) == address
        url = connection.client.generate_presigned_url("get_object", Params={"Bucket": place.bucket, "Key": "k"})
        assert urlsplit(url).netloc + urlsplit(url).path == f"{endpoint.authority}{endpoint.path}/k"


def test_a_style_that_the_server_of_the_environment_does_not_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    place = BucketSettings.model_validate(PLACE.model_dump() | {"addressing_style": "virtual"})
    with pytest.raises(ConfigurationError, match=r"^s3://pictures/: .*requires a host name"):
        open_connection(place)


@pytest.mark.parametrize("variable", ["AWS_USE_DUALSTACK_ENDPOINT", "AWS_USE_FIPS_ENDPOINT"])
def test_what_only_aws_has_is_not_asked_of_a_named_server(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "true")
    place = PLACE.model_copy(update={"endpoint_url": "http://127.0.0.1:9"})
    with open_connection(place) as connection:
        url = connection.client.generate_presigned_url("get_object", Params={"Bucket": place.bucket, "Key": "k"})
        assert urlsplit(url).netloc == "127.0.0.1:9"


def test_a_place_is_kept_and_read_again() -> None:
    place = locate(PLACE)
    assert Place.model_validate_json(place.model_dump_json()) == place
