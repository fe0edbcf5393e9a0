"""The alerts that users get."""

import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg
import pytest

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.orchestration.definitions.sensors.alerts import build_alert_sensor
from hyve_pipeline.orchestration.definitions.sensors.stalled import stalled_runs
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import is_copy_of
from hyve_pipeline_tests.orchestration.conftest import Daemon
from hyve_pipeline_tests.receivers import Webhook
from hyve_pipeline_tests.s3.scripted import Answer
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

MakeDaemon = Callable[[Pair], Daemon]


def test_a_refusal_is_told_once(
    make_pair: MakePair, hyve: Hyve, make_daemon: MakeDaemon, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    pair = make_pair(max_deletes=0)
    pair.source.put({"a": b"1"})
    pair.store.put({"gone": b"1"})
    pair.automate("all", webhook=webhook.url)
    daemon = make_daemon(pair)
    assert daemon.tick("alert") == ([], "reports what happens from now on")
    plan = hyve("dryrun", "--json").document["plan"]
    with caplog.at_level(logging.ERROR):
        daemon.tick("alert")
    (alert,) = webhook.alerts
    assert (alert["event"], alert["sync"], alert["plan"], alert["job"]) == ("refused", "images", plan, "images_dryrun")
    assert alert["message"].startswith(
        "refused by max_deletes (too many deletes): 1 of the store's 1 objects would be deleted"
    )
    assert alert["text"] == f"Hyve images: refused: {alert['message']}"
    assert alert["text"] in [record.getMessage() for record in caplog.records if record.name == "hyve_pipeline.alerts"]
    assert webhook.received[0].headers["content-type"] == "application/json"
    assert daemon.tick("alert") == ([], "nothing to report")
    assert len(webhook.alerts) == 1


def test_what_commands_failed_at_is_told(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve, make_daemon: MakeDaemon, webhook: Webhook
) -> None:
    pair = make_pair(through=faulty, shard_objects=2)
    pair.source.put({f"{number}": b"new" for number in range(6)})
    pair.automate("never", webhook=webhook.url)
    daemon = make_daemon(pair)
    daemon.tick("alert")
    faulty.fault = lambda received: (
        Answer(b"<Error><Code>AccessDenied</Code></Error>", 403) if is_copy_of(received, "/0", "/2") else None
    )
    plan = hyve("dryrun", "--json").document["plan"]
    assert hyve("copy").code == 1
    daemon.tick("alert")
    daemon.tick("alert")
    (alert,) = webhook.alerts
    assert (alert["event"], alert["job"], alert["plan"], alert["total_runs"]) == ("failed", "images_copy", plan, 2)
    assert {run["command"] for run in alert["runs"]} == {"hyve copy"}
    assert sorted(run["partition"] for run in alert["runs"]) == [f"{plan}-0001", f"{plan}-0002"]
    assert "1 of 2 objects failed (1 AccessDenied (a permission is missing))" in alert["message"]


def test_failed_shards_of_a_plan_are_one_alert(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve, make_daemon: MakeDaemon, webhook: Webhook
) -> None:
    pair = make_pair(through=faulty, shard_objects=2)
    pair.source.put({f"{number}": b"new" for number in range(6)})
    pair.automate("all", webhook=webhook.url, shard_attempts=2, retry_seconds=0)
    daemon = make_daemon(pair)
    daemon.tick("alert")
    faulty.fault = lambda received: (
        Answer(b"<Error><Code>AccessDenied</Code></Error>", 403) if is_copy_of(received, "/0", "/2") else None
    )
    plan = hyve("dryrun", "--json").document["plan"]
    for _ in range(2):
        daemon.tick("apply")
        daemon.tick("alert")
    first, last = webhook.alerts
    assert (first["event"], first["job"], first["plan"], first["total_runs"]) == ("failed", "images_copy", plan, 1)
    assert "2 of 4 objects failed (2 AccessDenied)" in first["message"]
    assert f"retry the partitions {plan}-0001, {plan}-0002" in first["message"]
    assert sorted(run["partition"] for run in last["runs"]) == [f"{plan}-0001", f"{plan}-0002"]
    assert {(run["attempt"], run["given_up"]) for run in last["runs"]} == {(2, True)}
    assert last["message"].endswith("2 given up: manual action required")


def test_a_store_that_is_not_as_planned_is_told(
    pair: Pair, hyve: Hyve, make_daemon: MakeDaemon, webhook: Webhook
) -> None:
    pair.source.put({"a": b"1"})
    pair.automate("all", webhook=webhook.url)
    daemon = make_daemon(pair)
    daemon.tick("alert")
    assert hyve("sync").code == 0
    daemon.tick("alert")
    assert webhook.alerts == []
    pair.store.put({"stranger": b"1"})
    assert hyve("verify").code == 1
    # A later one that finds nothing takes nothing back.
    pair.store.delete("stranger")
    assert hyve("verify").code == 0
    daemon.tick("alert")
    assert [(alert["event"], alert["job"]) for alert in webhook.alerts] == [("differs", "images_verify")]


def test_a_plan_that_is_verified_before_its_end_is_no_difference(
    pair: Pair, hyve: Hyve, make_daemon: MakeDaemon, webhook: Webhook
) -> None:
    pair.source.put({f"{number}": b"new" for number in range(7)})
    pair.store.put({"gone": b"1"})
    pair.automate("never", webhook=webhook.url)
    daemon = make_daemon(pair)
    daemon.tick("alert")
    assert daemon.run("images_dryrun").success
    assert hyve("verify").code == 1
    assert daemon.run("images_copy").success
    assert daemon.run("images_verify").success
    assert hyve("verify").code == 1
    # By the time of the tick the plan is finished, which it was not when it was verified.
    assert daemon.run("images_delete").success
    assert daemon.tick("alert") == ([], "nothing to report")
    assert webhook.alerts == []
    # What the plan does not explain is reported at any time.
    pair.store.put({"stranger": b"1"})
    assert daemon.run("images_verify").success
    daemon.tick("alert")
    assert [(alert["event"], alert["job"]) for alert in webhook.alerts] == [("differs", "images_verify")]


@pytest.mark.parametrize("status", [500, 302])
def test_an_alert_that_is_not_taken_comes_again(
    pair: Pair, hyve: Hyve, make_daemon: MakeDaemon, webhook: Webhook, status: int
) -> None:
    pair.automate("all", webhook=webhook.url)
    daemon = make_daemon(pair)
    daemon.tick("alert")
    pair.source.client.delete_bucket(Bucket=pair.source.name)
    assert not daemon.run("images_dryrun").success
    webhook.status = status
    with pytest.raises(HyveError, match=f"webhook at 127.0.0.1:[0-9]+ answered {status}"):
        daemon.tick("alert")
    webhook.status = 200
    daemon.tick("alert")
    assert [alert["event"] for alert in webhook.alerts] == ["failed", "failed"]
    assert webhook.alerts[0] == webhook.alerts[1]
    assert pair.source.name in webhook.alerts[0]["message"]


def test_the_url_can_be_a_secret(
    pair: Pair, hyve: Hyve, make_daemon: MakeDaemon, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.automate("all", webhook_variable="ALERTS_GO_TO")
    daemon = make_daemon(pair)
    daemon.tick("alert")
    pair.source.client.delete_bucket(Bucket=pair.source.name)
    assert not daemon.run("images_dryrun").success
    with pytest.raises(HyveError, match="ALERTS_GO_TO does not hold a URL"):
        daemon.tick("alert")
    monkeypatch.setenv("ALERTS_GO_TO", "http://127.0.0.1:9/secret")
    with pytest.raises(HyveError, match="ALERTS_GO_TO can't be reached") as caught:
        daemon.tick("alert")
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("ALERTS_GO_TO", webhook.url)
    daemon.tick("alert")
    assert len(webhook.alerts) == 1


def test_more_failures_than_one_look_takes_in(pair: Pair, make_daemon: MakeDaemon, webhook: Webhook) -> None:
    pair.automate("all", webhook=webhook.url)
    daemon = make_daemon(pair)
    daemon.sensors["alert"] = build_alert_sensor(daemon.sync, daemon.names, most_runs=3)
    daemon.tick("alert")
    runs = [daemon.begin("images_copy") for _ in range(8)]
    for run in runs:
        daemon.instance.report_run_failed(run, "its machine is gone")
    for _ in range(4):
        daemon.tick("alert")
    told = [run["run"] for alert in webhook.alerts for run in alert["runs"]]
    assert sorted(told) == sorted(run.run_id for run in runs)


def put_back(pair: Pair, plan: str, minutes: float) -> None:
    """Let all of a plan's journal be as old as that."""
    then = time.time() - 60 * minutes
    for path in (pair.home / "state" / "images" / "journals" / plan).rglob("*"):
        os.utime(path, (then, then))


@pytest.mark.local_state
def test_a_run_whose_journal_stands_still_is_told_once(
    pair: Pair, hyve: Hyve, make_daemon: MakeDaemon, webhook: Webhook
) -> None:
    pair.source.put({"a": b"1"})
    pair.automate("never", webhook=webhook.url, stalled_minutes=1)
    daemon = make_daemon(pair)
    daemon.tick("alert")
    plan = hyve("dryrun", "--json").document["plan"]
    assert hyve("copy").code == 0
    put_back(pair, plan, 10)
    run = daemon.begin("images_copy", **{"hyve/plan": plan})
    daemon.sign_of(run)
    daemon.put_back(run, 3)
    waiting = daemon.begin("images_dryrun", dg.DagsterRunStatus.NOT_STARTED)
    daemon.tick("alert")
    daemon.tick("alert")
    (alert,) = webhook.alerts
    assert (alert["event"], alert["plan"], alert["job"]) == ("stalled", plan, "images_copy")
    assert run.run_id in alert["message"]
    assert "has written no outcome for 1 minutes" in alert["message"]
    assert waiting.run_id not in alert["message"], "it was made a moment ago"


@pytest.mark.local_state
def test_a_run_that_waits_for_long_is_told_unless_others_get_on(
    pair: Pair, hyve: Hyve, make_daemon: MakeDaemon, webhook: Webhook
) -> None:
    pair.source.put({"a": b"1"})
    pair.automate("never", webhook=webhook.url, stalled_minutes=5)
    daemon = make_daemon(pair)
    plan = hyve("dryrun", "--json").document["plan"]
    assert hyve("copy").code == 0
    run = daemon.begin("images_copy", dg.DagsterRunStatus.NOT_STARTED, **{"hyve/plan": plan})
    daemon.put_back(run, 10)
    put_back(pair, plan, 1)
    assert stalled_runs(daemon.instance, daemon.sync, daemon.names, datetime.now(UTC)) == []
    put_back(pair, plan, 9)
    ((_, about, job, found, _),) = stalled_runs(daemon.instance, daemon.sync, daemon.names, datetime.now(UTC))
    assert (found.run, about, job) == (run.run_id, plan, "images_copy")
    assert "is NOT_STARTED and has not begun for 5 minutes" in found.message
