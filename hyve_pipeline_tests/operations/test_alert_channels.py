"""The channels of alerts: what arrives there, and what becomes of failures."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.model.alerts import Alert, AlertRun, make_alert
from hyve_pipeline.core.settings.model import Automation
from hyve_pipeline.operations.alert_channels import (
    AlertNotTakenError,
    AlertUnknownError,
    Channel,
    Mail,
    UrlSource,
    Webhook,
    channels_of,
)
from hyve_pipeline_tests.receivers import Webhook as Receiver

_NOW = datetime(2026, 11, 22, 21, 40, tzinfo=UTC)
_KEY = "<!channel> & <https://evil.example.org|click>\u202e"


def _alert(message: str = f"1 of 2 objects failed: {_KEY}", runs: int = 1) -> Alert:
    found = [AlertRun(run="a run", command="hyve copy", partition="p-0001", message=message) for _ in range(runs)]
    return make_alert("failed", "images", "p", "images_copy", found, _NOW)


def _channels(**settings: object) -> dict[str, Channel]:
    return {channel.kind: channel for channel in channels_of(Automation.model_validate(settings))}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def test_nothing_is_configured_by_default() -> None:
    assert _channels() == {}


def test_a_webhook_gets_the_alert_as_it_is(receiver: Receiver) -> None:
    _channels(webhook=receiver.url)["webhook"].send(_alert())
    assert receiver.alerts == [_alert().model_dump(mode="json")]


def test_slack_gets_its_form_with_nothing_that_it_would_interpret(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_URL", receiver.url)
    channel = _channels(slack_variable="SLACK_URL")["slack"]
    channel.send(_alert())
    (document,) = receiver.alerts
    assert document.keys() == {"text"}
    assert document["text"].startswith("*Hyve images: failed*\n1 of 2 objects failed: &lt;!channel&gt; &amp; &lt;https")
    assert document["text"].endswith("\nplan `p`")
    assert "\u202e" not in document["text"]
    channel.send(_alert("x" * 100_000))
    assert len(receiver.alerts[1]["text"]) <= 3_000


def test_a_secret_url_can_be_in_a_file(receiver: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "url"
    channels = _channels(webhook_file=str(file), slack_file=str(file))
    for channel in channels.values():
        with pytest.raises(ConfigurationError, match=f"the file {file} does not hold a URL"):
            channel.send(_alert())
    file.write_text(f"{receiver.url}\n")
    for channel in channels.values():
        channel.send(_alert())
    assert len(receiver.received) == 2
    file.write_text("http://127.0.0.1:9/T000/hidden")
    for channel in channels.values():
        with pytest.raises(AlertNotTakenError, match="can't be reached") as caught:
            channel.send(_alert())
        assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_that_is_not_a_success_is_no_acceptance(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(AlertNotTakenError, match=f"answered {status}"):
        _channels(webhook=receiver.url)["webhook"].send(_alert())


def test_a_receiver_that_does_not_answer_may_have_the_alert() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(AlertUnknownError, match="did not answer"):
            Webhook("webhook", UrlSource(url, None, None), seconds=0.3).send(_alert())


def _script(folder: Path, body: str) -> str:
    script = folder / "send mail"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o700)
    return f"'{script}' -t"


def _mail(folder: Path) -> Message:
    return message_from_string((folder / "mail").read_text())


def test_a_command_gets_a_mail_on_its_standard_input(tmp_path: Path) -> None:
    command = _script(tmp_path, f'echo "$@" > {tmp_path}/arguments; cat > {tmp_path}/mail')
    _channels(mail_command=command, mail_to=["ops@example.org", "me@example.org"])["mail"].send(_alert(runs=2))
    assert (tmp_path / "arguments").read_text() == "-t\n"
    mail = _mail(tmp_path)
    assert (mail["Subject"], mail["To"]) == ("Hyve images: failed", "ops@example.org, me@example.org")
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert "2 runs of images_copy failed; the first: 1 of 2 objects failed: <!channel>" in text.decode()
    assert "\\u202e" in text.decode()
    assert text.decode().count("- hyve copy, p-0001: ") == 2


def test_no_message_makes_a_header(tmp_path: Path) -> None:
    command = _script(tmp_path, f"cat > {tmp_path}/mail")
    Mail(command, ()).send(_alert("a\r\nBcc: all@example.org\n\nb"))
    mail = _mail(tmp_path)
    assert mail["Bcc"] is None
    assert mail["To"] is None


def test_a_command_that_fails_has_not_accepted_the_alert(tmp_path: Path) -> None:
    with pytest.raises(AlertNotTakenError, match=r"ended with exit code 75 \(no such host\)"):
        Mail(_script(tmp_path, "echo no such host >&2; exit 75"), ()).send(_alert("x" * 1_000_000))
    with pytest.raises(ConfigurationError, match="can't be run: No such file"):
        Mail(str(tmp_path / "missing"), ()).send(_alert())


def test_a_command_that_does_not_end_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    command = _script(tmp_path, f"sleep 600 & echo $! > {tmp_path}/pid; wait")
    with pytest.raises(AlertUnknownError, match="did not end within"):
        Mail(command, (), seconds=2.0).send(_alert())
    child = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    deadline = time.monotonic() + 60
    while not _has_ended(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _has_ended(process: Path) -> bool:
    try:
        return process.read_text().split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_json_has_no_character_that_is_not_escaped(receiver: Receiver) -> None:
    _channels(webhook=receiver.url)["webhook"].send(_alert())
    assert receiver.received[0].body.isascii()
    assert json.loads(receiver.received[0].body)["message"].endswith("\u202e")
