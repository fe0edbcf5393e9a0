"""The button that everybody presses: all assets at once, in each state that a sync may be in."""

from collections.abc import Callable

import dagster as dg

from hyve_pipeline.orchestration.common.partitions import PLACEHOLDER
from hyve_pipeline_tests.orchestration.conftest import Daemon
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

MakeDaemon = Callable[[Pair], Daemon]
_WARN, _ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def materialize_all(daemon: Daemon) -> dg.ExecuteInProcessResult:
    job = daemon.definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=daemon.instance, raise_on_error=False)


def check_of(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = (one for one in result.get_asset_check_evaluations() if one.check_name == name)
    return found


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {one.asset_key.path[-1] for one in result.get_asset_materialization_events() if one.asset_key}


def partitions(daemon: Daemon) -> list[str]:
    return list(daemon.instance.get_dynamic_partitions(daemon.names.store_shard_set))


def test_in_a_fresh_project_nothing_is_red_and_the_check_names_the_next_job(
    pair: Pair, make_daemon: MakeDaemon
) -> None:
    pair.source.put({f"{number}": b"new" for number in range(7)})
    pair.store.put({"gone": b"1"})
    daemon = make_daemon(pair)
    result = materialize_all(daemon)
    assert result.success
    (plan,) = daemon.sync.plans.ids()
    check = check_of(result, "plan_holds")
    assert (check.passed, check.severity) == (False, _WARN)
    assert check.description == (
        f"plan {plan} is not applied yet: launch images_copy, then images_delete, then images_verify"
    )
    assert {name: check.metadata[name].value for name in ("plan", "objects to copy", "objects to delete")} == {
        "plan": plan,
        "objects to copy": 7,
        "objects to delete": 1,
    }
    others = [one for one in result.get_asset_check_evaluations() if one.check_name != "plan_holds"]
    assert others
    assert all(one.passed for one in others)
    # What takes a verification for a proven copy must not start.
    assert "verification" not in materialized(result)
    assert "plan" in materialized(result)


def test_each_step_of_a_plan_leaves_one_job_less_to_launch(pair: Pair, make_daemon: MakeDaemon) -> None:
    pair.source.put({f"{number}": b"new" for number in range(7)})
    pair.store.put({"gone": b"1"})
    daemon = make_daemon(pair)
    assert daemon.run("images_dryrun").success
    (plan,) = daemon.sync.plans.ids()
    assert daemon.run("images_copy", f"{plan}-0001").success
    check = check_of(daemon.run("images_verify"), "plan_holds")
    assert (check.passed, check.severity) == (False, _WARN)
    assert check.description == (
        f"plan {plan} is not completely applied yet: launch images_copy, then images_delete, then images_verify"
    )
    assert daemon.run("images_copy").success
    check = check_of(daemon.run("images_verify"), "plan_holds")
    assert check.description == f"plan {plan} is not completely applied yet: launch images_delete, then images_verify"
    # What the rest of the plan does not explain is wrong at any time.
    pair.store.delete("3")
    check = check_of(daemon.run("images_verify"), "plan_holds")
    assert (check.passed, check.severity, check.description) == (False, _ERROR, None)
    pair.store.put({"3": b"new"})
    assert daemon.run("images_delete").success
    assert check_of(daemon.run("images_verify"), "plan_holds").passed
    # All once more: there is nothing to do.
    result = materialize_all(daemon)
    assert result.success
    assert check_of(result, "plan_holds").passed
    assert "verification" in materialized(result)


def test_two_empty_buckets_are_a_copy_of_each_other(pair: Pair, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(pair)
    result = materialize_all(daemon)
    assert result.success
    assert all(check.passed for check in result.get_asset_check_evaluations())
    assert "verification" in materialized(result)


def test_a_refused_plan_fails_at_its_limit_and_nowhere_else(make_pair: MakePair, make_daemon: MakeDaemon) -> None:
    pair = make_pair(max_deletes=0)
    pair.source.put({"a": b"1"})
    pair.store.put({"gone": b"1"})
    daemon = make_daemon(pair)
    result = materialize_all(daemon)
    assert not result.success
    wrong = [(check.check_name, check.severity) for check in result.get_asset_check_evaluations() if not check.passed]
    assert wrong == [("delete_limits", _ERROR)]
    check = check_of(result, "delete_limits")
    assert (check.description or "").endswith(", or launch images_delete with the plan's id and a higher max_deletes")
    assert not {"plan", "verification", "journal"} & materialized(result)
    # The copies may be made all the same; the verification says what keeps the deletes back.
    assert daemon.run("images_copy").success
    check = check_of(daemon.run("images_verify"), "plan_holds")
    assert (check.passed, check.severity) == (False, _WARN)
    assert "is not applied: refused by max_deletes: " in (check.description or "")


def test_the_store_is_not_shown_as_copied_before_anything_ran(pair: Pair, make_daemon: MakeDaemon) -> None:
    """Dagster shows an asset without partitions as if all were materialized."""
    pair.source.put({f"{number}": b"new" for number in range(7)})
    daemon = make_daemon(pair)
    daemon.tick("record")
    assert partitions(daemon) == [PLACEHOLDER]
    daemon.tick("record")
    assert daemon.run("images_retention").success
    assert partitions(daemon) == [PLACEHOLDER]
    assert materialize_all(daemon).success
    (plan,) = daemon.sync.plans.ids()
    assert partitions(daemon) == [f"{plan}-0001", f"{plan}-0002"]
    daemon.tick("record")
    assert partitions(daemon) == [f"{plan}-0001", f"{plan}-0002"]


def test_the_placeholder_stays_until_a_refused_plan_is_accepted(
    make_pair: MakePair, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    pair = make_pair(max_deletes=0)
    pair.source.put({"a": b"1"})
    pair.store.put({"a": b"1", "gone": b"1"})
    daemon = make_daemon(pair)
    daemon.tick("record")
    plan = hyve("dryrun", "--json").document["plan"]
    daemon.tick("record")
    assert partitions(daemon) == [PLACEHOLDER]
    assert hyve("delete", "--max-deletes", "1").code == 0
    daemon.tick("record")
    daemon.tick("record")
    assert partitions(daemon) == [f"{plan}-0001"]
