"""What Dagster shows of inventories, sets, shards and verifications: the metadata of their events.

Numbers are plain numbers under stable names, so that Dagster plots them over time. Keys are shown with
their unprintable characters escaped.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from hyve_pipeline.core.base.codes import in_words
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.model.diff import CHANGE_SCHEMA, LIST_NAMES, ChangeSet, Diff
from hyve_pipeline.core.model.inventory import SIDES, Inventory, Side
from hyve_pipeline.core.model.journal import AttemptSummary, Tally
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.proof import Proof
from hyve_pipeline.core.model.restore import RestoreSummary
from hyve_pipeline.core.model.safety_rules import ACTIONS
from hyve_pipeline.core.model.server_lack import ServerLack
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.core.model.undo_summary import UndoSummary
from hyve_pipeline.core.model.verification import ContentSummary, Verification
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.prefix_totals import first_rows, prefix_sizes
from hyve_pipeline.orchestration.common.failures import FAILED_OBJECTS
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.metadata.reading_order import Metadata, in_reading_order


def inventory_metadata(sync: SyncContext, inventory: Inventory) -> Metadata:
    """What is in a bucket. The IO manager adds row count, URI and column schema."""
    sizes = [
        {
            "prefix": displayed(size.prefix) or "(none)",
            "objects": size.count.objects,
            "size": readable_bytes(size.count.bytes),
        }
        for size in prefix_sizes(sync.state, inventory)
    ]
    metadata: dict[str, Any] = {
        "bucket": inventory.place.uri,
        "objects": inventory.objects,
        "bytes": inventory.bytes,
        **_origin(inventory),
        "top-level prefixes": table_of(sizes, ["prefix", "objects", "size"]),
    }
    if inventory.as_of is not None:
        metadata["of"] = inventory.as_of.described
    if inventory.versions == "all":
        metadata["of"] = "all versions: an object here is a key with its versions and delete markers"
    if inventory.mapped is not None:
        metadata["without rule"] = inventory.mapped.left_out.objects
    if inventory.oldest is not None and inventory.newest is not None:
        metadata["oldest object"] = dg.MetadataValue.timestamp(inventory.oldest)
        metadata["newest object"] = dg.MetadataValue.timestamp(inventory.newest)
    return in_reading_order(metadata)


def _origin(inventory: Inventory) -> Metadata:
    """Where an inventory is from, and as of when it is."""
    as_of = dg.MetadataValue.timestamp(inventory.started)
    origin = inventory.report
    if origin is None:
        return {"as of": as_of, "listed in (s)": round(inventory.seconds, 3)}
    details = [
        {"column": name, "value": displayed(value), "objects": count}
        for name, counts in origin.details.items()
        for value, count in sorted(counts.items())
    ]
    return {
        "as of": as_of,
        "report": displayed(origin.uri),
        "report format": origin.format,
        "report files": origin.files,
        "report rows": origin.rows,
        "read in (s)": origin.seconds,
        **({"report says": table_of(details, ["column", "value", "objects"])} if details else {}),
    }


def proof_metadata(inventory: Inventory) -> Metadata:
    """The listing of each range."""
    ranges = [
        {
            "after": displayed(walk.range.after),
            "until": "(end)" if walk.range.until is None else displayed(walk.range.until),
            "keys": walk.keys,
            "pages": walk.pages,
            "ended by": walk.end.value,
        }
        for walk in inventory.proof
    ]
    return {
        "pages": sum(walk.pages for walk in inventory.proof),
        "ranges": table_of(ranges, ["after", "until", "keys", "pages", "ended by"]),
    }


def set_metadata(sync: SyncContext, diff: Diff, name: ChangeSet) -> Metadata:
    """How many objects are in one set, where their list is, and the first few."""
    columns = ["key", "size", "reason"]
    preview = [
        {"key": displayed(row["key"]), "size": readable_bytes(row["size"]), "reason": row["reason"]}
        for row in first_rows(sync.state, diff.files[name])
    ]
    return in_reading_order(
        {
            "objects": diff.counts[name].objects,
            "bytes": diff.counts[name].bytes,
            "first keys": table_of(preview, columns),
            "list": dg.MetadataValue.path(sync.lists.uri_of(f"{LIST_NAMES[name]}.txt")),
        }
    )


def altered_metadata(sync: SyncContext, diff: Diff) -> Metadata:
    """How many objects of the store somebody else changed, and their list if there are any."""
    altered = diff.counts.get(ChangeSet.ALTERED, Count())
    metadata: dict[str, Any] = {"objects": altered.objects, "bytes": altered.bytes}
    if altered.objects:
        metadata["list"] = dg.MetadataValue.path(sync.lists.uri_of(f"{LIST_NAMES[ChangeSet.ALTERED]}.txt"))
    return metadata


def limit_metadata(diff: Diff, name: ChangeSet, refused_plan: Plan | None) -> Metadata:
    """The figures that a limit was checked against."""
    metadata: dict[str, Any] = {
        "objects": diff.counts[name].objects,
        "objects in store": diff.store.objects,
        "objects in source": diff.source.objects,
        "max_deletes": str(diff.options.max_deletes),
        "max_overwrites": str(diff.options.max_overwrites or "off"),
    }
    if refused_plan is not None:
        metadata[PLAN_ENTRY] = refused_plan.id
    return metadata


# Under this name every event that concerns a plan carries the plan's id.
PLAN_ENTRY = "plan"


def shard_metadata(plan: Plan, shard: Shard, summary: AttemptSummary) -> Metadata:
    """The results of one attempt at a shard."""
    seconds = (summary.ended - summary.started).total_seconds()
    rates: dict[str, Any] = {}
    if seconds and summary.attempt == 1:
        # Rates of later attempts would be wrong: the sums are the shard's, and the time is the attempt's.
        rates["objects per second"] = round(summary.tally.done / seconds, 1)
        rates["bytes per second"] = round(summary.tally.bytes / seconds)
    metadata: dict[str, Any] = {
        PLAN_ENTRY: plan.id,
        "action": shard.action,
        "objects": shard.objects,
        "done": summary.tally.done,
        "skipped": summary.tally.skipped,
        FAILED_OBJECTS: summary.tally.failed,
        "bytes": summary.tally.bytes,
        "seconds": round(seconds, 3),
        **rates,
        "attempt": summary.attempt,
        "first key": displayed(shard.first_key),
        "last key": displayed(shard.last_key),
    }
    details = {**_reasons(summary.failures | summary.skips), **_lacks(summary.without, summary.lacks)}
    return in_reading_order({**metadata, **details})


def journal_metadata(status: PlanStatus) -> Metadata:
    """The progress of a plan, by its journal."""
    tally = sum((status.tally(action) for action in ACTIONS), start=Tally())
    metadata: dict[str, Any] = {
        PLAN_ENTRY: status.plan.id,
        "state": status.state,
        "copied": status.tally("copy").done,
        "deleted": status.tally("delete").done,
        "skipped": tally.skipped,
        FAILED_OBJECTS: tally.failed,
        "bytes": tally.bytes,
    }
    return in_reading_order({**metadata, **_reasons(status.reasons()), **_lacks(status.without, status.lacks)})


def _reasons(counts: Mapping[str, int]) -> Metadata:
    """A table of why objects failed or were skipped, where any were."""
    rows = [{"code": in_words(code), "objects": count} for code, count in sorted(counts.items())]
    return {"reasons": table_of(rows, ["code", "objects"])} if rows else {}


def _lacks(without: Mapping[str, int], lacks: Sequence[ServerLack]) -> Metadata:
    """What copies lack and what servers turned out not to support, if anything."""
    metadata: dict[str, Any] = {}
    if without:
        rows = [{"copied without": what, "objects": count} for what, count in sorted(without.items())]
        metadata["without"] = table_of(rows, ["copied without", "objects"])
    if lacks:
        rows = [{"bucket": one.place, "the server": one.lack, "so": one.consequence} for one in lacks]
        metadata["servers"] = table_of(rows, ["bucket", "the server", "so"])
    return metadata


def verification_metadata(outcome: Verification) -> Metadata:
    """Whether the store is as the plan requires, and where it is not."""
    examples = [{"difference": kind.value, "key": displayed(key)} for kind, key in outcome.examples]
    return in_reading_order(
        {
            PLAN_ENTRY: outcome.plan,
            "verified": outcome.verified,
            "objects as planned": outcome.objects,
            **({"written since the report": outcome.since_report} if outcome.since_report else {}),
            **({"as later plans left them": outcome.since_plan} if outcome.since_plan else {}),
            "differences": sum(outcome.differences.values()),
            **{kind.value: count for kind, count in outcome.differences.items()},
            **_content_metadata(outcome.content),
            **({"first differences": table_of(examples, ["difference", "key"])} if examples else {}),
        }
    )


def undo_metadata(summary: UndoSummary) -> Metadata:
    """The results of the objects that an undo had to put back."""
    return {
        PLAN_ENTRY: summary.plan,
        "put back": summary.restored,
        "skipped": summary.skipped,
        FAILED_OBJECTS: summary.failed,
        "new, left in place": summary.left,
        **_reasons(summary.reasons),
    }


def restores_metadata(summary: RestoreSummary) -> Metadata:
    """What was asked for of archived objects, and what was answered."""
    answers = {name.replace("_", " "): count for name, count in summary.outcomes.items()}
    waiting = {"asked for before": summary.waiting} if summary.waiting else {}
    return {
        PLAN_ENTRY: summary.plan,
        "days": summary.days,
        "tier": summary.tier,
        **answers,
        **waiting,
        "bytes": summary.bytes,
    }


def proved_metadata(proof: Proof) -> Metadata:
    """What a proof says of the contents, and the root that stands for all of it."""
    return {
        PLAN_ENTRY: proof.plan,
        "root": proof.tree.root,
        "objects": proof.tree.objects,
        "bytes": proof.tree.bytes,
        **{f"content: {how.described}": count.objects for how, count in proof.proved_by.items() if count.objects},
        **{f"no pair: {why.described}": count.objects for why, count in proof.not_in_tree.items() if count.objects},
        "signed with": proof.public_key or "nothing",
    }


def _content_metadata(content: ContentSummary | None) -> Metadata:
    if content is None:
        return {}
    return {
        "content compared (%)": content.percent,
        "content compared (objects)": content.objects,
        "content compared (bytes)": content.bytes,
        "content compared by stored checksums (objects)": content.by_checksum,
        "content compared by reading (GETs)": content.gets,
        **{f"content not compared, {reason}": count for reason, count in content.skipped.items()},
    }


# What decides which set a key is in.
_DECIDING: list[tuple[Side, str]] = [
    *[(side, column) for side in SIDES for column in ("key", "size", "last_modified", "etag")],
    ("source", "storage_class"),
    ("source", "restored_until"),
]

# Which columns of the inventories each column of a set comes from.
_LINEAGE: dict[str, list[tuple[Side, str]]] = {
    "key": [("source", "key"), ("store", "key")],
    "set": _DECIDING,
    "reason": _DECIDING,
    "size": [("source", "size"), ("store", "size")],
    "source_etag": [("source", "etag")],
    "source_last_modified": [("source", "last_modified")],
    "storage_class": [("source", "storage_class")],
    "store_etag": [("store", "etag")],
    "store_last_modified": [("store", "last_modified")],
    "store_size": [("store", "size")],
    "store_storage_class": [("store", "storage_class")],
}


def change_lineage(names: Names) -> dg.TableColumnLineage:
    """Where the columns of a set come from."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(names.inventory(side), origin) for side, origin in _LINEAGE[column]]
            for column in CHANGE_SCHEMA.names
        }
    )


def table_of(rows: list[dict[str, Any]], columns: list[str]) -> dg.TableMetadataValue:
    """Rows as Dagster shows them; a column whose first value is a number is one of numbers."""
    types = {column: "int" if rows and isinstance(rows[0][column], int) else "string" for column in columns}
    return dg.MetadataValue.table(
        records=[dg.TableRecord(row) for row in rows],
        schema=dg.TableSchema([dg.TableColumn(column, types[column]) for column in columns]),
    )
