"""Jobs as they are launched from the Launchpad: with no configuration, and with each kind of it."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import dagster as dg
import pytest
import yaml
from dagster._core.snap import JobSnap
from dagster._core.snap.snap_to_yaml import default_values_yaml_from_type_snap

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.options import CompareRule, Options
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.common.run_config import Compare
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.kept_versions import keep_versions, moment
from hyve_pipeline_tests.operations.applying import copied_keys, is_copy_of
from hyve_pipeline_tests.orchestration.conftest import Daemon, failure_of
from hyve_pipeline_tests.s3.scripted import Answer
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

MakeDaemon = Callable[[Pair], Daemon]


def configured(op: str, **config: Any) -> dict[str, Any]:
    return {"ops": {f"images_{op}": {"config": config}}}


def partitions_of(result: dg.ExecuteInProcessResult) -> list[str | None]:
    return [
        event.partition for event in result.all_events if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION
    ]


def test_every_job_without_configuration(pair: Pair, make_daemon: MakeDaemon) -> None:
    """Without a partition, a job does all that is left of the newest plan."""
    pair.source.put({f"{number:02d}": b"new" for number in range(12)})
    pair.store.put({"gone": b"1"})
    daemon = make_daemon(pair)
    assert daemon.run("images_dryrun").success
    plan = daemon.sync.plans.ids()[0]
    copied = daemon.run("images_copy")
    assert partitions_of(copied) == [f"{plan}-0001", f"{plan}-0002", f"{plan}-0003"]
    run = daemon.instance.get_run_by_id(copied.run_id)
    assert run is not None
    assert run.tags["hyve/plan"] == plan
    assert partitions_of(daemon.run("images_delete")) == [f"{plan}-0004"]
    assert daemon.run("images_verify").success
    assert pair.store.read() == pair.source.read()
    # Nothing is left to do, which is no failure.
    assert partitions_of(daemon.run("images_copy")) == []
    assert daemon.run("images_retention").success


def test_a_dryrun_by_other_options(pair: Pair, make_daemon: MakeDaemon) -> None:
    pair.source.put({"a.jpg": b"1", "b.txt": b"1", "tmp/c.jpg": b"1"})
    pair.store.put({"old.jpg": b"1", "old.txt": b"1"})
    daemon = make_daemon(pair)
    config = configured("diff", compare="content", include=["*.jpg"], exclude=["tmp/*"], max_deletes="1")
    assert daemon.run("images_dryrun", run_config=config).success
    assert pair.lines("new") == ["a.jpg"]
    assert pair.lines("duplicate_stores") == ["old.jpg"]
    plan = daemon.sync.plans.newest()
    assert plan is not None
    assert (plan.options.compare, plan.options.include) == ("content", ("*.jpg",))


def test_wrong_options_of_a_dryrun_are_one_line(pair: Pair, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(pair)
    for config, message in (
        ({"max_deletes": "many"}, "max_deletes: 'many' is neither a number of objects"),
        ({"include": [""]}, "include: an empty glob matches nothing"),
    ):
        result = daemon.run("images_dryrun", run_config=configured("diff", **config))
        assert failure_of(result).startswith(message)


def test_every_rule_can_be_launched() -> None:
    assert {rule.value for rule in Compare} == {"as_configured", *get_args(CompareRule)}


def test_a_rule_that_does_not_exist_can_not_be_launched(pair: Pair, make_daemon: MakeDaemon) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="compare not in enum type Compare got colour"):
        dg.validate_run_config(
            make_daemon(pair).definitions.resolve_job_def("images_dryrun"), configured("diff", compare="colour")
        )


def test_one_shard_alone(pair: Pair, make_daemon: MakeDaemon) -> None:
    pair.source.put({f"{number:02d}": b"new" for number in range(12)})
    daemon = make_daemon(pair)
    assert daemon.run("images_dryrun").success
    (plan,) = daemon.sync.plans.ids()
    daemon.run("images_copy", f"{plan}-0002", run_config=configured("copy_shard", plan=plan, concurrency=1))
    assert pair.store.keys() == [f"{number:02d}" for number in range(5, 10)]
    other = daemon.run("images_copy", f"{plan}-0001", run_config=configured("copy_shard", plan="another"))
    assert failure_of(other) == f"the partition is a shard of plan {plan}, the configuration asks for another"
    wrong = daemon.run("images_copy", f"{plan}-0001", run_config=configured("copy_shard", concurrency=-1))
    assert failure_of(wrong) == "concurrency: Input should be greater than or equal to 1"


def test_an_older_plan_by_its_id(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    pair.source.put({"a": b"1"})
    older = hyve("dryrun", "--json").document["plan"]
    pair.source.put({"b": b"1"})
    hyve("dryrun")
    daemon = make_daemon(pair)
    assert daemon.run("images_copy", run_config=configured("copy_shard", plan=older)).success
    assert pair.store.keys() == ["a"]
    assert "has no plan 'none'" in failure_of(
        daemon.run("images_copy", run_config=configured("copy_shard", plan="none"))
    )


def test_a_delete_limit_is_a_persons_word(make_pair: MakePair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    pair = make_pair(max_deletes=1)
    pair.store.put({f"{number}": b"1" for number in range(3)})
    pair.source.put({"0": b"1"})
    plan = hyve("dryrun", "--json").document["plan"]
    daemon = make_daemon(pair)
    assert daemon.run("images_copy").success
    assert "refused by max_deletes" in failure_of(daemon.run("images_delete"))
    still = daemon.run("images_delete", run_config=configured("delete_shard", plan=plan, max_deletes="1"))
    assert "refused by max_deletes" in failure_of(still)
    raised = configured("delete_shard", plan=plan, max_deletes="100%")
    assert daemon.run("images_delete", run_config=raised).success
    assert pair.store.keys() == ["0"]


@pytest.mark.parametrize(("job", "limit"), [("delete", "max_deletes"), ("copy", "max_overwrites")])
def test_a_limit_is_raised_for_a_plan_that_is_named(
    make_pair: MakePair, hyve: Hyve, make_daemon: MakeDaemon, job: str, limit: str
) -> None:
    pair = make_pair(max_deletes=0, max_overwrites=0)
    pair.store.put({"gone": b"1", "same": b"old"})
    pair.source.put({"same": b"newer"})
    plan = hyve("dryrun", "--json").document["plan"]
    daemon = make_daemon(pair)
    before = pair.store.read()
    unnamed = daemon.run(f"images_{job}", run_config=configured(f"{job}_shard", **{limit: "100%"}))
    assert failure_of(unnamed) == (
        f"{limit} accepts what the limit refuses in one plan: set 'plan' to that plan's id too"
    )
    assert daemon.sync.plans.approval(plan) is None
    assert pair.store.read() == before


def test_an_estimate_is_accepted_for_a_plan_that_is_named(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    pair.source.put({"a": b"1"})
    plan = hyve("dryrun", "--json").document["plan"]
    daemon = make_daemon(pair)
    unnamed = daemon.run("images_copy", run_config=configured("copy_shard", max_cost="5"))
    assert failure_of(unnamed).startswith("max_cost accepts what the limit refuses in one plan")
    accepted = configured("copy_shard", plan=plan, max_cost="5.50", max_duration="8 h")
    assert daemon.run("images_copy", run_config=accepted).success
    approval = daemon.sync.plans.approval(plan)
    assert approval is not None
    assert (str(approval.max_cost), approval.max_duration) == ("5.50", 8 * 3600)
    wrong = daemon.run("images_copy", run_config=configured("copy_shard", plan=plan, max_duration="soon"))
    assert failure_of(wrong).startswith("max_duration: ")


def test_a_dryrun_of_the_source_as_it_was(make_pair: MakePair, make_daemon: MakeDaemon) -> None:
    pair = make_pair()
    keep_versions(pair.source)
    pair.source.put({"a": b"1"})
    at = moment()
    pair.source.put({"b": b"1"})
    daemon = make_daemon(pair)
    assert daemon.run("images_dryrun", run_config=configured("inventories", as_of=at)).success
    plan = daemon.sync.plans.newest()
    assert plan is not None
    assert plan.as_of is not None
    assert plan.count(ChangeSet.NEW).objects == 1
    wrong = daemon.run("images_dryrun", run_config=configured("inventories", as_of="yesterday"))
    assert failure_of(wrong) == "as_of: 'yesterday' is no time with a zone, such as 2026-11-01T00:00:00Z"
    wrong = daemon.run("images_dryrun", run_config=configured("inventories", inventory_date="2026-01-01"))
    assert failure_of(wrong).startswith("inventory date 2026-01-01: sync images has no reports")


def test_a_dryrun_can_only_lower_limits(make_pair: MakePair, make_daemon: MakeDaemon) -> None:
    pair = make_pair(max_deletes=1, max_overwrites="0%")
    pair.source.put({f"{number:03d}": b"1" for number in range(1, 201)})
    pair.store.put({f"{number:03d}": b"1" for number in range(201)})
    daemon = make_daemon(pair)
    for limits, raised in (
        ({"max_deletes": "2"}, "max_deletes: 2 is more than the configuration's 1"),
        ({"max_deletes": "100%"}, "max_deletes: 100% is more than the configuration's 1"),
        ({"max_overwrites": "51%"}, "max_overwrites: 51% is more than the configuration's 0%"),
    ):
        result = daemon.run("images_dryrun", run_config=configured("diff", **limits))
        assert failure_of(result).startswith(f"{raised}, and a dryrun can only lower it: accept the refused plan")
        assert daemon.sync.plans.newest() is None
    daemon.run("images_dryrun", run_config=configured("diff", max_deletes="0", max_overwrites="0"))
    plan = daemon.sync.plans.newest()
    assert plan is not None
    assert [refusal.rule for refusal in plan.refusals] == ["max_deletes"]


def offered(definitions: dg.Definitions, job: str) -> str:
    """What the Launchpad of a job shows at first."""
    snapshot = JobSnap.from_job_def(definitions.resolve_job_def(f"images_{job}"))
    schema, root = snapshot.config_schema_snapshot, snapshot.mode_def_snaps[0].root_config_key
    assert root is not None
    return default_values_yaml_from_type_snap(schema, schema.get_config_snap(root))


def test_the_launchpad_offers_what_a_run_may_set_and_nothing_else(pair: Pair, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(pair)
    given: dict[str, set[str]] = {}
    for job in ("dryrun", "copy", "delete", "verify", "restore", "undo", "retention"):
        text = offered(daemon.definitions, job)
        assert len(text.splitlines()) <= 15
        config = yaml.safe_load(text)
        assert set(config) == {"ops"}
        given[job] = set[str]().union(*(op["config"] for op in config["ops"].values()))
        assert dg.validate_run_config(daemon.definitions.resolve_job_def(f"images_{job}"), config)
    assert given == {
        "dryrun": {"as_of", "inventory_date", "compare", "include", "exclude", "max_deletes", "max_overwrites"},
        "copy": {"plan", "concurrency", "max_overwrites", "max_cost", "max_duration"},
        "delete": {"plan", "concurrency", "max_deletes", "max_cost", "max_duration"},
        "verify": {"plan", "list_again", "content"},
        "restore": {"plan"},
        "undo": {"plan"},
        "retention": {"keep_plans", "keep_days", "keep_event_plans"},
    }


def test_what_the_launchpad_offers_sets_nothing(make_pair: MakePair, make_daemon: MakeDaemon) -> None:
    """A browser keeps it for weeks: it must not put back what the configuration said then."""
    pair = make_pair(compare="etag", include=["*.jpg"], exclude=["tmp/*"], max_deletes=1, max_overwrites="50%")
    pair.source.put({"a.jpg": b"1", "b.jpg": b"1", "c.txt": b"1", "tmp/d.jpg": b"1"})
    pair.store.put({"old.jpg": b"1", "old.txt": b"1"})
    daemon = make_daemon(pair)
    for job in ("dryrun", "copy", "delete", "verify", "retention"):
        assert daemon.run(f"images_{job}", run_config=yaml.safe_load(offered(daemon.definitions, job))).success, job
    plan = daemon.sync.plans.newest()
    assert plan is not None
    configured_options = daemon.sync.settings.options
    assert plan.options == configured_options
    assert daemon.sync.plans.approval(plan.id) is None
    assert pair.store.keys() == ["a.jpg", "b.jpg", "old.txt"]
    undo = daemon.run("images_undo", run_config=yaml.safe_load(offered(daemon.definitions, "undo")))
    assert failure_of(undo).startswith("plan: set it to the id of the plan to undo")
    assert pair.store.keys() == ["a.jpg", "b.jpg", "old.txt"]


def test_a_run_sets_nothing_of_what_a_sync_is(pair: Pair, make_daemon: MakeDaemon) -> None:
    definitions = make_daemon(pair).definitions
    own = [name for name in definitions.resources or {} if name.startswith("images_")]
    assert len(own) == 2
    settings = SyncSettings.model_fields.keys() | Options.model_fields.keys() | {"home"}
    for job in ("dryrun", "copy", "delete", "verify", "restore", "undo", "retention"):
        definition = definitions.resolve_job_def(f"images_{job}")
        for resource, setting in itertools.product(own, settings):
            run_config = {"resources": {resource: {"config": {setting: "other"}}}}
            with pytest.raises(dg.DagsterInvalidConfigError, match=f'unexpected config entry "{setting}"'):
                dg.validate_run_config(definition, run_config)


def test_a_resources_page_says_what_it_is(pair: Pair, make_daemon: MakeDaemon) -> None:
    definitions = make_daemon(pair).definitions
    pages = [
        definitions.resolve_job_def("images_dryrun").resource_defs[name].description or ""
        for name in ("images_sync", "images_parquet")
    ]
    assert all(f"- home: `{pair.home}`\n" in f"{page}\n" for page in pages)
    assert f"- store.bucket: `{pair.store.name}`\n" in pages[0]
    assert "- options.max_deletes: `10%`\n" in pages[0]


def test_a_plan_alone_is_refused_where_its_check_failed(make_pair: MakePair, make_daemon: MakeDaemon) -> None:
    """Blocking checks stop what comes after them in their run, and nothing that is launched by itself."""
    pair = make_pair(max_deletes=0)
    pair.source.put({"a": b"1"})
    pair.store.put({"gone": b"1"})
    daemon = make_daemon(pair)
    assert not daemon.run("images_dryrun").success
    job = daemon.definitions.resolve_implicit_global_asset_job_def()
    alone = job.execute_in_process(instance=daemon.instance, asset_selection=[daemon.names.plan], raise_on_error=False)
    assert failure_of(alone).startswith(
        "refused by max_deletes (too many deletes): 1 of the store's 1 objects would be deleted"
    )
    assert daemon.instance.get_latest_materialization_event(daemon.names.plan) is None
    assert daemon.instance.get_dynamic_partitions(daemon.names.shard_set("delete")) == []


@pytest.mark.local_state
def test_two_homes_with_one_sync_name_share_an_instance(
    make_pair: MakePair, make_daemon: MakeDaemon, tmp_path: Path
) -> None:
    """Neither waits for the other's runs, nor drops its partitions."""
    pair = make_pair()
    pair.source.put({"a": b"1"})
    daemon = make_daemon(pair)
    shutil.copytree(pair.home, tmp_path / "other", ignore=shutil.ignore_patterns("dagster", "id"))
    other = Daemon(daemon.instance, Home(tmp_path / "other"))
    for each in (daemon, other):
        assert each.run("images_dryrun").success
    mine = daemon.instance.get_dynamic_partitions(daemon.names.shard_set("copy"))
    assert len(mine) == 1
    assert other.run("images_retention").success
    assert daemon.instance.get_dynamic_partitions(daemon.names.shard_set("copy")) == mine
    pair.automate("all")
    (tmp_path / "other" / "hyve.toml").write_text((pair.home / "hyve.toml").read_text())
    other.begin("images_copy")
    assert daemon.evaluate("apply")[1] == ""
    assert "is in progress" in other.evaluate("apply")[1]


def test_deletes_wait_for_copies(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    pair.source.put({"a": b"1"})
    pair.store.put({"gone": b"1"})
    hyve("dryrun")
    assert "refused by copies_first" in failure_of(make_daemon(pair).run("images_delete"))


def test_a_shard_that_fails_keeps_none_of_the_others(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    pair = make_pair(through=faulty, shard_objects=4)
    pair.source.put({f"{number:02d}": b"new" for number in range(12)})
    plan = hyve("dryrun", "--json").document["plan"]
    faulty.fault = lambda received: (
        Answer(b"<Error><Code>AccessDenied</Code></Error>", 403) if is_copy_of(received, "/05") else None
    )
    daemon = make_daemon(pair)
    first = daemon.run("images_copy")
    assert failure_of(first).startswith("1 of 4 objects failed (1 AccessDenied)")
    assert partitions_of(first) == [f"{plan}-0001", f"{plan}-0003"]
    faulty.fault = lambda _: None
    faulty.received.clear()
    assert partitions_of(daemon.run("images_copy")) == [f"{plan}-0002"]
    assert copied_keys(faulty.received) == ["05"]


def test_an_own_asset_follows_each_verification_also_after_a_plan_that_was_replaced(
    pair: Pair, hyve: Hyve, make_daemon: MakeDaemon
) -> None:
    """The example of the pages. One on the store would wait for the shards of the replaced plan for ever."""
    daemon = make_daemon(pair)

    def asset_on(name: str) -> dg.AssetsDefinition:
        @dg.asset(name=f"after_{name}", deps=[["images", name]], automation_condition=dg.AutomationCondition.eager())
        def after() -> None: ...

        return after

    own = dg.Definitions(assets=[asset_on("verification"), asset_on("store")])
    defs = dg.Definitions.merge(daemon.definitions, own)
    cursor = None

    def asked() -> set[str]:
        nonlocal cursor
        result = dg.evaluate_automation_conditions(defs=defs, instance=daemon.instance, cursor=cursor)
        cursor = result.cursor
        keys = (dg.AssetKey(f"after_{name}") for name in ("verification", "store"))
        return {key.to_user_string() for key in keys if result.get_num_requested(key)}

    pair.source.put({"a": b"1"})
    assert daemon.run("images_dryrun").success, "this plan is replaced before it is applied"
    assert asked() == set()
    pair.source.put({"b": b"1"})
    for job in ("dryrun", "copy", "verify"):
        assert daemon.run(f"images_{job}").success
    assert asked() == {"after_verification"}
    daemon.instance.report_runless_asset_event(dg.AssetMaterialization("after_verification"))
    assert asked() == set()
    # What a command did counts as well.
    pair.source.put({"c": b"1"})
    assert hyve("sync").code == 0
    daemon.tick("record")
    assert asked() == {"after_verification"}
