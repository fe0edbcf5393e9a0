"""Made-up inventories and journals are as real ones."""

from pathlib import Path

from benchmarks.made_up import (
    make_home,
    make_inventories,
    make_journal,
    make_verification,
    newest_inventories,
    open_home,
)
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.inventory import check_proof
from hyve_pipeline.operations.inventory.sorted_rows import open_inventory
from hyve_pipeline.operations.journal.status import plan_status
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline.operations.prove.evidence import choose_verified
from hyve_pipeline.operations.prove.prove import prove_plan


def test_a_made_up_plan_is_done_in_every_set(tmp_path: Path) -> None:
    context = make_home(tmp_path / "home", "shard_objects = 10")
    make_inventories(context, 2_000, has_random_names=True)
    source, store = newest_inventories(context)
    for inventory in (source, store):
        check_proof(inventory.proof, inventory.objects, inventory.side)
        open_inventory(context.state, inventory).close()
    plan = freeze_plan(context, diff_inventories(context, source, store))
    assert all(plan.count(name).objects for name in (ChangeSet.NEW, ChangeSet.MODIFIED, ChangeSet.DUPLICATE))
    assert plan.count(ChangeSet.UNCHANGED).objects > 1_800
    make_journal(context, plan)
    assert plan_status(open_home(tmp_path / "home"), plan).state == "finished"
    make_verification(context, plan)
    proof, _ = prove_plan(context, choose_verified(context, None))
    assert (proof.plan, proof.tree.objects) == (plan.id, source.objects)


def test_an_empty_store_makes_everything_new(tmp_path: Path) -> None:
    context = make_home(tmp_path / "home")
    make_inventories(context, 300, is_store_empty=True)
    source, store = newest_inventories(context)
    plan = freeze_plan(context, diff_inventories(context, source, store))
    assert (plan.count(ChangeSet.NEW).objects, store.objects) == (source.objects, 0)
