"""Checks a proof against the state, or against the buckets."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.etags import differing_etags
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.model.inventory import SIDES, Inventory, Side
from hyve_pipeline.core.model.proof import Contents, How, PrefixRoot, Proof, RangeRoot
from hyve_pipeline.core.model.ranges import RangeDatabase, below, cut_ranges
from hyve_pipeline.core.runtime.progress import estimate
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import open_inventory
from hyve_pipeline.operations.inventory.take import take_inventories
from hyve_pipeline.operations.prove.evidence import digest_file, evidence_of, used_files
from hyve_pipeline.operations.prove.prove import PROVE, compute_contents, listing_of, verified_by
from hyve_pipeline.state.plans import MAPPED_FOLDER, MEMORY_FOLDER

# The most keys, prefixes or ranges that are named.
_EXAMPLES = 10


@dataclass
class Checked:
    """The result of a check.

    Attributes:
        differences: what is not as the proof has it, one line each; none if the proof holds.
        notes: what could not be checked.
    """

    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_state(context: SyncContext, proof: Proof) -> Checked:
    """Compute a proof again from the state, and compare.

    Raises:
        ConfigurationError: it is of another sync.
        StateError: the state can't be read.
    """
    _check_sync(context, proof)
    estimate(PROVE, proof.tree.objects)
    checked = Checked()
    has_memory = _check_files(context, proof, checked)
    if checked.differences:
        # What is computed from other files is something else.
        return checked
    memory = proof.memory if has_memory else None
    evidence = evidence_of(context, proof.plan, proof.store.inventory, memory, None)
    if has_memory:
        known = {file.name for file in proof.files}
        more = [file.name for file in used_files(context, evidence) if file.name not in known]
        checked.differences += _some(f"{name}: the state has this file, which the proof does not have" for name in more)
    found = {
        "planned": evidence.plan.created,
        "source": listing_of(evidence.source),
        "store": listing_of(evidence.store),
        "verification": verified_by(evidence.verification),
    }
    for name, value in found.items():
        if getattr(proof, name) != value:
            checked.differences.append(f"{name}: the state has {value!s}, the proof {getattr(proof, name)!s}")
    checked.differences += _compare(proof, compute_contents(context, evidence), has_memory=has_memory)
    return checked


def check_buckets(context: SyncContext, proof: Proof) -> Checked:
    """List both buckets again, and compare with a proof; its plan and journal must be in the state.

    Raises:
        ConfigurationError: it is of another sync, or the plan is no longer in the state, or the source no longer shows
            what it had at the time that the plan is of.
        BucketError: a bucket can't be reached.
        IncompleteInventoryError: a listing can't be proved complete.
        StateError: the state can't be read.
    """
    _check_sync(context, proof)
    checked = Checked()
    kept = [file.name for file in proof.files if file.name.partition("/")[0] not in ("inventories", MAPPED_FOLDER)]
    has_memory = _check_files(context, proof, checked, kept)
    if checked.differences:
        return checked
    plan = context.plans.load(proof.plan)
    # Other listings can't be compared with the plan.
    context = context.with_options(plan.options).with_mapping(plan.source.mapping)
    as_of = plan.as_of
    taken = take_inventories(context, SIDES, by_listing=True, as_of=None if as_of is None else as_of.time)
    for side in SIDES:
        place, was = taken[side].place, proof.listing(side)
        if place.uri != was.uri:
            raise ConfigurationError(f"the proof is of the {side} {was.uri}, and the sync's is {place.uri}")
    memory = proof.memory if has_memory else None
    evidence = evidence_of(context, proof.plan, proof.store.inventory, memory, taken)
    checked.differences += _compare(proof, compute_contents(context, evidence), has_memory=has_memory)
    if checked.differences:
        for side in SIDES:
            checked.differences += _changed_keys(context, proof, side, taken)
    return checked


def _check_sync(context: SyncContext, proof: Proof) -> None:
    if proof.sync != context.name:
        raise ConfigurationError(f"the proof is of sync {proof.sync}, not of {context.name}: use --sync {proof.sync}")


def _check_files(context: SyncContext, proof: Proof, checked: Checked, names: Iterable[str] | None = None) -> bool:
    """Compare the digests of the files that were used.

    Returns:
        Whether what was remembered is still there, if anything was.

    Later plans replace what is remembered. Without it the tree is the same; only what proves some leaves is not known.
    """
    wanted = None if names is None else set(names)
    if not context.plans.exists(proof.plan):
        checked.differences.append(
            f"plan {proof.plan} is no longer in {context.state.uri}: only the document itself was checked"
        )
        return False
    has_memory = True
    lines: list[str] = []
    for file in proof.files:
        if wanted is not None and file.name not in wanted:
            continue
        if not context.state.exists(file.name):
            if file.name.startswith(f"{MEMORY_FOLDER}/"):
                has_memory = False
            else:
                lines.append(f"{file.name}: is no longer in {context.state.uri}")
        elif digest_file(context, file.name) != file:
            lines.append(f"{file.name}: is not the file that the proof was made from")
    checked.differences += _some(lines)
    if not has_memory:
        copied = counted(proof.proved_by[How.REMEMBERED].objects, "object was", "objects were")
        checked.notes.append(
            f"what was remembered of earlier copies has been replaced by later plans: that {copied} copied earlier is "
            "not checked"
        )
    return has_memory


def _compare(proof: Proof, found: Contents, *, has_memory: bool) -> Iterator[str]:
    proved = [{how.value: count for how, count in one.proved_by.items()} for one in (proof, found)]
    if not has_memory:
        for one in proved:
            one[How.NOT_PROVED.value] += one.pop(How.REMEMBERED.value)
    unlike = [{name.value: count for name, count in one.not_in_tree.items()} for one in (proof, found)]
    for was, now in (proved, unlike):
        for name in was:
            if was[name] != now[name]:
                yield f"{name}: {_shown(now[name])}; the proof has {_shown(was[name])}"
    was, now = proof.tree, found.tree
    if was == now:
        return
    if was.root != now.root:
        yield f"the root is {now.root} ({_shown(now)}); the proof has {was.root} ({_shown(was)})"
    yield from _some(_differing({one.prefix: one for one in was.prefixes}, {one.prefix: one for one in now.prefixes}))
    if was.other_prefixes != now.other_prefixes:
        yield "keys of other prefixes: the root differs"
    if was.ranges != now.ranges:
        first = next((one for one in was.ranges if one not in now.ranges), None)
        if first is not None:
            yield f"the first range that differs: {_range(first)}"


def _differing(was: Mapping[str, PrefixRoot], now: Mapping[str, PrefixRoot]) -> Iterator[str]:
    for prefix in sorted(was.keys() | now.keys()):
        before, after = was.get(prefix), now.get(prefix)
        if before != after:
            name = displayed(prefix) if prefix else "keys without /"
            yield f"{name}: {_shown(after)}; the proof has {_shown(before)}" + (
                ", with another root" if after is not None and before is not None else ""
            )


def _shown(count: Any) -> str:
    return "none" if count is None else f"{counted(count.objects)}, {counted(count.bytes, 'byte')}"


def _range(found: RangeRoot) -> str:
    return f"{displayed(found.first_key)} to {displayed(found.last_key)}"


def _some(lines: Iterable[str]) -> list[str]:
    found = list(lines)
    more = len(found) - _EXAMPLES
    return [*found[:_EXAMPLES], *([f"and {more:,} more"] if more > 0 else [])]


def _changed_keys(context: SyncContext, proof: Proof, side: Side, taken: Mapping[Side, Inventory]) -> list[str]:
    """The keys of a bucket that are not as they were listed, if that listing is still in the state."""
    shelf = context.inventories(side)
    inventory = proof.listing(side).inventory
    if not shelf.exists(inventory):
        return []
    before = shelf.load(inventory)
    prefix = before.place.prefix
    another = "has other versions" if before.versions == "all" else "is another object"
    sql = f"""
        WITH was AS (SELECT {below(prefix)} AS key, size, etag FROM was_rows),
        now AS (SELECT {below(prefix)} AS key, size, etag FROM now_rows)
        SELECT coalesce(w.key, n.key) AS key,
            CASE WHEN n.key IS NULL THEN 'is gone' WHEN w.key IS NULL THEN 'is new' ELSE '{another}' END
        FROM was w FULL OUTER JOIN now n ON w.key = n.key
        WHERE (coalesce(w.key, n.key) >= $first AND ($end IS NULL OR coalesce(w.key, n.key) < $end)) AND
            (w.key IS NULL OR n.key IS NULL OR w.size <> n.size OR {differing_etags("w.etag", "n.etag")})
        ORDER BY key"""  # noqa: S608 - no untrusted text: the prefix is only counted
    lines: list[str] = []
    columns = ["key", "size", "etag"]
    with (
        open_inventory(context.state, before, columns) as was,
        open_inventory(context.state, taken[side], columns) as now,
        RangeDatabase() as database,
    ):
        for key_range in cut_ranges([*was.chunks, *now.chunks], context.bounds.range_rows):
            tables = {"was_rows": was.read(key_range), "now_rows": now.read(key_range)}
            with database.showing(tables) as connection:
                bounds = {"first": key_range.first, "end": key_range.end}
                found = connection.execute(sql, bounds).fetchall()
            lines += [f"{side}: {displayed(key)} {what}" for key, what in found]
            if len(lines) > _EXAMPLES:
                return [*lines[:_EXAMPLES], f"{side}: and more"]
    return lines
