"""Lists the store again and checks whether it is as a plan requires."""

import uuid
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime

import pyarrow as pa

from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import ONE_BUCKET
from hyve_pipeline.core.model.sample import parse_sample
from hyve_pipeline.core.model.verification import (
    DIFFERENCE_SCHEMA,
    Difference,
    Verification,
)
from hyve_pipeline.core.runtime.progress import end, estimate, report
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.mapped import map_inventory
from hyve_pipeline.operations.inventory.named_keys import take_named_inventories
from hyve_pipeline.operations.inventory.take import take_inventory
from hyve_pipeline.operations.journal.ends import note_missed_ends
from hyve_pipeline.operations.journal.status import plan_status, raise_refusal
from hyve_pipeline.operations.requests.contents import COMPARE_CONTENT
from hyve_pipeline.operations.stored_tables import StoredTable, TableShelf
from hyve_pipeline.operations.verify.content import ContentComparer
from hyve_pipeline.operations.verify.history_content import HistoryComparer
from hyve_pipeline.operations.verify.store_comparison import StoreComparison
from hyve_pipeline.state.parquet import writing_parquet

_EXAMPLES = 20

# The activity, for progress reports.
_VERIFY = "verify"


def verify_plan(
    context: SyncContext,
    plan: Plan,
    *,
    list_again: bool = True,
    content: str | None = None,
) -> Verification:
    """List the store and compare it with what `plan` requires.

    Args:
        context: the sync.
        plan: the plan.
        list_again: False uses the listing that the plan was made from if the plan is empty, so that applying it
            changed nothing. A report of S3 Inventory is no listing: then the store is listed.
        content: the share of the objects whose content is compared too, such as ``1%``; each time another sample.

    Raises:
        ConfigurationError: `content` is not a percentage.
        RefusedError: source and store are one bucket, so that the store is not a second copy.
        BucketError: the store can't be reached.
        IncompleteInventoryError: it can't be listed completely.
        StateError: a file of the plan or its journal is damaged.
    """
    raise_refusal((refusal for refusal in plan.refusals if refusal.rule == ONE_BUCKET), "copy")
    # Another listing can't be compared with the plan.
    context = context.with_options(plan.options)
    sample = None if content is None else parse_sample(content, seed=str(uuid.uuid4()))
    status = plan_status(context, plan)
    note_missed_ends(context, status)
    before = context.inventories("store").load(plan.store_inventory)
    is_listed = list_again or not plan.is_empty or before.report is not None
    inventory = _look_again(context, plan) if is_listed else before
    counts: Counter[Difference] = Counter()
    examples: list[tuple[Difference, str]] = []
    objects = 0
    estimate(_VERIFY, inventory.objects)
    folder = context.state.below(f"verifications/{plan.id}")
    with (
        ExitStack() as stack,
        writing_parquet(folder, f"{inventory.id}.parquet", DIFFERENCE_SCHEMA) as writer,
    ):
        comparison = StoreComparison(context, plan, before, inventory, stack)
        proved = f"verifications/{plan.id}/{inventory.id}-content.parquet"
        make_comparer = HistoryComparer if plan.has_histories else ContentComparer
        comparer = None if sample is None else make_comparer(context, plan, sample, proved, stack)
        for key_range in comparison.ranges(context.bounds.range_rows):
            listed, differences, same, judged = comparison.compare(key_range)
            if comparer is not None:
                more = comparer.compare(key_range, listed, judged)
                differences = pa.concat_tables([differences, more]).sort_by("key")
                same -= more.num_rows
            writer.write_table(differences)
            objects += same
            report(_VERIFY, same + differences.num_rows, 0)
            for row in differences.to_pylist():
                counts[Difference(row["difference"])] += 1
                if len(examples) < _EXAMPLES:
                    examples.append((Difference(row["difference"]), row["key"]))
    end(_VERIFY)
    if comparer is not None:
        end(COMPARE_CONTENT)
    verification = Verification(
        sync=context.name,
        plan=plan.id,
        ended=datetime.now(UTC),
        objects=objects,
        differences=dict(counts),
        examples=tuple(examples),
        inventory=inventory.id,
        file=f"verifications/{plan.id}/{inventory.id}.parquet",
        content=None if comparer is None else comparer.summary,
        attempts=status.attempts,
        since_report=comparison.since_report,
        since_plan=comparison.since_plan,
    )
    folder.write_manifest(f"{inventory.id}.json", verification)
    table = StoredTable(id=plan.id, files=(verification.file,))
    TableShelf(context.home, context.name, "verification").keep(table, context.actor.run)
    context.note(EventKind.PLAN_VERIFIED, plan=plan.id, verification=inventory.id)
    return verification


def _look_again(context: SyncContext, plan: Plan) -> Inventory:
    """What the store has now, of all keys or of those that the plan is restricted to."""
    if plan.named is not None:
        return take_named_inventories(context.with_mapping(plan.source.mapping), ("store",), plan.named)["store"]
    return map_inventory(context, take_inventory(context, "store", activity="list store again"), plan.source.mapping)
