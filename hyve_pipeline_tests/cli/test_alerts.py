"""Commands send alerts by themselves, so that cron needs no Dagster."""

import pytest

from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import is_copy_of
from hyve_pipeline_tests.receivers import Webhook
from hyve_pipeline_tests.s3.scripted import Answer
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair


@pytest.mark.both_states
def test_failures_and_refusals(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve, webhook: Webhook) -> None:
    pair = make_pair(through=faulty, shard_objects=2, max_deletes=0)
    pair.source.put({f"{number}": b"new" for number in range(6)})
    pair.automate("never", webhook=webhook.url)
    faulty.fault = lambda received: (
        Answer(b"<Error><Code>AccessDenied</Code></Error>", 403) if is_copy_of(received, "/0", "/2") else None
    )
    assert hyve("sync").code == 1
    (alert,) = webhook.alerts
    assert (alert["event"], alert["job"], alert["total_runs"]) == ("failed", "images_copy", 2)
    assert {run["command"] for run in alert["runs"]} == {"hyve sync"}
    faulty.fault = lambda _: None
    assert hyve("retry").code == 0
    assert len(webhook.alerts) == 1
    pair.store.put({"gone": b"1"})
    assert hyve("sync").code == 3
    refused = webhook.alerts[1]
    assert (refused["event"], refused["job"]) == ("refused", "images_dryrun")
    assert refused["message"].startswith("refused by max_deletes (too many deletes): ")
    assert len(webhook.alerts) == 2


def test_a_bucket_that_can_not_be_reached(pair: Pair, hyve: Hyve, webhook: Webhook) -> None:
    pair.automate("never", webhook=webhook.url)
    pair.source.client.delete_bucket(Bucket=pair.source.name)
    finished = hyve("sync")
    assert finished.code == 4
    (alert,) = webhook.alerts
    assert (alert["event"], alert["plan"], alert["runs"][0]["command"]) == ("failed", None, "hyve sync")
    assert pair.source.name in alert["message"]
    assert hyve("plans").code == 0
    assert len(webhook.alerts) == 1


def test_what_succeeds_sends_nothing(pair: Pair, hyve: Hyve, webhook: Webhook) -> None:
    pair.source.put({"a": b"1"})
    pair.automate("never", webhook=webhook.url)
    assert hyve("sync").code == 0
    assert webhook.alerts == []


def test_a_plan_that_is_verified_before_its_end_is_no_difference(pair: Pair, hyve: Hyve, webhook: Webhook) -> None:
    pair.source.put({"a": b"1"})
    pair.store.put({"gone": b"1"})
    pair.automate("never", webhook=webhook.url)
    assert hyve("dryrun").code == 0
    assert hyve("verify").code == 1
    assert hyve("copy").code == 0
    assert hyve("verify").code == 1
    assert webhook.alerts == []
    pair.store.delete("a")
    assert hyve("verify").code == 1
    assert [alert["event"] for alert in webhook.alerts] == ["differs"]


@pytest.mark.parametrize("settings", [{"webhook_variable": "NOT_SET"}, {"mail_command": "/missing/sendmail -t"}])
def test_a_channel_that_does_not_work_is_a_warning(pair: Pair, hyve: Hyve, settings: dict[str, str]) -> None:
    pair.automate("never", **settings)
    pair.source.put({"a": b"1"})
    assert hyve("copy").code == 0
    pair.store.put({"stranger": b"1"})
    finished = hyve("verify", "--json")
    assert (finished.code, finished.document["verified"]) == (1, False)
    assert "warning: no alert was sent: " in finished.err
