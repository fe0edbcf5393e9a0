"""The sensor that applies plans, tick by tick."""

from collections.abc import Callable

import dagster as dg
import pytest

from hyve_pipeline.core.model import automation
from hyve_pipeline.core.model.batch import OpenRound
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import is_copy_of
from hyve_pipeline_tests.orchestration.conftest import Daemon, failure_of
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

MakeDaemon = Callable[[Pair], Daemon]


def fill(pair: Pair) -> None:
    """Three copy shards of five, five and two objects, and a delete shard of one."""
    pair.source.put({f"{number:02d}": b"new" for number in range(12)})
    pair.store.put({"gone": b"1"})


def plan_of(hyve: Hyve) -> str:
    return hyve("dryrun", "--json").document["plan"]


def automated(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon, **automation: object) -> tuple[str, Daemon]:
    """A plan of filled buckets, and the daemon whose sensor is to apply it."""
    fill(pair)
    plan = plan_of(hyve)
    pair.automate("all", **automation)
    return plan, make_daemon(pair)


def deny(*names: str) -> Callable[[Received], Answer | None]:
    """Denies copies of some keys: no request is tried again for that."""

    def fault(received: Received) -> Answer | None:
        if is_copy_of(received, *(f"/{name}" for name in names)):
            return Answer(b"<Error><Code>AccessDenied</Code></Error>", 403)
        return None

    return fault


def test_never_means_never(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    fill(pair)
    plan_of(hyve)
    daemon = make_daemon(pair)
    assert daemon.tick() == ([], 'apply is "never": plans are applied manually')
    assert pair.store.keys() == ["gone"]


def test_there_is_nothing_to_do_without_a_plan(pair: Pair, make_daemon: MakeDaemon) -> None:
    pair.automate("all")
    assert make_daemon(pair).tick() == ([], "there is no plan yet")


def test_copies_then_deletes_then_verification(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    plan, daemon = automated(pair, hyve, make_daemon)
    keys, _ = daemon.tick()
    assert keys == [f"{plan}:copy:1"]
    assert "gone" in pair.store.read()
    assert daemon.tick()[0] == [f"{plan}:delete:1"]
    assert pair.store.read() == pair.source.read()
    assert daemon.tick()[0] == [f"{plan}:verify:1"]
    assert daemon.tick() == ([], f"plan {plan} is finished and verified")
    runs = daemon.instance.get_runs(dg.RunsFilter(tags={"hyve/plan": plan, "hyve/attempt": "1"}))
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert len(runs) == 3
    shards = daemon.instance.fetch_materializations(daemon.names.bucket("store"), limit=10).records
    assert {record.partition_key for record in shards} == {f"{plan}-{number:04d}" for number in (1, 2, 3, 4)}


def test_archived_objects_are_restored_once_the_copies_are_made(
    pair: Pair, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    pair.source.put({"plain": b"1"})
    pair.source.put({"cold": b"12"}, StorageClass="GLACIER")
    pair.configure()
    with (pair.home / "hyve.toml").open("a") as file:
        file.write('restore = { days = 3, tier = "Bulk" }\n')
    pair.automate("copies")
    plan = plan_of(hyve)
    daemon = make_daemon(pair)
    assert daemon.tick()[0] == [f"{plan}:copy:1"]
    assert daemon.tick()[0] == [f"{plan}:restore", f"{plan}:verify:1"]
    assert daemon.tick() == ([], f"plan {plan} is finished and verified")
    assert hyve("show", "--json").document["restores"]["waiting"] == 1
    (seen,) = daemon.instance.fetch_observations(daemon.names.bucket("source"), limit=2).records
    assert seen.asset_observation is not None
    assert seen.asset_observation.metadata["asked"].value == 1


def test_copies_alone_leave_deletes_to_the_user(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    fill(pair)
    plan_of(hyve)
    pair.automate("copies")
    daemon = make_daemon(pair)
    assert len(daemon.tick()[0]) == 1
    keys, reason = daemon.tick()
    assert not keys
    assert "deletes are started manually" in reason
    assert "gone" in pair.store.read()
    assert hyve("delete").code == 0
    assert daemon.tick()[0][0].endswith(":verify:1")


def test_a_plan_with_nothing_to_do_is_verified_by_its_own_listing(
    pair: Pair, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    plan = plan_of(hyve)
    pair.automate("all")
    daemon = make_daemon(pair)
    assert daemon.tick()[0] == [f"{plan}:verify:1"]
    assert daemon.tick() == ([], f"plan {plan} is finished and verified")
    assert len([name for name in pair.state.names("inventories/store") if name.endswith(".json")]) == 1


def test_a_failed_shard_holds_up_deletes_and_nothing_else(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    pair = make_pair(through=faulty, shard_objects=5)
    plan, daemon = automated(pair, hyve, make_daemon, retry_seconds=0, shard_attempts=3)
    faulty.fault = deny("02")
    assert daemon.tick()[0] == [f"{plan}:copy:1"]
    assert len(pair.store.keys()) == 12, "all but one of twelve, and the one that is to go"
    assert daemon.tick()[0] == [f"{plan}-0001:2"]
    assert daemon.tick()[0] == [f"{plan}-0001:3"]
    keys, reason = daemon.tick()
    assert not keys
    assert reason == f"plan {plan}, 3 copy shards: 2 finished, 1 given up after 3 attempts"
    assert "gone" in pair.store.read()
    given_up = daemon.instance.get_runs(dg.RunsFilter(tags={"hyve/given_up": "true"}))
    assert [run.tags["dagster/partition"] for run in given_up] == [f"{plan}-0001"]
    # The user corrects it, and the sensor resumes from there.
    faulty.fault = lambda _: None
    assert hyve("retry").code == 0
    assert daemon.tick()[0] == [f"{plan}:delete:1"]
    assert pair.store.read() == pair.source.read()


def test_a_failed_shard_waits_longer_each_time(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    pair = make_pair(through=faulty, shard_objects=5)
    plan, daemon = automated(pair, hyve, make_daemon, retry_seconds=3600)
    faulty.fault = deny("11")
    daemon.tick()
    keys, reason = daemon.tick()
    assert not keys
    assert reason == f"plan {plan}, 3 copy shards: 2 finished, 1 waiting for retry"


def test_failed_shards_never_starve_the_others(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve, make_daemon: MakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If more shards fail than may run at once, the others are still done."""
    monkeypatch.setattr(automation, "MOST_AT_ONCE", 2)
    pair = make_pair(through=faulty, shard_objects=1)
    pair.source.put({f"{number}": b"new" for number in range(6)})
    plan_of(hyve)
    pair.automate("all", retry_seconds=0, shard_attempts=50)
    faulty.fault = deny("0", "1", "2", "3")
    daemon = make_daemon(pair)
    for _ in range(3):
        daemon.tick()
    assert pair.store.keys() == ["4", "5"]


def test_a_refused_plan_is_applied_as_far_as_it_may_be(
    make_pair: MakePair, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    pair = make_pair(max_deletes=0)
    fill(pair)
    assert hyve("dryrun").code == 3
    pair.automate("all")
    daemon = make_daemon(pair)
    assert len(daemon.tick()[0]) == 1
    keys, reason = daemon.tick()
    assert not keys
    assert "refused by max_deletes" in reason
    assert "gone" in pair.store.read()
    # An approval, given with the command of another step, lets it continue.
    (plan,) = (entry["plan"] for entry in hyve("plans", "--json").document["plans"])
    assert hyve("copy", "--plan", plan).code == 0
    approve = {"ops": {"images_delete_shard": {"config": {"plan": plan, "max_deletes": "1"}}}}
    assert daemon.run("images_delete", run_config=approve).success
    assert pair.store.read() == pair.source.read()
    assert daemon.tick()[0] == [f"{plan}:verify:1"]


def test_an_older_plan_that_is_being_applied_is_waited_for(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    fill(pair)
    older = plan_of(hyve)
    newer = plan_of(hyve)
    pair.automate("all")
    daemon = make_daemon(pair)
    with daemon.sync.applying(older):
        assert daemon.tick() == ([], f"plan {newer} waits: plan {older} is being applied")
    assert len(daemon.tick()[0]) == 1
    with daemon.sync.applying(older):
        refused = failure_of(daemon.run("images_copy"))
        assert refused.startswith(
            f"refused by one_at_a_time (another process is at work): plan {older} of sync images is being applied by "
        )


def test_runs_that_wait_or_go_on_are_not_asked_for_again(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    plan, daemon = automated(pair, hyve, make_daemon)
    run = daemon.begin("images_copy", **{"hyve/plan": plan, "hyve/attempt": "1"})
    assert daemon.evaluate("apply") == ([], f"plan {plan}, 3 copy shards: 3 running")
    # Of an older plan, or of one that is not known yet, it is waited for.
    daemon.instance.add_run_tags(run.run_id, {"hyve/plan": "20200101T000000000Z-00000000"})
    assert "of plan 20200101T000000000Z-00000000 is in progress" in daemon.evaluate("apply")[1]
    daemon.instance.report_run_failed(run)
    unknown = daemon.begin("images_copy")
    assert daemon.evaluate("apply")[1] == f"plan {plan} waits: run {unknown.run_id} of images_copy is in progress"


def test_the_verification_of_an_older_plan_is_waited_for(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    """It would find what this plan does, and call it a difference."""
    fill(pair)
    older = plan_of(hyve)
    newer = plan_of(hyve)
    pair.automate("all")
    daemon = make_daemon(pair)
    run = daemon.begin("images_verify", **{"hyve/plan": older})
    assert daemon.tick() == ([], f"plan {newer} waits: run {run.run_id} of plan {older} is in progress")
    daemon.instance.report_run_failed(run)
    assert len(daemon.tick()[0]) == 1


def test_a_plan_that_was_undone_is_left_alone(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    plan, daemon = automated(pair, hyve, make_daemon)
    daemon.tick()
    assert hyve("undo", plan).code == 0
    assert daemon.tick() == ([], f"plan {plan} was undone: the next dryrun makes another one")
    # Nor does a run that was asked for before delete anything.
    assert not daemon.run("images_delete", f"{plan}-0004").success
    refused = hyve("delete", "--json")
    assert (refused.code, refused.document["refused"]["rule"]) == (3, "undone")
    assert "gone" in pair.store.read()
    assert hyve("sync").code == 0
    assert pair.store.read() == pair.source.read()


def test_a_run_that_was_deleted_still_counts(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    """Dagster makes no second run for a key, so that its number must not come again."""
    pair = make_pair(through=faulty)
    plan, daemon = automated(pair, hyve, make_daemon, retry_seconds=0)
    faulty.fault = deny("02")
    daemon.tick()
    assert [daemon.tick()[0], daemon.tick()[0]] == [[f"{plan}-0001:2"], [f"{plan}-0001:3"]]
    (first,) = daemon.instance.get_runs(dg.RunsFilter(tags={"hyve/plan": plan, "hyve/attempt": "2"}))
    daemon.instance.delete_run(first.run_id)
    assert daemon.tick()[0] == [f"{plan}-0001:4"]


def test_a_made_up_partition_is_no_obstacle(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    plan, daemon = automated(pair, hyve, make_daemon)
    for made_up in ("test", f"{plan}-1"):
        daemon.instance.add_dynamic_partitions(daemon.names.shard_set("copy"), [made_up])
        assert not daemon.run("images_copy", made_up).success
    run = daemon.begin("images_copy", **{"dagster/partition": "test"})
    assert daemon.tick()[1] == f"plan {plan} waits: run {run.run_id} of plan test is in progress"
    daemon.instance.report_run_failed(run)
    assert len(daemon.tick()[0]) == 1
    assert daemon.run("images_retention").success
    assert "test" not in daemon.instance.get_dynamic_partitions(daemon.names.shard_set("copy"))


def test_a_run_whose_process_is_gone_is_made_good(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    plan, daemon = automated(pair, hyve, make_daemon, retry_seconds=0)
    run = daemon.begin("images_copy", **{"hyve/plan": plan, "hyve/attempt": "1"})
    assert daemon.evaluate("apply")[0] == [], "it may have begun on a machine that starts slowly"
    sign = daemon.sign_of(run)
    assert daemon.evaluate("apply")[0] == []
    sign.end(seconds_ago=300)
    assert daemon.tick()[0] == [f"{plan}:copy:2"]
    assert daemon.status_of(run) is dg.DagsterRunStatus.FAILURE
    assert len(pair.store.keys()) == 13


def test_several_runs_do_one_plan_where_that_is_asked_for(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    plan, daemon = automated(pair, hyve, make_daemon, runs=2)
    requests, _ = daemon.evaluate("apply")
    assert [request.run_key for request in requests] == [f"{plan}:copy:1", f"{plan}:copy:2"]
    one = daemon.begin("images_copy", **requests[0].tags)
    assert [request.run_key for request in daemon.evaluate("apply")[0]] == [f"{plan}:copy:2"]
    assert daemon.run("images_copy", None, requests[1].tags, requests[1].run_config).success
    assert len(pair.store.keys()) == 13
    assert [request.run_key for request in daemon.evaluate("apply")[0]] == [f"{plan}:delete:1"]
    daemon.instance.report_run_failed(one)


def test_buckets_that_have_changed_since_are_not_written(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    fill(pair)
    plan = plan_of(hyve)
    pair.automate("all")
    file = pair.home / "hyve.toml"
    file.write_text(file.read_text().replace(pair.store.name, "another-bucket"))
    keys, reason = make_daemon(pair).tick()
    assert not keys
    assert reason.startswith(f"plan {plan} was made for the store s3://{pair.store.name}/")


def plan_of_list(hyve: Hyve, pair: Pair, *keys: str) -> str:
    file = pair.home / "keys.txt"
    file.write_text("".join(f"{key}\n" for key in keys))
    return hyve("dryrun", "--keys", str(file), "--json").document["plan"]


def test_plans_of_lists_come_after_the_plan_of_all_keys(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    fill(pair)
    pair.automate("all")
    whole = plan_of(hyve)
    pair.source.put({"00": b"newer", "new": b"1", "later": b"1"})
    lists = [plan_of_list(hyve, pair, "00", "new"), plan_of_list(hyve, pair, "later")]
    daemon = make_daemon(pair)
    asked: list[str] = []
    while keys := daemon.tick()[0]:
        asked += keys
    steps = [(whole, "copy"), (whole, "delete"), (whole, "verify")]
    steps += [(plan, step) for plan in lists for step in ("copy", "verify")]
    assert asked == [f"{plan}:{step}:1" for plan, step in steps]
    assert daemon.tick() == ([], f"plan {lists[-1]} is finished and verified")
    assert pair.store.read() == pair.source.read()


def test_a_plan_of_a_list_waits_for_one_that_goes_on_and_not_for_one_that_can_not(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    pair = make_pair(through=faulty, shard_objects=5)
    fill(pair)
    whole = plan_of(hyve)
    pair.source.put({"new": b"1"})
    of_list = plan_of_list(hyve, pair, "new")
    pair.automate("all", retry_seconds=3600, shard_attempts=2)
    faulty.fault = deny("02")
    daemon = make_daemon(pair)
    assert daemon.tick()[0] == [f"{whole}:copy:1"]
    keys, reason = daemon.tick()
    assert not keys
    assert reason.startswith(f"plan {whole}, 3 copy shards: 2 finished, 1 waiting for retry; newer plans of lists wait")
    # Of all keys again: it takes the place of both.
    pair.configure(max_overwrites=0)
    pair.source.put({"03": b"modified since"})
    pair.automate("all", retry_seconds=0, shard_attempts=1)
    refused = plan_of(hyve)
    pair.source.put({"newer": b"1"})
    of_list = plan_of_list(hyve, pair, "newer")
    daemon = make_daemon(pair)
    assert daemon.tick()[0] == [f"{of_list}:copy:1"]
    assert daemon.tick()[0] == [f"{of_list}:verify:1"]
    keys, reason = daemon.tick()
    assert not keys
    assert reason.startswith(f"plan {refused} is refused")
    assert reason.endswith(f"; plan {of_list} is finished and verified")
    assert not {"gone", "newer"} - {*pair.store.keys()}


def test_nothing_is_launched_while_jobs_of_batch_operations_copy(
    pair: Pair, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    plan, daemon = automated(pair, hyve, make_daemon)
    daemon.sync.state.write_manifest("batch/open.json", OpenRound(plan=plan, number=1))
    assert daemon.tick() == ([], f"plan {plan} waits: jobs of S3 Batch Operations copy for plan {plan}")
    daemon.sync.state.remove("batch/open.json")
    assert daemon.tick()[0] == [f"{plan}:copy:1"]
