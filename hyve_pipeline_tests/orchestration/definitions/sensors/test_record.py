"""What was done outside of Dagster shows in it as if a run had done it."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import dagster as dg
import pytest

from hyve_pipeline.core.model.event import Actor, EventKind
from hyve_pipeline.operations.apply.loop import apply_plan
from hyve_pipeline.orchestration.definitions.sensors.record import TickBounds, build_record_sensor
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import is_copy_of
from hyve_pipeline_tests.orchestration.conftest import Daemon
from hyve_pipeline_tests.s3.scripted import Answer
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

MakeDaemon = Callable[[Pair], Daemon]
_MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION


def materialized(daemon: Daemon) -> dict[str, Mapping[str, dg.MetadataValue]]:
    """The metadata of each asset's newest materialization."""
    found = {}
    for key in daemon.instance.get_asset_keys():
        event = daemon.instance.get_latest_materialization_event(key)
        if event is not None and event.asset_materialization is not None:
            found[key.path[-1]] = event.asset_materialization.metadata
    return found


def checks(daemon: Daemon) -> dict[str, bool]:
    """Whether each check passed that has a result, by its name."""
    graph = daemon.definitions.resolve_asset_graph()
    records = daemon.instance.event_log_storage.get_latest_asset_check_execution_by_key(list(graph.asset_check_keys))
    evaluations = {key.name: one.event.dagster_event for key, one in records.items() if one.event is not None}
    return {name: event.asset_check_evaluation_data.passed for name, event in evaluations.items() if event is not None}


def observations(daemon: Daemon, asset: str) -> list[str]:
    """What was observed of an asset, newest first."""
    found = daemon.instance.fetch_observations(daemon.names.asset(asset), limit=100).records
    return [one.asset_observation.description or "" for one in found if one.asset_observation is not None]


def store_partitions(daemon: Daemon, keys: Sequence[str]) -> set[str]:
    statuses = daemon.instance.get_status_by_partition(daemon.names.bucket("store"), keys, daemon.names.store_shards)
    return {key for key, status in (statuses or {}).items() if status is dg.AssetPartitionStatus.MATERIALIZED}


def test_objects_that_somebody_changed_in_the_store_fail_a_check_of_their_own(
    pair: Pair, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    pair.source.put({"a": b"1", "b": b"1"})
    assert hyve("sync").code == 0
    pair.store.put({"b": b"2"})
    assert hyve("dryrun").code == 0
    daemon = make_daemon(pair)
    assert daemon.tick("record") == ([], "")
    assert checks(daemon)["nothing_altered"] is False
    assert all(passed for name, passed in checks(daemon).items() if name != "nothing_altered")


def test_a_whole_sync_by_command_shows_like_one_by_runs(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    pair.store.put({"gone": b"1"})
    plan = hyve("sync", "--json").document["plan"]
    daemon = make_daemon(pair)
    assert daemon.tick("record") == ([], "")
    told = materialized(daemon)
    by_command = dict(told)
    assert set(told) == {
        *("source_inventory", "store_inventory", "new", "modified", "duplicate_stores"),
        *("plan", "store", "verification", "journal"),
    }
    for metadata in told.values():
        assert metadata["command"].value == "hyve sync"
        assert metadata["host"].value
        assert metadata["user"].value
        assert isinstance(metadata["time"], dg.TimestampMetadataValue)
    assert "data:image/svg+xml;base64," in str(told["plan"]["by prefix (picture)"].value)
    assert set(checks(daemon)) == {
        *("listing_complete", "overwrite_limits", "delete_limits", "nothing_altered"),
        *("plan_holds", "no_failed_objects"),
    }
    assert set(checks(daemon).values()) == {True}
    keys = [f"{plan}-{number:04d}" for number in (1, 2, 3)]
    assert daemon.instance.get_dynamic_partitions(daemon.names.shard_set("copy")) == keys[:2]
    assert daemon.instance.get_dynamic_partitions(daemon.names.shard_set("delete")) == keys[2:]
    assert store_partitions(daemon, keys) == set(keys)
    # What runs say of the same is the same, but for who did it.
    pair.source.put({"another": b"1"})
    pair.source.delete("0")
    for job in ("dryrun", "copy", "delete", "verify"):
        assert daemon.run(f"images_{job}").success
    (key,) = daemon.instance.get_dynamic_partitions(daemon.names.shard_set("copy"))[2:]
    assert store_partitions(daemon, [key]) == {key}
    by_runs = materialized(daemon)
    own = {"command", "host", "user", "time"}
    for asset in set(by_runs) - {"journal"}:
        optional = {"objects per second", "bytes per second", "speed"}
        assert set(by_command[asset]) - own - optional == set(by_runs[asset]) - optional, asset
    # Its own runs have logged what they did.
    assert daemon.tick("record") == ([], "everything is reported")


def test_a_proof_shows_as_an_observation(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    pair.source.put({"a": b"1", "b": b"1"})
    plan = hyve("sync", "--json").document["plan"]
    root = hyve("prove", "--json").document["root"]
    daemon = make_daemon(pair)
    assert daemon.tick("record") == ([], "")
    (record,) = daemon.instance.fetch_observations(daemon.names.verification, limit=9).records
    assert record.asset_observation is not None
    assert record.asset_observation.description == f"Plan {plan} was proved"
    found = {name: entry.value for name, entry in record.asset_observation.metadata.items()}
    assert (found["root"], found["objects"], found["command"]) == (root, 2, "hyve prove")
    assert found["signed with"] == "nothing"


def test_what_a_command_was_refused_shows_as_an_observation(
    make_pair: MakePair, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    pair = make_pair(max_deletes=0, versioned=True)
    pair.source.put({"a": b"1"})
    pair.store.put({"gone": b"1"})
    plan = hyve("dryrun", "--json").document["plan"]
    daemon = make_daemon(pair)
    daemon.tick("record")
    assert "plan" not in materialized(daemon)
    assert checks(daemon)["delete_limits"] is False
    assert [text.partition(":")[0] for text in observations(daemon, "plan")] == [
        "refused by max_deletes (too many deletes)"
    ]
    assert daemon.instance.get_dynamic_partitions(daemon.names.shard_set("copy")) == [f"{plan}-0001"]
    assert daemon.instance.get_dynamic_partitions(daemon.names.shard_set("delete")) == []
    assert hyve("copy").code == 0
    assert hyve("delete", "--max-deletes", "1").code == 0
    daemon.tick("record")
    assert daemon.instance.get_dynamic_partitions(daemon.names.shard_set("delete")) == [f"{plan}-0002"]
    assert "other limits were accepted" in observations(daemon, "plan")[0]
    assert hyve("undo", plan).code == 0
    daemon.tick("record")
    assert observations(daemon, "store")[0] == f"Plan {plan} was undone"


def test_a_shard_with_failures_is_no_materialized_partition(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    pair = make_pair(through=faulty, shard_objects=2)
    pair.source.put({f"{number}": b"new" for number in range(4)})
    faulty.fault = lambda received: (
        Answer(b"<Error><Code>AccessDenied</Code></Error>", 403) if is_copy_of(received, "/0") else None
    )
    plan = hyve("dryrun", "--json").document["plan"]
    assert hyve("copy").code == 1
    daemon = make_daemon(pair)
    daemon.tick("record")
    keys = [f"{plan}-0001", f"{plan}-0002"]
    assert store_partitions(daemon, keys) == {keys[1]}
    assert observations(daemon, "store") == ["1 of 2 objects failed"]
    faulty.fault = lambda _: None
    assert hyve("retry").code == 0
    daemon.tick("record")
    assert store_partitions(daemon, keys) == set(keys)


def _bound(daemon: Daemon, bounds: TickBounds) -> None:
    daemon.sensors["record"] = build_record_sensor(daemon.sync, daemon.names, bounds)


def test_nothing_is_lost_and_ticks_are_bounded(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    pair.source.put({f"{number:02d}": b"1" for number in range(12)})
    plan = hyve("sync", "--json").document["plan"]
    daemon = make_daemon(pair)
    _bound(daemon, TickBounds(events=3))
    for _ in range(30):
        before = daemon.instance.event_log_storage.get_maximum_record_id() or 0
        if daemon.tick("record")[1]:
            break
        # A plan is one event of the state, and all that it says goes together.
        assert 0 < (daemon.instance.event_log_storage.get_maximum_record_id() or 0) - before <= 7
    else:
        pytest.fail("it came to no end")
    keys = [f"{plan}-{number:04d}" for number in (1, 2, 3)]
    assert store_partitions(daemon, keys) == set(keys)
    assert "verification" in materialized(daemon)


def test_it_goes_on_where_it_was_after_a_crash(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    pair.source.put({"a": b"1"})
    hyve("dryrun")
    daemon = make_daemon(pair)
    daemon.tick("record")
    cursor = daemon.cursors["record"]
    assert hyve("copy").code == 0
    daemon.tick("record")
    # What was stored, and yet the cursor was not: the same comes again, and nothing else.
    daemon.cursors["record"] = cursor
    daemon.tick("record")
    shards = daemon.instance.fetch_materializations(daemon.names.bucket("store"), limit=10).records
    assert len(shards) == 2
    plans = daemon.instance.fetch_materializations(daemon.names.plan, limit=10).records
    assert len(plans) == 1


def test_a_fresh_instance_is_told_of_what_runs_of_another_did(pair: Pair, make_daemon: MakeDaemon) -> None:
    pair.source.put({"a": b"1"})
    before = make_daemon(pair)
    assert before.run("images_dryrun").success
    assert before.tick("record") == ([], "everything is reported")
    with dg.DagsterInstance.ephemeral() as fresh:
        daemon = Daemon(fresh, before.home)
        assert daemon.tick("record") == ([], "")
        assert "run" in materialized(daemon)["plan"]


def test_events_of_what_retention_dropped_are_passed_over(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    for number in range(3):
        pair.source.put({f"{number}": b"1"})
        hyve("sync")
    daemon = make_daemon(pair)
    config = {"ops": {"images_drop_plans": {"config": {"keep_plans": 1}}}}
    assert daemon.run("images_retention", run_config=config).success
    daemon.tick("record")
    (plan,) = daemon.sync.plans.ids()
    assert {key.rpartition("-")[0] for key in daemon.instance.get_dynamic_partitions(daemon.names.store_shard_set)} == {
        plan
    }
    assert materialized(daemon)["plan"]["plan"].value == plan


def test_a_file_that_can_not_be_read_does_not_keep_back_the_others(
    pair: Pair, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    pair.source.put({"a": b"1"})
    hyve("dryrun")
    hyve("copy")
    daemon = make_daemon(pair)
    _bound(daemon, TickBounds(tries=2))
    (summary,) = (name for name in pair.state_files("journals") if name.endswith("summary.json"))
    pair.write_state(f"journals/{summary}", b"damaged")
    assert hyve("dryrun").code == 0
    assert daemon.tick("record") == ([], "")
    assert "plan" in materialized(daemon), "what came before is reported"
    newest = daemon.sync.events.newest_number()
    assert json.loads(daemon.cursors["record"] or "")["number"] < newest, "it may be readable again in a moment"
    daemon.tick("record")
    assert json.loads(daemon.cursors["record"] or "")["number"] == newest
    assert len(daemon.instance.fetch_materializations(daemon.names.plan, limit=10).records) == 2
    assert store_partitions(daemon, daemon.instance.get_dynamic_partitions(daemon.names.store_shard_set)) == set()


def test_a_shard_whose_run_died_before_it_could_log_it_is_told(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    pair.source.put({"a": b"1"})
    plan = hyve("dryrun", "--json").document["plan"]
    daemon = make_daemon(pair)
    daemon.tick("record")
    run = daemon.begin("images_copy", **{"hyve/plan": plan})
    sync = daemon.sync.acting_as(Actor.of_run(run.run_id))
    apply_plan(sync, sync.plans.load(plan), "copy")
    assert [event.kind for event in sync.events.after(0, 100)][-1] is EventKind.SHARD_ENDED
    assert daemon.tick("record")[1] == "everything is reported", "its run is about to log it"
    _bound(daemon, TickBounds(logged_by_then=timedelta(seconds=-1)))
    daemon.tick("record")
    assert store_partitions(daemon, [f"{plan}-0001"]) == {f"{plan}-0001"}
    assert daemon.tick("record")[1] == "everything is reported"


def test_it_launches_nothing_and_is_on_by_default(pair: Pair, make_daemon: MakeDaemon) -> None:
    sensor = make_daemon(pair).definitions.resolve_sensor_def("images_record_sensor")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert not sensor.targets
