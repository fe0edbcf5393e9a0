"""A night without a user: a real daemon and web server, a webhook, and a shard that fails at first."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import is_copy_of
from hyve_pipeline_tests.pages import Page, running_ui
from hyve_pipeline_tests.s3.scripted import Answer, Received, ScriptedServer
from hyve_pipeline_tests.syncs import Hyve, MakePair

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc"),
    pytest.mark.timeout(300),
]

_PATIENCE = 200


@pytest.fixture
def webhook() -> Iterator[ScriptedServer]:
    """Takes whatever is posted to it."""
    server = ScriptedServer(lambda _: Answer())
    yield server
    server.stop()


def _await(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        # To answer takes the web server a part of a second, which the daemon and the runs need more.
        time.sleep(1)


def _runs(page: Page) -> list[tuple[str, str, str | None]]:
    """Job, status and partition of every run, in the order of their beginning."""
    data = page.ask("{ runsOrError { ... on Runs { results { jobName status tags { key value } } } } }")
    runs = [
        (run["jobName"], run["status"], {tag["key"]: tag["value"] for tag in run["tags"]}.get("dagster/partition"))
        for run in data["runsOrError"]["results"]
    ]
    return runs[::-1]


def test_a_plan_is_applied_and_verified_with_a_shard_that_fails_in_between(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve, webhook: ScriptedServer, tmp_path: Path
) -> None:
    """Dagster has a home of its own, which is the only one that it uses."""
    pair = make_pair(through=faulty, shard_objects=4)
    pair.source.put({f"{number:02d}": b"new" for number in range(12)})
    pair.store.put({"gone": b"1"})
    hook = f"{webhook.endpoint_url}/hook"
    pair.automate("all", running=True, interval_seconds=3, retry_seconds=1, shard_attempts=5, webhook=hook)
    refused = {"left": 1}

    def refuse(received: Received) -> Answer | None:
        # Of the second shard: denied, which no request is tried again for.
        if is_copy_of(received, "/05") and refused["left"]:
            refused["left"] -= 1
            return Answer(b"<Error><Code>AccessDenied</Code></Error>", 403)
        return None

    faulty.fault = refuse
    with running_ui(pair.home, os.environ | {"DAGSTER_HOME": str(tmp_path / "dagster")}) as page:
        plan = hyve("dryrun", "--json").document["plan"]
        _await(lambda: ("images_verify", "SUCCESS", None) in _runs(page), "the plan was not verified")
        runs = _runs(page)
    assert (tmp_path / "dagster" / "history").is_dir()
    assert not (pair.home / "dagster").exists()
    assert pair.store.read() == pair.source.read()
    copies = [run[1:] for run in runs if run[0] == "images_copy"]
    # One run of all that is left, and then one of the shard that failed; the deletes came after it, once.
    assert copies == [("FAILURE", None), ("SUCCESS", f"{plan}-0002")]
    assert [run for run in runs if run[0] == "images_delete"] == [("images_delete", "SUCCESS", None)]
    assert [run[0] for run in runs][-2:] == ["images_delete", "images_verify"]
    (alert,) = (json.loads(received.body) for received in webhook.received)
    assert (alert["event"], alert["plan"], alert["runs"][0]["partition"]) == ("failed", plan, None)
    assert f"retry the partition {plan}-0002" in alert["message"]
    assert "AccessDenied" in alert["message"]
