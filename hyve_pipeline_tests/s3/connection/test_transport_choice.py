"""Which transport sends: the CRT where it can, else botocore, as behind a proxy."""

import sys
from pathlib import Path

import pytest
import trustme

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline.s3.listing.probe import probe_bucket
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline_tests.conftest import PROFILE
from hyve_pipeline_tests.s3.scripted import listing_of, scripted_server

LOCAL = BucketSettings(bucket="pictures", endpoint_url="http://127.0.0.1:9", profile=PROFILE)

pytestmark = pytest.mark.usefixtures("aws_profile")


def _chosen(place: BucketSettings, transport: TransportName = "auto") -> str:
    with open_connection(place, transport=transport) as connection:
        return connection.transport_name


def test_crt_is_preferred() -> None:
    assert _chosen(LOCAL) == "crt"
    assert _chosen(LOCAL, "botocore") == "botocore"


def test_proxy_asks_for_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = BucketSettings(bucket="pictures", region="eu-west-3", profile=PROFILE)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert _chosen(aws) == "botocore"
    assert _chosen(LOCAL) == "crt"
    monkeypatch.setenv("NO_PROXY", "amazonaws.com")
    assert _chosen(aws) == "crt"


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_an_own_authority_must_be_there(monkeypatch: pytest.MonkeyPatch, variable: str, tmp_path: Path) -> None:
    aws = BucketSettings(bucket="pictures", region="eu-west-3", profile=PROFILE)
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setenv(variable, str(bundle))
    assert _chosen(LOCAL) == "crt"
    with pytest.raises(ConfigurationError, match=f"{bundle}: no such file or folder of certificates"):
        _chosen(aws)
    bundle.write_text("no certificate")
    with pytest.raises(ConfigurationError, match=f"{bundle}: no certificates to trust"):
        _chosen(aws)
    trustme.CA().cert_pem.write_to_path(bundle)
    assert _chosen(aws) == "crt"


def test_missing_crt_asks_for_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "awscrt.s3", None)
    monkeypatch.delitem(sys.modules, "hyve_pipeline.s3.connection.crt", raising=False)
    assert _chosen(LOCAL) == "botocore"
    with pytest.raises(ConfigurationError, match="transport 'crt' needs awscrt"):
        open_connection(LOCAL, transport="crt")


def test_requests_go_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_server([listing_of()]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.endpoint_url)
        place = BucketSettings(bucket="pictures", endpoint_url="http://s3.invalid", profile=PROFILE)
        with open_connection(place) as connection:
            probe_bucket(connection)
            # urllib3 folds dots in the absolute URLs that a proxy gets: another object would be meant.
            with pytest.raises(S3RequestError, match="proxy would fold the dots"):
                connection.send(Request("HeadObject", "HEAD", "a/../b")).result()
        assert [received.path for received in proxy.received] == ["http://s3.invalid/pictures"]
