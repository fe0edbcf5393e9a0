"""The ways on which an alert is sent: a webhook, an incoming webhook of Slack, and a command that sends mail.

Each has a bound on its time. A URL that is a secret is in an environment variable or a file; no message repeats it.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

from hyve_pipeline import __version__
from hyve_pipeline.core.base.errors import ConfigurationError, HyveError
from hyve_pipeline.core.base.keys import displayed, printable
from hyve_pipeline.core.model.alerts import Alert
from hyve_pipeline.core.runtime import startup
from hyve_pipeline.core.runtime.named_files import open_named
from hyve_pipeline.core.settings.fields import is_webhook_url
from hyve_pipeline.core.settings.model import Automation

# A webhook only has to accept the alert.
_SECONDS = 10.0

# A mail server may be slower.
_MAIL_SECONDS = 30.0

# Slack takes 40,000 characters, and recommends at most 4,000.
_SLACK_CHARACTERS = 3_000

_MOST_URL_BYTES = 4_096


class AlertNotTakenError(HyveError):
    """An alert was certainly not accepted; it must be sent again."""


class AlertUnknownError(HyveError):
    """An alert may have been accepted, and is not sent again."""


class Channel(Protocol):
    """One way on which alerts are sent.

    Attributes:
        kind: its name in the state.
    """

    kind: str

    def send(self, alert: Alert) -> None:
        """Send an alert.

        Raises:
            ConfigurationError: where to send it to can't be read.
            AlertNotTakenError: it was not accepted.
            AlertUnknownError: it may have been accepted.
        """
        ...


def channels_of(rules: Automation) -> Iterator[Channel]:
    """The channels that are configured."""
    if rules.webhook is not None or rules.webhook_variable is not None or rules.webhook_file is not None:
        yield Webhook("webhook", UrlSource(rules.webhook, rules.webhook_variable, rules.webhook_file))
    if rules.slack_variable is not None or rules.slack_file is not None:
        yield Webhook("slack", UrlSource(None, rules.slack_variable, rules.slack_file))
    if rules.mail_command is not None:
        yield Mail(rules.mail_command, rules.mail_to)


@dataclass(frozen=True)
class UrlSource:
    """Where the URL of a webhook is: in the settings, an environment variable, or a file."""

    url: str | None
    variable: str | None
    file: str | None

    @property
    def name(self) -> str:
        """How messages name it, without the URL, which may be a secret."""
        if self.url is not None:
            return f"the webhook at {urlsplit(self.url).netloc}"
        return f"the webhook of {self.variable}" if self.variable is not None else f"the webhook in {self.file}"

    def read(self) -> str:
        """The URL.

        Raises:
            ConfigurationError: there is none.
        """
        if self.url is not None:
            return self.url
        if self.variable is not None:
            url, place = os.environ.get(self.variable, ""), f"the environment variable {self.variable}"
        else:
            url, place = _content(Path(self.file or "").expanduser()), f"the file {displayed(self.file or '')}"
        if not is_webhook_url(url):
            raise ConfigurationError(
                f"{place} does not hold a URL that alerts can be posted to; set it where Dagster's sensors and "
                "commands run"
            )
        return url


def _content(path: Path) -> str:
    try:
        with open_named(path) as file:
            return file.read(_MOST_URL_BYTES).decode().strip()
    except (OSError, ValueError):
        return ""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Treats a redirect as a failure: the redirected request would have no body, and the alert would be lost."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class Webhook:
    """Posts alerts as JSON: as they are, or in Slack's form.

    Args:
        kind: ``webhook`` or ``slack``.
        url: where its URL is.
        seconds: how long it may take.
    """

    def __init__(self, kind: str, url: UrlSource, *, seconds: float = _SECONDS) -> None:
        self.kind = kind
        self._url = url
        self._seconds = seconds

    def send(self, alert: Alert) -> None:
        """See `Channel.send`; accepted is an answer with a status of 2xx."""
        document: dict[str, Any] = _slack_form(alert) if self.kind == "slack" else alert.model_dump(mode="json")
        # Keys in messages may contain any character; JSON escapes them.
        body = json.dumps(document).encode()
        headers = {"Content-Type": "application/json", "User-Agent": f"hyve/{__version__}"}
        url, name = self._url.read(), self._url.name
        try:
            request = urllib.request.Request(url, body, headers)  # noqa: S310 - the settings allow http and https only
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=self._seconds):
                return
        except urllib.error.HTTPError as error:
            error.close()
            raise AlertNotTakenError(f"{name} answered {error.code} to an alert; it will be posted again") from None
        except urllib.error.URLError as error:
            raise AlertNotTakenError(
                f"{name} can't be reached ({error.reason}); the alert will be posted again"
            ) from None
        except (OSError, HTTPException) as error:
            # It was sent: to post it again could show it twice.
            raise AlertUnknownError(
                f"{name} did not answer to an alert ({type(error).__name__}); it is not posted again"
            ) from None


def _slack_form(alert: Alert) -> dict[str, Any]:
    """What an incoming webhook of Slack takes: https://api.slack.com/messaging/webhooks."""
    lines = [f"*Hyve {alert.sync}: {alert.event}*", _escaped(printable(alert.message))]
    if alert.plan is not None:
        lines.append(f"plan `{alert.plan}`")
    text = "\n".join(lines)
    return {"text": text if len(text) <= _SLACK_CHARACTERS else f"{text[: _SLACK_CHARACTERS - 1]}…"}


def _escaped(text: str) -> str:
    """Text that Slack shows as it is: a key must neither be a link nor call everybody in the channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Mail:
    """Sends alerts by a command that reads a message from standard input, as ``sendmail -t`` does.

    Args:
        command: the command, whose words are separated as a shell does it; no shell runs it.
        recipients: the addresses for the header ``To``.
        seconds: how long it may take.
    """

    kind = "mail"

    def __init__(self, command: str, recipients: tuple[str, ...], *, seconds: float = _MAIL_SECONDS) -> None:
        self._command = shlex.split(command)
        self._recipients = recipients
        self._seconds = seconds

    def send(self, alert: Alert) -> None:
        """See `Channel.send`; accepted is exit code 0."""
        name = f"the mail command {displayed(self._command[0])}"
        # A file, not a pipe: whatever the command leaves behind may keep a pipe open.
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    env=startup.environment_for_other_code(),
                    start_new_session=True,
                )
            except OSError as error:
                raise ConfigurationError(f"{name} can't be run: {error.strerror}; set mail_command") from None
            try:
                process.communicate(_mail(alert, self._recipients).as_bytes(), timeout=self._seconds)
            except subprocess.TimeoutExpired:
                raise AlertUnknownError(
                    f"{name} did not end within {self._seconds:.0f} s and was stopped; the alert is not sent again"
                ) from None
            finally:
                _stop(process)
            if process.returncode:
                errors.seek(0)
                said = displayed(errors.read(200).decode(errors="replace").strip())
                code = f"{process.returncode} ({said})" if said else str(process.returncode)
                raise AlertNotTakenError(f"{name} ended with exit code {code}; the alert will be sent again")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _mail(alert: Alert, recipients: tuple[str, ...]) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = f"Hyve {alert.sync}: {alert.event}"
    if recipients:
        message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(alert.time)
    # No holiday notes in answer.
    message["Auto-Submitted"] = "auto-generated"
    lines = [printable(alert.message), ""]
    lines += [f"{name}: {value}" for name, value in (("plan", alert.plan), ("job", alert.job)) if value is not None]
    lines += [f"time: {alert.time:%Y-%m-%d %H:%M:%S} UTC", f"sent by: {socket.gethostname()}"]
    if alert.total_runs > 1:
        lines += ["", f"{alert.total_runs} runs:"]
        lines += [
            printable(f"- {run.command or run.run}{f', {run.partition}' if run.partition else ''}: {run.message}")
            for run in alert.runs
        ]
    message.set_content("\n".join(lines) + "\n")
    return message
