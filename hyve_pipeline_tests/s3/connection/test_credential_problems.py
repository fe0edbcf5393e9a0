"""Whatever is wrong with a profile is one line that names it and its cause."""

import subprocess
import sys
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline_tests.heeding import heed_permissions

PLACE = BucketSettings(bucket="pictures", endpoint_url="http://127.0.0.1:9")

ROLE = "role_arn = arn:aws:iam::123456789012:role/x\n"

PROFILES = {
    "fails": ("credential_process = {folder}/fails\n", "vault is sealed"),
    "talks": ("credential_process = {folder}/talks\n", "yyy"),
    "no-json": ("credential_process = {folder}/no-json\n", "no JSON"),
    "no-text": ("credential_process = {folder}/no-text\n", "not UTF-8"),
    "list": ("credential_process = {folder}/list\n", "JSON of another form"),
    "half": ("credential_process = {folder}/half\n", "SecretAccessKey"),
    "absent": ("credential_process = {folder}/absent\n", "absent: No such file"),
    "not-executable": ("credential_process = {folder}/config\n", "config: Permission denied"),
    "sso": ("sso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Reader\n", "SSO"),
    "no-sso": ("sso_session = none\nsso_account_id = 123456789012\nsso_role_name = Reader\n", "none"),
    "web": (ROLE + "web_identity_token_file = {folder}/gone\n", "gone: No such file"),
    "no-source": (ROLE + "source_profile = nowhere\n", "nowhere"),
    "loop": (ROLE + "source_profile = loop2\n", "nfinite loop"),
    "loop2": (ROLE + "source_profile = loop\n", "nfinite loop"),
    "both": (ROLE + "source_profile = fails\ncredential_source = Environment\n", "both"),
    "no-variables": (ROLE + "credential_source = Environment\n", "Environment"),
    "silent": ("credential_process = {folder}/silent\n", "silent failed without a message, exit code 4"),
    "killed": ("credential_process = {folder}/killed\n", "killed failed without a message, killed by signal 9"),
    "chain": (ROLE + "source_profile = fails\n", "vault is sealed"),
}

SCRIPTS = {
    "fails": "echo 'vault is sealed\n\n  second line' >&2; exit 3",
    "talks": f'{sys.executable} -c \'print("y" * 3_000_000, file=__import__("sys").stderr)\'; exit 1',
    "silent": "echo >&2; exit 4",
    "killed": "kill -9 $$",
    "no-json": "echo 'please log in'",
    "no-text": "printf '\\377\\376'",
    "list": "echo '[]'",
    "half": 'echo \'{"Version": 1, "AccessKeyId": "AKID"}\'',
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the AWS files are."""
    for name, script in SCRIPTS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    profiles = "".join(f"[profile {name}]\n{text}" for name, (text, _) in PROFILES.items())
    session = "[sso-session corp]\nsso_start_url = https://127.0.0.1:9/start\nsso_region = us-east-1\n"
    (tmp_path / "config").write_text(profiles.format(folder=tmp_path) + session)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def problem_of(profile: str | None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        open_connection(PLACE.model_copy(update={"profile": profile}))
    message = str(caught.value)
    assert message.startswith("s3://pictures/: ")
    assert "\n" not in message
    assert len(message) < 1_000
    return message


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_that_gives_no_credentials(profile: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert folder.is_dir()
    message = problem_of(profile)
    assert PROFILES[profile][1] in message
    assert repr(profile) in message
    assert capfd.readouterr() == ("", "")


def test_a_profile_of_the_environment_that_there_is_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder.is_dir()
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    assert "nowhere" in problem_of(None)


@pytest.mark.parametrize("content", [b"[default\n", b"\xff\xfe\x00", b"no section = here\n"])
@pytest.mark.parametrize("name", ["config", "credentials"])
def test_a_file_that_is_none_of_aws(name: str, content: bytes, folder: Path) -> None:
    (folder / name).write_bytes(content)
    assert str(folder / name) in problem_of(None)


def test_a_file_that_is_a_folder(folder: Path) -> None:
    (folder / "config").unlink()
    (folder / "config").mkdir()
    assert "there are no AWS credentials for this user" in problem_of(None)


def in_a_process_of_its_own(profile: str | None) -> str:
    """The problem as a process has it that heeds permissions, and has no terminal."""
    code = f"from hyve_pipeline_tests.s3.connection.test_credential_problems import *; print(problem_of({profile!r}))"
    child = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=heed_permissions,
        start_new_session=True,
        check=True,
    )
    assert child.stderr == ""
    return child.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capabilities are Linux's")
def test_a_file_that_can_not_be_read(folder: Path) -> None:
    (folder / "credentials").write_text("[default]\naws_access_key_id = AKID\naws_secret_access_key = secret\n")
    (folder / "credentials").chmod(0)
    assert f"{folder / 'credentials'}: can't be read: Permission denied" in in_a_process_of_its_own(None)


@pytest.mark.parametrize("profile", ["mfa", "through"])
def test_a_code_that_nobody_can_be_asked_for(profile: str, folder: Path) -> None:
    with (folder / "config").open("a") as file:
        file.write(f"[profile mfa]\n{ROLE}source_profile = keys\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n")
        file.write(f"[profile through]\n{ROLE}source_profile = mfa\n[profile keys]\naws_access_key_id = AKID\n")
        file.write("aws_secret_access_key = secret\n")
    message = in_a_process_of_its_own(profile)
    assert "the role of profile 'mfa' asks for an MFA code, and there is no terminal" in message
