"""A credential_process that never ends holds up nothing for ever."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.session import Session
from hyve_pipeline.s3.connection.transport import RenewalError

# Shorter than what the programs here take, and longer than a busy machine takes to start one.
_SECONDS = 2.0

# `$1` is the folder of the test.
_SCRIPTS = {
    "waits": "exec sleep 600",
    # What it started keeps its standard output open.
    "passes-on": "sleep 20 & wait",
    "counts": "echo >> $1/starts; exec sleep 600",
    # Twice it gives keys that are to be renewed at once.
    "waits-later": "[ -e $1/twice ] && exec sleep 600; [ -e $1/once ] && touch $1/twice; touch $1/once; cat $1/keys",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the AWS files and the programs are."""
    lines: list[str] = []
    for name, script in _SCRIPTS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
        lines.append(f"[profile {name}]\ncredential_process = {tmp_path / name} {tmp_path} secret\n")
    lines.append("[profile role]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = waits\n")
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    keys = {"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "key", "Expiration": soon}
    (tmp_path / "keys").write_text(json.dumps(keys))
    (tmp_path / "config").write_text("".join(lines))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def _session(profile: str) -> Session:
    place = BucketSettings(bucket="pictures", endpoint_url="http://127.0.0.1:9", profile=profile)
    return Session(place, None, process_seconds=_SECONDS)


@pytest.mark.parametrize(("profile", "program"), [("waits", "waits"), ("passes-on", "passes-on"), ("role", "waits")])
def test_it_is_a_problem_of_the_profile(profile: str, program: str, folder: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(ConfigurationError) as caught:
        _session(profile)
    assert time.monotonic() - begun < 15
    message = str(caught.value)
    assert f"the AWS credentials of profile '{profile}' cannot be used" in message
    assert f"credential_process {folder / program} did not end within 2 seconds" in message
    assert "secret" not in message
    assert "\n" not in message


def test_it_is_not_waited_for_again_at_once(folder: Path) -> None:
    for _ in range(3):
        with pytest.raises(ConfigurationError, match="did not end within"):
            _session("counts")
    assert (folder / "starts").read_text() == "\n"


def test_keys_that_can_not_be_renewed(folder: Path) -> None:
    session = _session("waits-later")
    with pytest.raises(RenewalError, match=f"credential_process {folder}/waits-later did not end within"):
        session.keys()
