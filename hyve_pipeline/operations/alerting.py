"""Sends alerts: always to the log, and to a webhook if one is configured."""

import json
import logging
import os
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.parse import urlsplit

from hyve_pipeline import __version__
from hyve_pipeline.core.base.errors import ConfigurationError, HyveError
from hyve_pipeline.core.base.keys import printable
from hyve_pipeline.core.model.alerts import Alert
from hyve_pipeline.core.settings.fields import is_webhook_url
from hyve_pipeline.core.settings.model import Automation

# A webhook only has to accept the alert.
_SECONDS = 10.0

_logger = logging.getLogger("hyve_pipeline.alerts")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Treats a redirect as a failure: the redirected request would have no body, and the alert would be lost."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class AlertNotTakenError(HyveError):
    """The webhook did not accept an alert; it must be posted again."""


def raise_alert(alert: Alert, rules: Automation) -> None:
    """Write an alert to the log and post it to the webhook, if there is one.

    Each call writes a log line; so when the webhook fails, the next attempt writes the line again.

    Raises:
        ConfigurationError: the environment variable that should hold the webhook's URL does not.
        AlertNotTakenError: the webhook can't be reached, or did not answer with a 2xx status.
    """
    _logger.error("%s", printable(alert.text))
    if rules.webhook_variable is not None:
        url = os.environ.get(rules.webhook_variable, "")
        if not is_webhook_url(url):
            raise ConfigurationError(
                f"the environment variable {rules.webhook_variable} does not hold a URL that alerts can be posted to; "
                "set it where Dagster's sensors run"
            )
        # The URL is a secret; its variable is not.
        _post(url, alert, f"the webhook of {rules.webhook_variable}")
    elif rules.webhook is not None:
        _post(rules.webhook, alert, f"the webhook at {urlsplit(rules.webhook).netloc}")


def _post(url: str, alert: Alert, name: str) -> None:
    # Keys in messages may contain any character; JSON escapes them.
    body = json.dumps(alert.model_dump(mode="json")).encode()
    headers = {"Content-Type": "application/json", "User-Agent": f"hyve/{__version__}"}
    try:
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - the settings allow http and https only
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=_SECONDS):
            return
    except urllib.error.HTTPError as error:
        error.close()
        raise AlertNotTakenError(f"{name} answered {error.code} to an alert; it will be posted again") from None
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else type(error).__name__
        raise AlertNotTakenError(f"{name} can't be reached ({reason}); the alert will be posted again") from None
