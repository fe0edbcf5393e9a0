"""Dagster follows a sync by its events, and shows the plans as all others."""

from collections.abc import Callable

import dagster as dg
import pytest

from hyve_pipeline_tests.orchestration.conftest import Daemon, failure_of
from hyve_pipeline_tests.queues import OwnQueue, event_of
from hyve_pipeline_tests.syncs import MakePair, Pair

MakeDaemon = Callable[[Pair], Daemon]


@pytest.fixture
def pair(make_pair: MakePair, queue_endpoint: str) -> Pair:
    """A sync on the server that has queues."""
    return make_pair(endpoint_url=queue_endpoint)


def test_events_are_followed_and_reported(pair: Pair, queue: OwnQueue, make_daemon: MakeDaemon) -> None:
    pair.automate("all")
    queue.follow(pair)
    pair.source.put({"a": b"1", "b": b"1"})
    pair.store.put({"gone": b"1"})
    daemon = make_daemon(pair)
    assert daemon.evaluate("events") == ([], "no message waits")
    queue.send(*(event_of(pair.source.name, key) for key in ("a", "gone")), "garbage")
    requests, _ = daemon.evaluate("events")
    assert len(requests) == 1
    assert daemon.run("images_events").success
    assert pair.store.keys() == ["a"]
    assert queue.counts() == (0, 1)
    # Until another plan was made, the sensor that applies plans has nothing to do with those of events.
    assert daemon.evaluate("record")[0] == []
    names = daemon.names
    event = daemon.instance.get_latest_materialization_event(names.plan)
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["of"].value == "2 keys named by events"
    assert "run" in metadata
    keys = [
        key for action in ("copy", "delete") for key in daemon.instance.get_dynamic_partitions(names.shard_set(action))
    ]
    statuses = daemon.instance.get_status_by_partition(names.bucket("store"), keys, names.store_shards) or {}
    assert [statuses[key] for key in keys] == [dg.AssetPartitionStatus.MATERIALIZED] * 2
    assert daemon.instance.get_latest_materialization_event(names.inventory("store")) is None


def test_the_run_fails_by_what_a_rule_refuses(pair: Pair, queue: OwnQueue, make_daemon: MakeDaemon) -> None:
    pair.configure(max_overwrites=0)
    pair.automate("copies")
    queue.follow(pair)
    pair.source.put({"a": b"22"})
    pair.store.put({"a": b"1"})
    queue.send(event_of(pair.source.name, "a"))
    daemon = make_daemon(pair)
    assert "max_overwrites" in failure_of(daemon.run("images_events"))
    assert pair.store.read() == {"a": b"1"}
    assert queue.counts() == (0, 1)


def test_one_run_at_a_time_and_none_where_apply_is_never(pair: Pair, queue: OwnQueue, make_daemon: MakeDaemon) -> None:
    queue.follow(pair)
    queue.send(event_of(pair.source.name, "a"))
    daemon = make_daemon(pair)
    assert 'apply is "never"' in daemon.evaluate("events")[1]
    pair.configure()
    pair.automate("copies")
    queue.follow(pair)
    run = daemon.begin("images_events")
    daemon.sign_of(run)
    assert daemon.evaluate("events") == ([], f"run {run.run_id} is in progress")
