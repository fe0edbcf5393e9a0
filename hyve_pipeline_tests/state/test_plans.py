"""The newest inventory and plan are found by the state's counter, not by a clock."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.ids import make_id, number_of
from hyve_pipeline.core.model.named_keys import NamedBy, NamedKeys
from hyve_pipeline.core.model.plan import Approval, Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import choose_plan, freeze_plan
from hyve_pipeline.operations.retention import KeepRules, drop_plans, plans_to_drop
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.plans import PlanShelf, next_id, next_number
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory

NOW = datetime.now(UTC)


def plan_made(context: SyncContext, days: float) -> Plan:
    """A plan made by a clock that was this many days fast."""
    inventories = [written_inventory(context, side, {f"{days}": Entry()}) for side in ("source", "store")]
    diff = diff_inventories(context, *inventories)
    return freeze_plan(context, diff.model_copy(update={"created": NOW + timedelta(days=days)}))


@pytest.mark.parametrize("fast", [3, -3, 40_000])
def test_a_plan_of_a_wrong_clock_is_the_newest_only_until_the_next(tmp_path: Path, fast: float) -> None:
    context = context_at(tmp_path)
    plans = []
    for days in (0, fast, 0):
        plans.append(plan_made(context, days))
        assert choose_plan(context, None) == plans[-1]
    assert context.plans.ids() == [plan.id for plan in plans]


def test_plans_of_versions_without_numbers_are_older_and_readable(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    inventories = [written_inventory(context, side, {"a": Entry()}) for side in ("source", "store")]
    diff = diff_inventories(context, *inventories)
    old = []
    for time in (NOW + timedelta(days=1), NOW + timedelta(days=99)):
        unnumbered = {"id": make_id(0, time, "1a2b3c4d", "microseconds"), "created": time}
        old.append(freeze_plan(context, diff.model_copy(update=unnumbered)))
        assert number_of(old[-1].id) == 0
        assert choose_plan(context, None) == old[-1]
    new = plan_made(context, 0)
    assert choose_plan(context, None) == new
    assert context.plans.ids() == [*(plan.id for plan in old), new.id]
    assert choose_plan(context, old[0].id) == old[0]


def test_the_newest_inventory_is_the_last_one_too(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    shelf = context.inventories("store")
    assert shelf.newest() is None
    example = written_inventory(context, "store", {})
    for days in (5, 0, -5):
        inventory = example.model_copy(update={"id": next_id(context.state, NOW + timedelta(days=days))})
        shelf.save(inventory)
        assert shelf.newest() == inventory


def test_a_new_number_is_greater_than_all_others(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    assert next_number(context.state) == 1
    for folder, number in (("inventories/source", 4), ("inventories/store", 9), ("diffs", 11), ("plans", 1_000_000)):
        context.state.write_text(f"{folder}/{make_id(number, NOW, '00000000')}/begun", "")
        assert next_number(context.state) == number + 1
    assert number_of(plan_made(context, 0).id) == 1_000_001


def test_only_folders_that_exist_are_listed_for_a_new_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = context_at(tmp_path).state
    listed: list[str] = []
    names = Folder.names

    def counted(folder: Folder, path: str = "") -> list[str]:
        listed.append(path)
        return names(folder, path)

    monkeypatch.setattr(Folder, "names", counted)
    assert next_number(state) == 1
    assert listed == [""]
    state.write_text(f"diffs/{make_id(7, NOW, '00000000')}/begun", "")
    assert next_number(state) == 8
    assert listed == ["", "", "diffs"]


@pytest.mark.parametrize("by", ["events", "list"])
def test_a_plan_of_some_keys_that_is_made_meanwhile_is_not_taken_for_one_of_all(by: NamedBy, tmp_path: Path) -> None:
    context = context_at(tmp_path)
    whole = plan_made(context, 0)
    named = NamedKeys(id="k", by=by, keys=1, file="named_keys/k-keys.parquet", digest="")

    class Racing(PlanShelf):
        """One that another process is quicker than: it makes a plan right after the partial ones were listed."""

        def partial_ids(self, *by: NamedBy) -> set[str]:
            found = super().partial_ids(*by)
            partial = make_id(next_number(context.state), NOW, "00000000", "microseconds")
            context.plans.save(whole.model_copy(update={"id": partial, "named": named}))
            return found

    plans = Racing(context.state, context.name)
    if by == "events":
        assert plans.default_id() == whole.id
    assert plans.newest_whole() == whole
    assert plans.ids_to_apply()[0] == whole.id


def test_retention_uses_the_same_order(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    plans = [plan_made(context, days).id for days in (-9, 400, -7, -400, -1, 0)]
    later = NOW + timedelta(hours=1)
    assert plans_to_drop(context, KeepRules(2, None), later) == plans[:4]
    # One from the future counts as made when the next one was, one from the past when the one before it was.
    assert plans_to_drop(context, KeepRules(None, 8), later) == plans[:1]
    assert plans_to_drop(context, KeepRules(None, 6), later) == plans[:4]
    assert plans_to_drop(context, KeepRules(1, None), later, in_use=[plans[2]]) == plans[:2]
    drop_plans(context, plans[:4])
    assert context.plans.ids() == plans[4:]
    assert sorted(context.state.names("plans")) == sorted(plans[4:])
    assert {number_of(name) for name in context.state.names("diffs")} == {number_of(plan) for plan in plans[4:]}


@pytest.mark.parametrize("plan_id", ["x" * 5_000, "a\x00b", "a\nb", "..", ".", "", "../plans", "/etc", "a/b", "\udcff"])
def test_a_name_that_is_not_an_id_names_no_plan(tmp_path: Path, plan_id: str) -> None:
    context = context_at(tmp_path)
    plan_made(context, 0)
    with pytest.raises(ConfigurationError, match="has no plan") as caught:
        context.plans.load(plan_id)
    message = str(caught.value)
    assert len(message) < 300
    assert message.isprintable()
    with pytest.raises(ConfigurationError, match="has no plan"):
        context.plans.find(plan_id)


def test_a_plan_is_found_by_its_id_by_the_beginning_of_it_or_as_the_latest(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    with pytest.raises(ConfigurationError, match="has no plan yet"):
        context.plans.find(None)
    first, second = plan_made(context, 0), plan_made(context, 1)
    assert context.plans.find(None) == context.plans.find("latest") == second
    assert context.plans.find(first.id) == first
    assert context.plans.find(first.id[:-4]) == first
    alike = first.id[:5]
    assert second.id.startswith(alike)
    with pytest.raises(ConfigurationError, match=f"2 plans of sync .*: {second.id}, {first.id}; give more"):
        context.plans.find(alike)


@pytest.mark.parametrize("zeros", ["", "0000000"])
def test_the_number_of_a_plan_without_its_zeros_is_understood(zeros: str, tmp_path: Path) -> None:
    context = context_at(tmp_path)
    plan = plan_made(context, 0)
    with pytest.raises(ConfigurationError, match=rf"has no plan '\d+'; did you mean {plan.id}\?"):
        context.plans.find(f"{zeros}{number_of(plan.id)}")
    with pytest.raises(ConfigurationError, match="'hyve plans' lists them"):
        context.plans.find(str(number_of(plan.id) + 1))


def test_an_approval_is_never_replaced(state: Folder) -> None:
    shelf = PlanShelf(state, "images")
    plan = make_id(1, NOW, "a" * 8)
    assert shelf.approval(plan) is None
    approvals = [Approval(given=NOW), Approval(given=NOW + timedelta(days=1))]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda approval: shelf.approve(plan, approval), approvals))
    newest = shelf.approval(plan)
    assert newest in approvals
    shelf.approve(plan, approvals[0])
    assert shelf.approval(plan) == approvals[0]
    assert state.names(f"plans/{plan}/approvals") == ["0001.json", "0002.json", "0003.json"]
