"""Each finding is sent once on each channel, whichever process finds it."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.model.alerts import AlertRun, Finding
from hyve_pipeline.core.settings.model import Automation
from hyve_pipeline.operations.alert_channels import AlertNotTakenError
from hyve_pipeline.operations.alerting import send_alerts
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline_tests.operations.listings import context_at
from hyve_pipeline_tests.receivers import Webhook

_NOW = datetime.now(UTC)


def _finding(run: str, plan: str = "p") -> Finding:
    return Finding("failed", plan, "images_copy", AlertRun(run=run, message=f"{run} failed"), _NOW)


@pytest.fixture
def hooks() -> Iterator[tuple[Webhook, Webhook]]:
    hooks = Webhook(), Webhook()
    yield hooks
    for hook in hooks:
        hook.stop()


@pytest.fixture
def sync(tmp_path: Path, hooks: tuple[Webhook, Webhook], monkeypatch: pytest.MonkeyPatch) -> SyncContext:
    """A sync with a webhook and a webhook of Slack."""
    monkeypatch.setenv("SLACK_URL", hooks[1].url)
    context = context_at(tmp_path)
    automation = Automation(webhook=hooks[0].url, slack_variable="SLACK_URL")
    return replace(context, settings=context.settings.model_copy(update={"automation": automation}))


def test_findings_of_one_kind_are_one_alert_and_sent_once(sync: SyncContext, hooks: tuple[Webhook, Webhook]) -> None:
    send_alerts(sync, [_finding("a"), _finding("b"), _finding("c", plan="q")])
    # Another process finds two of them, and one more.
    send_alerts(sync, [_finding("a"), _finding("c", plan="q"), _finding("d")])
    send_alerts(sync, [])
    webhook, slack = hooks
    assert [[run["run"] for run in alert["runs"]] for alert in webhook.alerts] == [["a", "b"], ["c"], ["d"]]
    assert len(slack.alerts) == 3


def test_a_channel_that_fails_gets_it_again_and_the_other_does_not(
    sync: SyncContext, hooks: tuple[Webhook, Webhook]
) -> None:
    webhook, slack = hooks
    webhook.status = 500
    with pytest.raises(AlertNotTakenError, match="answered 500"):
        send_alerts(sync, [_finding("a")])
    webhook.status = 200
    send_alerts(sync, [_finding("a")])
    send_alerts(sync, [_finding("a")])
    assert (len(webhook.received), len(slack.received)) == (2, 1)


def test_a_variable_that_is_missing_loses_nothing(
    sync: SyncContext, hooks: tuple[Webhook, Webhook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLACK_URL")
    with pytest.raises(HyveError, match="SLACK_URL does not hold a URL"):
        send_alerts(sync, [_finding("a")])
    monkeypatch.setenv("SLACK_URL", hooks[1].url)
    send_alerts(sync, [_finding("a")])
    assert [len(hook.received) for hook in hooks] == [1, 1]


def test_old_claims_are_removed(sync: SyncContext, tmp_path: Path) -> None:
    send_alerts(sync, [_finding("a")])
    (claim,) = (tmp_path / "state" / "images" / "alerts" / "slack").iterdir()
    old = time.time() - 40 * 24 * 3600
    os.utime(claim, (old, old))
    send_alerts(sync, [_finding("b")])
    assert not claim.exists()


def test_a_run_can_stall_again() -> None:
    first = _finding("a")._replace(event="stalled")
    assert first.identity != first._replace(at=datetime.now(UTC)).identity
    assert _finding("a").identity == _finding("a")._replace(at=datetime.now(UTC)).identity
