"""Credentials: found, renewed, and missed in one line."""

import sys
import time
from pathlib import Path

import pytest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError
from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.aws_session import AwsSession
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline.s3.listing.probe import probe_bucket
from hyve_pipeline.s3.wire.errors import CREDENTIALS_ERROR, S3RequestError
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline_tests.conftest import PROFILE
from hyve_pipeline_tests.s3.scripted import listing_of, scripted_server

LIST = Request("ListObjectsV2", "GET", query=(("list-type", "2"),))
LOCAL = BucketSettings(bucket="pictures", endpoint_url="http://127.0.0.1:9", profile=PROFILE)


pytestmark = pytest.mark.usefixtures("aws_profile")


def test_unknown_profile() -> None:
    with pytest.raises(ConfigurationError, match=r"s3://pictures/: .*unknown.*run `hyve configure`"):
        open_connection(LOCAL.model_copy(update={"profile": "unknown"}))


def test_no_credentials() -> None:
    with pytest.raises(ConfigurationError, match="s3://pictures/: there are no AWS credentials"):
        open_connection(LOCAL.model_copy(update={"profile": None}))


def test_half_of_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    with pytest.raises(ConfigurationError, match="the AWS credentials of this user cannot be used: Partial"):
        open_connection(LOCAL.model_copy(update={"profile": None}))


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("AWS_ACCESS_KEY_ID", "access key id"),
        ("AWS_SECRET_ACCESS_KEY", "secret access key"),
        ("AWS_SESSION_TOKEN", "session token"),
    ],
)
def test_keys_with_a_line_break_are_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, variable: str, name: str
) -> None:
    for each, value in {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", variable: "kept\n"}.items():
        monkeypatch.setenv(each, value)
    with pytest.raises(ConfigurationError, match=f"the {name} of this user has a line break") as refused:
        open_connection(LOCAL.model_copy(update={"profile": None}))
    assert "kept" not in str(refused.value)


@pytest.mark.parametrize(
    ("keys", "name"), [(("", ""), "access key id"), (("AKID", ""), "secret access key"), (("", "x"), "access key id")]
)
def test_keys_of_a_profile_that_are_empty(tmp_path: Path, keys: tuple[str, str], name: str) -> None:
    text = f"[profile pictures]\naws_access_key_id = {keys[0]}\naws_secret_access_key = {keys[1]}\n"
    (tmp_path / "aws_config").write_text(text)
    with pytest.raises(ConfigurationError, match=f"^s3://pictures/: the {name} of profile 'pictures' is empty: set it"):
        open_connection(LOCAL.model_copy(update={"profile": "pictures"}))


def test_broken_aws_configuration(tmp_path: Path) -> None:
    (tmp_path / "aws_config").write_text("this is no ini file")
    with pytest.raises(ConfigurationError, match=r"s3://pictures/: .*aws_config"):
        open_connection(LOCAL)


def test_environment_and_session_token(monkeypatch: pytest.MonkeyPatch, transport: TransportName) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDFROMENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the+token/=")
    with scripted_server([listing_of()]) as server:
        with open_connection(server.place(), transport=transport) as connection:
            connection.send(LIST).result()
        headers = server.received[0].headers
    assert "Credential=AKIDFROMENV/" in headers["authorization"]
    assert headers["x-amz-security-token"] == "the+token/="
    assert headers["user-agent"].startswith("hyve-pipeline")


def _short_lived_profile(folder: Path, failing_from: int = 99) -> str:
    """A profile whose every call gives other credentials, good for a second, until it fails."""
    script = folder / "credentials.py"
    script.write_text(
        "import json, pathlib, datetime, sys\n"
        f"file = pathlib.Path({str(folder / 'count')!r})\n"
        "count = int(file.read_text()) + 1 if file.exists() else 1\n"
        "file.write_text(str(count))\n"
        f"if count >= {failing_from}: sys.exit('the vault\\nis sealed')\n"
        "until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'AKID{count}', 'SecretAccessKey': 's',"
        " 'SessionToken': 't', 'Expiration': until.isoformat()}))\n"
    )
    (folder / "aws_config").write_text(f"[profile short]\ncredential_process = {sys.executable} {script}\n")
    return "short"


def test_credentials_are_renewed(tmp_path: Path, transport: TransportName) -> None:
    profile = _short_lived_profile(tmp_path)
    with scripted_server([listing_of()]) as server:
        place = server.place().model_copy(update={"profile": profile})
        with open_connection(place, transport=transport) as connection:
            connection.send(LIST).result()
            connection.send(LIST).result()
        used = [received.headers["authorization"].split("Credential=")[1].split("/")[0] for received in server.received]
    assert used[0] != used[1]


def test_credentials_that_cannot_be_renewed(
    tmp_path: Path, transport: TransportName, capfd: pytest.CaptureFixture[str]
) -> None:
    profile = _short_lived_profile(tmp_path, failing_from=3)
    with scripted_server([listing_of()]) as server:
        place = server.place().model_copy(update={"profile": profile})
        with open_connection(place, transport=transport) as connection:
            time.sleep(1.1)
            with pytest.raises(S3RequestError, match="the vault is sealed") as caught:
                connection.send(LIST).result()
            with pytest.raises(BucketError, match=r"no usable credentials from profile 'short': .*the vault is sealed"):
                probe_bucket(connection)
        assert server.received == []
    assert (caught.value.code, caught.value.is_transient) == (CREDENTIALS_ERROR, False)
    assert capfd.readouterr().err == ""


def test_credentials_that_are_not_given_at_all(tmp_path: Path) -> None:
    profile = _short_lived_profile(tmp_path, failing_from=1)
    with pytest.raises(ConfigurationError, match=r"AWS credentials of profile 'short' cannot be used: .*is sealed"):
        open_connection(LOCAL.model_copy(update={"profile": profile}))


class _Role:
    """Credentials of a role that STS gives once, and then no more."""

    def __init__(self) -> None:
        self.calls = 0

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        self.calls += 1
        if self.calls > 1:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no such role"}}, "AssumeRole")
        return ReadOnlyCredentials("AKID", "secret", "token", None)


def test_a_role_that_is_no_longer_given(transport: TransportName, monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore's errors of its own and those that a server tells have nothing in common."""
    monkeypatch.setattr(AwsSession, "get_credentials", lambda _: _Role())
    with (
        scripted_server([listing_of()]) as server,
        open_connection(server.place(), transport=transport) as connection,
        pytest.raises(S3RequestError, match="no such role") as caught,
    ):
        connection.send(LIST).result(timeout=30)
    assert caught.value.code == CREDENTIALS_ERROR


def test_a_role_that_may_not_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    role = _Role()
    role.calls = 1
    monkeypatch.setattr(AwsSession, "get_credentials", lambda _: role)
    with pytest.raises(
        ConfigurationError, match=r"s3://pictures/: the AWS credentials .* cannot be used: .*AssumeRole"
    ):
        open_connection(LOCAL)
