"""Makes plans, does their shards, and reads what the journal says of them."""

from typing import Any
from urllib.parse import unquote

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.core.model.journal import AttemptSummary, JournalRow
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.operations.apply.shard import apply_shard
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.take import take_inventories
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline_tests.s3.scripted import Received
from hyve_pipeline_tests.syncs import Bucket, Pair

# What objects in parts are made of.
CONTENT = bytes(range(256)) * (22 * 1024**2 // 256)


def put_in_parts(bucket: Bucket, key: str, sizes: list[int], **properties: Any) -> str:
    """Upload an object in parts of these sizes, and give its ETag."""
    upload = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key, **properties)["UploadId"]
    parts: list[dict[str, Any]] = []
    first = 0
    for number, size in enumerate(sizes, start=1):
        where = {"Bucket": bucket.name, "Key": key, "UploadId": upload, "PartNumber": number}
        answer = bucket.client.upload_part(**where, Body=CONTENT[first : first + size])
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        first += size
    done = bucket.client.complete_multipart_upload(
        Bucket=bucket.name, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
    )
    return done["ETag"].strip('"')


def planned(context: SyncContext) -> Plan:
    taken = take_inventories(context, ["source", "store"])
    return freeze_plan(context, diff_inventories(context, taken["source"], taken["store"]))


def apply(context: SyncContext, plan: Plan, *actions: Action) -> list[AttemptSummary]:
    shards = [shard for action in actions for shard in plan.shards_of(action)]
    return [apply_shard(context, plan, shard, f"run of {shard.number}") for shard in shards]


def copied_plan(context: SyncContext) -> Plan:
    """A new plan whose copies are done."""
    plan = planned(context)
    apply(context, plan, "copy")
    return plan


def copied(pair: Pair, way: str, **options: Any) -> tuple[Plan, SyncContext]:
    """Copy everything by the server or through this process, which streams in parts from 8 MiB on."""
    context = pair.context(transfer=way, stream_memory=32 * MIB, multipart_threshold=8 * MIB, **options)
    return copied_plan(context), context


def rows_of(context: SyncContext, plan: Plan) -> dict[str, JournalRow]:
    """What the journal says of each key."""
    journals = [ShardJournal(context.state, plan.id, shard) for shard in plan.shards]
    return {key: row for journal in journals for key, row in journal.last_rows().items()}


def outcomes(context: SyncContext, plan: Plan) -> dict[str, tuple[str, str | None]]:
    return {key: (row.outcome.value, row.code) for key, row in rows_of(context, plan).items()}


def copied_keys(received: list[Received]) -> list[str]:
    return sorted(unquote(one.path.split("/", 2)[2]) for one in received if "x-amz-copy-source" in one.headers)


def is_copy_of(received: Received, *names: str) -> bool:
    return unquote(received.headers.get("x-amz-copy-source", "")).endswith(names)
