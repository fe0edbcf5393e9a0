"""What Dagster shows of a plan: all that the user needs to decide on it, on the plan's own page.

What comes from a bucket is in tables and texts, which the UI shows as text. Markdown holds nothing but pictures that
were drawn here.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from hyve_pipeline.core.base.codes import in_words
from hyve_pipeline.core.base.money import in_dollars
from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.base.widths import shortened_key
from hyve_pipeline.core.model.diff import ChangeSet, sets_of
from hyve_pipeline.core.model.estimate import batch_text, cost_text, duration_text, effort_text
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.summary import PlannedRow, PlanSummary
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.summary import summarize_plan
from hyve_pipeline.orchestration.metadata.events import PLAN_ENTRY, table_of
from hyve_pipeline.orchestration.metadata.reading_order import Metadata, in_reading_order
from hyve_pipeline.report.pictures import draw_glances, draw_histograms, draw_prefixes

# Columns of a key that a table shows at most: with more, the figures beside it are out of sight.
_KEY_COLUMNS = 64

_LEGEND = "\n\nblue: new, amber: modified, purple: duplicate (to delete)"


def plan_metadata(sync: SyncContext, plan: Plan) -> Metadata:
    """What the user needs to decide on a plan.

    Raises:
        StateError: a file of the plan is damaged or can't be read.
    """
    summary = summarize_plan(sync.state, plan)
    sets = [
        {
            "set": name.described(plan.has_histories),
            "objects": plan.count(name).objects,
            "size": readable_bytes(plan.count(name).bytes),
        }
        for name in sets_of(plan.options)
    ]
    metadata: dict[str, Any] = {PLAN_ENTRY: plan.id}
    if plan.as_of is not None:
        metadata["of"] = plan.as_of.described
    if plan.named is not None:
        metadata["of"] = plan.named.described
    if plan.has_histories:
        metadata["of"] = "all versions"
    if plan.refusals:
        metadata["refused"] = refusals_text(plan)
    metadata |= {
        "copies": plan.count(ChangeSet.NEW).objects + plan.count(ChangeSet.MODIFIED).objects,
        "bytes to copy": plan.count(ChangeSet.NEW).bytes + plan.count(ChangeSet.MODIFIED).bytes,
        **_repairs(plan),
        "deletes": plan.count(ChangeSet.DUPLICATE).objects,
        "bytes to delete": plan.count(ChangeSet.DUPLICATE).bytes,
        "summary": table_of(sets, ["set", "objects", "size"]),
    }
    if summary.sets:
        metadata["by prefix"] = _prefixes(summary)
        legend = _LEGEND + (", green: drifted" if ChangeSet.DRIFTED in summary.sets else "")
        # The UI shows Markdown of less than 1,000 characters at once, and more on a click.
        for title, url in draw_glances(summary).items():
            metadata[title.lower()] = _picture(title, url, legend)
        metadata["by prefix (picture)"] = _picture("Objects and bytes by top-level prefix", draw_prefixes(summary))
        metadata["by size and age (picture)"] = _picture("Objects by size and by age", draw_histograms(summary))
    for name, entry in summary.sets.items():
        metadata[f"largest {name.value}"] = _objects(entry.largest)
        metadata[f"first {name.value}"] = _objects(entry.first)
    metadata |= _estimate(plan)
    metadata |= {
        "copies are made": plan.transfer.described,
        **({"copies within the store": plan.moved.objects} if plan.moved.objects else {}),
        "copy shards": plan.total("copy").shards,
        "delete shards": plan.total("delete").shards,
        "source inventory": plan.source_inventory,
        "store inventory": plan.store_inventory,
        **{f"{side} inventory from": origin for side, origin in plan.origins.items()},
    }
    return in_reading_order(metadata)


def _estimate(plan: Plan) -> Metadata:
    """What the plan costs, step by step."""
    estimate = plan.estimate
    if estimate is None or plan.is_empty:
        return {}
    rows = [
        {
            "step": step.value,
            "requests": one.total,
            "by operation": ", ".join(f"{count:,} {name}" for name, count in one.by_operation.items()),
            "cost": "unknown" if one.cost is None else in_dollars(one.cost),
            "duration": "unknown" if one.seconds is None else f"{one.seconds:,} s",
        }
        for step, one in estimate.steps.items()
    ]
    by_jobs = batch_text(estimate)
    return {
        "estimated cost": cost_text(estimate),
        **({} if by_jobs is None else {"estimated cost of jobs": by_jobs}),
        "estimated effort": effort_text(estimate),
        "estimated duration": duration_text(estimate),
        "estimate by step": table_of(rows, ["step", "requests", "by operation", "cost", "duration"]),
    }


def _repairs(plan: Plan) -> Metadata:
    """How many objects are repaired without a copy, and how many could not be compared; where that was asked for."""
    if not plan.options.compare_properties:
        return {}
    return {"repairs": plan.count(ChangeSet.DRIFTED).objects, "properties not compared": sum(plan.uncompared.values())}


def refusals_text(plan: Plan) -> str:
    """The rules that refused a plan, with their figures and what to do."""
    return "; ".join(f"{in_words(refusal.rule)}: {refusal.detail}" for refusal in plan.refusals)


def _picture(words: str, url: str, legend: str = "") -> dg.MarkdownMetadataValue:
    """A picture with a fixed description: a key in it could be read as Markdown."""
    return dg.MetadataValue.md(f"![{words}]({url}){legend}")


def _prefixes(summary: PlanSummary) -> dg.TableMetadataValue:
    """The prefixes of all sets, those with the most bytes first."""
    found = [
        (name, shortened_key(size.prefix, _KEY_COLUMNS) or "(none)", size.count)
        for name, entry in summary.sets.items()
        for size in entry.prefixes
    ]
    found.sort(key=lambda row: -row[2].bytes)
    found += [(name, "(others)", entry.other_prefixes) for name, entry in summary.sets.items()]
    rows = [
        {"set": summary.label(name), "prefix": prefix, "objects": count.objects, "size": readable_bytes(count.bytes)}
        for name, prefix, count in found
        if count.objects
    ]
    return table_of(rows, ["set", "prefix", "objects", "size"])


def _objects(rows: Sequence[PlannedRow]) -> dg.TableMetadataValue:
    records: list[dict[str, Any]] = [
        {
            "key": shortened_key(row.key, _KEY_COLUMNS),
            "size": readable_bytes(row.size),
            "reason": row.reason,
            "source written": _readable(row.source_last_modified),
            "store written": _readable(row.store_last_modified),
        }
        for row in rows
    ]
    columns = ["key", "size", "reason", "source written", "store written"]
    columns = [column for column in columns if any(record[column] is not None for record in records)]
    return table_of([{column: record[column] for column in columns} for record in records], columns)


def _readable(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
