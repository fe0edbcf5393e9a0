"""Finds in the state what a proof is made from."""

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from hyve_pipeline.core.base.errors import ConfigurationError, RefusedError
from hyve_pipeline.core.base.ids import order_of
from hyve_pipeline.core.model.inventory import Inventory, Side
from hyve_pipeline.core.model.memory import Memory
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.proof import UsedFile
from hyve_pipeline.core.model.verification import Verification
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import last_undo, plan_status
from hyve_pipeline.operations.prove.pairs import Evidence
from hyve_pipeline.operations.verify.read import is_verified, latest_verification, verifications
from hyve_pipeline.state.journals import ShardJournal, begun_shards
from hyve_pipeline.state.plans import MEMORY_FOLDER

_BLOCK = 1024 * 1024

# Files that are read at a time, from a state in a bucket.
_AT_ONCE = 8


def choose_verified(context: SyncContext, name: str | None) -> Plan:
    """The plan with this id, or whose id begins so, or the newest one that was verified.

    Raises:
        ConfigurationError: there is no such plan.
        RefusedError: it is not verified.
        StateError: a manifest is damaged.
    """
    if name is not None:
        plan = context.plans.find(name)
        reason = _why_not_verified(context, plan)
        if reason is not None:
            raise RefusedError("not_verified", f"plan {plan.id} {reason}")
        return plan
    newest = context.plans.newest_whole() or context.plans.find(None)
    partial = context.plans.partial_ids()
    for plan_id in reversed([plan_id for plan_id in context.plans.ids() if plan_id not in partial]):
        plan = context.plans.load(plan_id)
        if _why_not_verified(context, plan) is None:
            return plan
    reason = _why_not_verified(context, newest)
    raise RefusedError("not_verified", f"no plan of sync {context.name} holds: the newest one, {newest.id}, {reason}")


def _why_not_verified(context: SyncContext, plan: Plan) -> str | None:
    if plan.named is not None:
        return f"is of {plan.named.described}, and shows nothing of all others: prove a plan of all keys"
    verification = latest_verification(context, plan)
    if last_undo(context, plan):
        return "was undone"
    if verification is None:
        return "was not verified: run 'hyve verify' once it is applied"
    if not verification.verified:
        return f"was verified and differed: {verification.described}; run 'hyve sync'"
    if not is_verified(context, plan_status(context, plan)):
        return f"was applied after it was verified: run 'hyve verify --plan {plan.id}' again"
    return None


def find_evidence(context: SyncContext, plan: Plan) -> Evidence:
    """What a proof of a verified plan is made from.

    Raises:
        RefusedError: it was never verified.
        StateError: a manifest is missing or damaged.
    """
    verification = latest_verification(context, plan)
    if verification is None:
        raise RefusedError("not_verified", f"plan {plan.id} was not verified: run 'hyve verify --plan {plan.id}'")
    memory = context.memories.newest()
    if memory is not None and not _is_of(memory, plan):
        memory = None
    return _evidence(context, plan, verification, memory)


def evidence_of(
    context: SyncContext, plan_id: str, inventory: str, memory_id: str | None, listed: Mapping[Side, Inventory] | None
) -> Evidence:
    """What an earlier proof was made from; without the memory if that is no longer there.

    Args:
        context: the sync.
        plan_id: the plan's id.
        inventory: the id of the verification's inventory.
        memory_id: the id of the memory; None for a proof without, and where its files are not there.
        listed: listings to use instead of those of the proof.

    Raises:
        ConfigurationError: the plan or its verification is no longer in the state.
        StateError: a manifest is missing or damaged.
    """
    plan = context.plans.load(plan_id)
    verification = next((one for one in verifications(context, plan) if one.inventory == inventory), None)
    if verification is None:
        raise ConfigurationError(f"{context.state.uri}: it no longer has the verification of plan {plan_id}")
    memory = None if memory_id is None else context.memories.load(memory_id)
    return _evidence(context, plan, verification, memory, listed)


def _evidence(
    context: SyncContext,
    plan: Plan,
    verification: Verification,
    memory: Memory | None,
    listed: Mapping[Side, Inventory] | None = None,
) -> Evidence:
    if listed is None:
        source = context.inventories("source").load(plan.source_inventory)
        store = context.inventories("store").load(verification.inventory)
        listed = {"source": source, "store": store}
    last = order_of(verification.inventory)
    earlier = [one for one in verifications(context, plan) if order_of(one.inventory) <= last]
    contents = (one.content.file for one in earlier if one.content is not None)
    return Evidence(
        plan=plan,
        source=listed["source"],
        store=listed["store"],
        verification=verification,
        contents=tuple(file for file in contents if file is not None),
        memory=memory,
    )


def _is_of(memory: Memory, plan: Plan) -> bool:
    """Whether a memory is of the places of a plan."""
    return memory.source.is_same_place(plan.source) and memory.store.is_same_place(plan.store)


def used_files(context: SyncContext, evidence: Evidence) -> tuple[UsedFile, ...]:
    """All files that a proof is made from, by name, with their digests.

    Raises:
        StateError: one is missing or can't be read.
    """
    names = sorted(set(_names(context, evidence)))
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="digest") as pool:
        return tuple(pool.map(lambda name: digest_file(context, name), names))


def digest_file(context: SyncContext, name: str) -> UsedFile:
    """A file of the state with its bytes and digest.

    Raises:
        StateError: it is missing or can't be read.
    """
    digest = hashlib.sha256()
    size = 0
    with context.state.open(name) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return UsedFile(name=name, bytes=size, sha256=digest.hexdigest())


def _names(context: SyncContext, evidence: Evidence) -> Iterator[str]:
    plan = evidence.plan
    yield f"plans/{plan.id}/plan.json"
    if plan.shard_file is not None:
        yield plan.shard_file
    yield from (*plan.files["copy"], *evidence.changes)
    for inventory in (evidence.source, evidence.store):
        yield context.inventories(inventory.side).manifest_name(inventory)
        yield from inventory.files
    yield f"verifications/{plan.id}/{evidence.verification.inventory}.json"
    yield from evidence.contents
    if evidence.memory is not None:
        yield f"{MEMORY_FOLDER}/{evidence.memory.id}.json"
        yield from evidence.memory.files
    begun = begun_shards(context.state, plan.id)
    for shard in plan.shards_of("copy"):
        if shard.number in begun:
            yield from ShardJournal(context.state, plan.id, shard).files()
