"""Roles that are assumed, and requests that are not signed, over both transports."""

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.access_keys import AccessKeys
from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline.s3.listing.probe import probe_bucket
from hyve_pipeline.s3.wire.errors import CREDENTIALS_ERROR, S3RequestError
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline_tests.conftest import PROFILE
from hyve_pipeline_tests.s3.scripted import Answer, ScriptedServer, listing, scripted_server
from hyve_pipeline_tests.servers import ACCESS_KEY_ID
from hyve_pipeline_tests.sts import ROLE, Sts

LIST = Request("ListObjectsV2", "GET", query=(("list-type", "2"),))

transports = pytest.mark.parametrize("transport", ["crt", "botocore"])

pytestmark = pytest.mark.usefixtures("aws_profile")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server(lambda _: Answer(listing())) as running:
        yield running


def _place(server: ScriptedServer, **more: Any) -> BucketSettings:
    return BucketSettings(bucket="pictures", endpoint_url=server.endpoint_url, region="us-east-1", **more)


def _signers(server: ScriptedServer) -> list[tuple[str, str | None]]:
    """The access key id that each request was signed with, and its session token."""
    return [
        (
            received.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0],
            received.headers.get("x-amz-security-token"),
        )
        for received in server.received
    ]


@transports
def test_requests_are_signed_by_the_role(sts: Sts, server: ScriptedServer, transport: TransportName) -> None:
    place = _place(server, profile=PROFILE, role_arn=ROLE, external_id="hyve-4711")
    with open_connection(place, transport=transport) as connection:
        for _ in range(3):
            connection.send(LIST).result()
        connection.client.list_objects_v2(Bucket="pictures")
    assert _signers(server) == [("ASIAROLE1", "token1")] * 4
    assert sts.callers == [ACCESS_KEY_ID]
    assert {name: sts.asked[0][name] for name in ("Action", "RoleArn", "ExternalId", "RoleSessionName")} == {
        "Action": "AssumeRole",
        "RoleArn": ROLE,
        "ExternalId": "hyve-4711",
        "RoleSessionName": "hyve",
    }


@transports
def test_a_role_is_assumed_again_before_its_keys_expire(
    sts: Sts, server: ScriptedServer, transport: TransportName
) -> None:
    sts.minutes = 5  # botocore renews keys within ten minutes of their end
    with open_connection(_place(server, profile=PROFILE, role_arn=ROLE), transport=transport) as connection:
        connection.send(LIST).result()
        before = len(sts.asked)
        sts.minutes = 60
        connection.send(LIST).result()
        sts.minutes = 5
        connection.send(LIST).result()
    signers = [access_key_id for access_key_id, _ in _signers(server)]
    assert before >= 1
    assert signers[1] == signers[2] == f"ASIAROLE{len(sts.asked)}"
    assert signers[0] != signers[1]


@transports
def test_a_role_that_is_refused_later_fails_the_request(
    sts: Sts, server: ScriptedServer, transport: TransportName
) -> None:
    sts.minutes = 5
    with open_connection(_place(server, profile=PROFILE, role_arn=ROLE), transport=transport) as connection:
        sts.refusal = "User is not authorized"
        with pytest.raises(S3RequestError) as failed:
            connection.send(LIST).result()
    assert failed.value.code == CREDENTIALS_ERROR
    assert server.received == []


def test_a_role_that_may_not_be_assumed_is_one_line_that_says_what_to_allow(sts: Sts, server: ScriptedServer) -> None:
    sts.refusal = "User: arn:aws:iam::1:user/me is not authorized to perform: sts:AssumeRole"
    with pytest.raises(ConfigurationError) as refused:
        open_connection(_place(server, profile=PROFILE, role_arn=ROLE))
    text = str(refused.value)
    assert text.startswith(f"s3://pictures/: role '{ROLE}' cannot be assumed with profile '{PROFILE}': allow these")
    assert "AccessDenied" in text
    assert "\n" not in text


def test_keys_that_have_expired_already_are_one_line(sts: Sts, server: ScriptedServer) -> None:
    sts.minutes = -1
    with pytest.raises(ConfigurationError, match=r"cannot be used: .*still expired"):
        open_connection(_place(server, profile=PROFILE, role_arn=ROLE))


@pytest.mark.parametrize("origin", ["environment", "resource"])
def test_other_keys_than_a_profiles_assume_a_role_too(
    sts: Sts, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    keys = None
    if origin == "environment":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    else:
        keys = AccessKeys("AKIDOTHER", "secret")
    with open_connection(_place(server, role_arn=ROLE), keys=keys) as connection:
        connection.send(LIST).result()
    assert sts.callers == ["AKIDOTHER"]
    assert _signers(server) == [("ASIAROLE1", "token1")]


@transports
def test_anonymous_requests_are_not_signed(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, transport: TransportName
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with open_connection(_place(server, anonymous=True), transport=transport) as connection:
        probe_bucket(connection)
        connection.send(LIST._replace(headers=(("accept-encoding", "identity"),))).result()
        connection.client.list_objects_v2(Bucket="pictures")
    assert len(server.received) == 3
    for received in server.received:
        assert "authorization" not in received.headers
        assert "x-amz-security-token" not in received.headers


def test_anonymous_requests_need_no_credentials_at_all(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with open_connection(_place(server, anonymous=True)) as connection:
        probe_bucket(connection)
    with pytest.raises(ConfigurationError, match="there are no AWS credentials"):
        open_connection(_place(server))


def test_settings_keep_the_role_on_their_way_to_another_process(sts: Sts, server: ScriptedServer) -> None:
    with open_connection(_place(server, profile=PROFILE, role_arn=ROLE, external_id="hyve-4711")) as connection:
        place = pickle.loads(pickle.dumps(connection.place))
    assert (place.role_arn, place.external_id, place.profile) == (ROLE, "hyve-4711", PROFILE)


def test_the_sts_of_moto_lets_a_role_be_assumed(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://{host}:{port}")
        with open_connection(_place(server, profile=PROFILE, role_arn=ROLE, external_id="hyve-4711")) as connection:
            probe_bucket(connection)
    finally:
        moto.stop()
    ((access_key_id, token),) = _signers(server)
    assert access_key_id.startswith("ASIA")
    assert token
