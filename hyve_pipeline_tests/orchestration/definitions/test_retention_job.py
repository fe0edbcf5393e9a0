"""Old plans go, with all that belongs to them; whatever the kept ones need stays."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.operations.retention import KeepRules, plans_to_drop
from hyve_pipeline_tests.orchestration.conftest import Daemon
from hyve_pipeline_tests.syncs import Hyve, Pair

MakeDaemon = Callable[[Pair], Daemon]


def sync_times(pair: Pair, hyve: Hyve, times: int) -> list[str]:
    """Make and apply plans, each with a copy and a delete; their ids, oldest first."""
    plans = []
    for number in range(times):
        pair.source.put({f"{number}": b"1"})
        pair.source.delete(f"{number - 1}")
        document = hyve("sync", "--json").document
        assert document["verified"]
        plans.append(document["plan"])
    return plans


def state_files(pair: Pair) -> set[str]:
    return {path for path in pair.state_files() if not path.startswith("runs/")}


def test_what_old_plans_left_is_dropped(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    plans = sync_times(pair, hyve, 4)
    pages = [Path(hyve("report", plan, "--json").document["file"]) for plan in plans]
    proofs = [Path(hyve("prove", plan, "--json").document["file"]) for plan in plans]
    pair.automate("never", keep_plans=2)
    daemon = make_daemon(pair)
    daemon.tick("record")
    before = len(state_files(pair))
    keys, _ = daemon.tick("retention")
    assert keys == [f"until {plans[1]}"]
    assert daemon.tick("retention") == ([], "no plan is old enough")
    assert [entry["plan"] for entry in hyve("plans", "--json").document["plans"]] == plans[2:]
    assert [page.exists() for page in pages] == [False, False, True, True]
    assert all(proof.exists() for proof in proofs)
    left = state_files(pair)
    assert len(left) < before
    assert not [path for path in left for plan in plans[:2] if plan in path]
    for partitions in daemon.names.partition_sets:
        keys = daemon.instance.get_dynamic_partitions(partitions)
        assert {key.rpartition("-")[0] for key in keys} == set(plans[2:])
    # The kept plans have all that they need, down to their inventories.
    for plan in plans[2:]:
        assert hyve("verify", "--plan", plan).code == (0 if plan == plans[3] else 1)
        assert hyve("show", plan).code == 0
        manifest = json.loads(pair.read_state(f"plans/{plan}/plan.json"))
        assert pair.context().inventories("source").exists(manifest["source_inventory"])
        assert pair.context().inventories("store").exists(manifest["store_inventory"])
    assert hyve("sync", "--json").document["verified"]


def test_the_run_says_what_it_dropped(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    plans = sync_times(pair, hyve, 3)
    daemon = make_daemon(pair)
    daemon.tick("record")
    config = {"ops": {"images_drop_plans": {"config": {"keep_plans": 1}}}}
    result = daemon.run("images_retention", run_config=config)
    assert result.success
    (event,) = (event for event in result.all_events if event.event_type is dg.DagsterEventType.ASSET_OBSERVATION)
    metadata = event.asset_observation_data.asset_observation.metadata
    assert metadata["dropped"].value == plans[:2]
    assert metadata["plans dropped"].value == 2
    assert metadata["partitions dropped"].value == 6
    freed = metadata["bytes freed"].value
    assert isinstance(freed, int)
    assert freed > 10_000


def test_the_runs_of_what_is_dropped_go_too(pair: Pair, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(pair)
    for number in range(2):
        pair.source.put({f"{number}": b"1"})
        for job in ("dryrun", "copy", "verify"):
            assert daemon.run(f"images_{job}").success
    older, newer = daemon.sync.plans.ids()
    going_on = daemon.begin("images_verify", **{"hyve/plan": newer})
    config = {"ops": {"images_drop_plans": {"config": {"keep_plans": 1}}}}
    assert daemon.run("images_retention", run_config=config).success
    assert daemon.instance.get_runs(dg.RunsFilter(tags={"hyve/plan": older})) == []
    assert len(daemon.instance.get_runs(dg.RunsFilter(tags={"hyve/plan": newer}))) == 4
    assert daemon.status_of(going_on) is dg.DagsterRunStatus.STARTED


def test_a_plan_that_a_run_waits_for_is_kept(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    plans = sync_times(pair, hyve, 3)
    daemon = make_daemon(pair)
    config = {"ops": {"images_drop_plans": {"config": {"keep_plans": 1}}}}
    run = daemon.begin("images_delete", **{"dagster/partition": f"{plans[1]}-0002"})
    assert daemon.run("images_retention", run_config=config).success
    assert daemon.sync.plans.ids() == plans[1:]
    daemon.instance.report_run_failed(run)
    assert daemon.run("images_retention", run_config=config).success
    assert daemon.sync.plans.ids() == plans[2:]


def test_nothing_is_dropped_without_a_rule(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    sync_times(pair, hyve, 2)
    daemon = make_daemon(pair)
    assert daemon.tick("retention") == (
        [],
        "none of keep_plans, keep_days and keep_event_plans is set: every plan is kept",
    )
    before = state_files(pair)
    assert daemon.run("images_retention").success
    assert state_files(pair) == before


def test_a_plan_is_kept_as_long_as_one_rule_keeps_it(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    plans = sync_times(pair, hyve, 3)
    sync = make_daemon(pair).sync
    now, later = datetime.now(UTC), datetime.now(UTC) + timedelta(days=9)
    assert plans_to_drop(sync, KeepRules(1, None), now) == plans[:2]
    assert plans_to_drop(sync, KeepRules(5, None), now) == []
    assert plans_to_drop(sync, KeepRules(None, 8), now) == []
    assert plans_to_drop(sync, KeepRules(None, 8), later) == plans[:2], "the newest stays in any case"
    assert plans_to_drop(sync, KeepRules(2, 8), later) == plans[:1]
    assert plans_to_drop(sync, KeepRules(1, 10), later) == []
    with sync.applying(plans[1]):
        assert plans_to_drop(sync, KeepRules(1, None), now) == plans[:1]
    with pytest.raises(ConfigurationError, match="keep_days: must be at least 1"):
        plans_to_drop(sync, KeepRules(1, 0), now)


def test_a_sweep_that_was_cut_short_is_finished_by_the_next(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    plans = sync_times(pair, hyve, 3)
    pair.state.remove(f"plans/{plans[0]}/plan.json")
    config = {"ops": {"images_drop_plans": {"config": {"keep_plans": 1}}}}
    assert make_daemon(pair).run("images_retention", run_config=config).success
    assert not [path for path in state_files(pair) for plan in plans[:2] if plan in path]
