"""A plan as text: its sets with their first keys, the totals in one line, and the command to type next."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from hyve_pipeline.cli.options import ALL_KEYS
from hyve_pipeline.cli.output import fitting, say, say_lines, warn
from hyve_pipeline.cli.typed import retyped, typed
from hyve_pipeline.core.base.counts import counted, noun
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.money import in_dollars
from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.base.widths import columns_of
from hyve_pipeline.core.model.diff import ACTION_OF, ChangeSet, planned_sets
from hyve_pipeline.core.model.estimate import estimate_text
from hyve_pipeline.core.model.listed_row import ListedRow
from hyve_pipeline.core.model.plan import ALL_VERSIONS, Plan
from hyve_pipeline.core.model.safety_rules import ACTIONS, AS_OF, ONE_BUCKET, Action, Refusal
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.core.model.verification import Verification
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import last_undo, plan_status
from hyve_pipeline.operations.plan.listed_rows import listed_rows
from hyve_pipeline.operations.verify.read import is_verified, latest_verification

# The sign and the colour of each set whose keys are shown.
_SIGNS = {
    ChangeSet.NEW: ("+", "green"),
    ChangeSet.MODIFIED: ("~", "yellow"),
    ChangeSet.DRIFTED: ("~", "yellow"),
    ChangeSet.DUPLICATE: ("-", "red"),
    ChangeSet.ALTERED: ("!", "magenta"),
    ChangeSet.SKIPPED: ("!", "magenta"),
}

# The sets that are shown only if there are any.
_RARE = (ChangeSet.ALTERED, ChangeSet.SKIPPED, ChangeSet.EXCLUDED)

# What becomes of the objects of sets that a plan does not act on.
_UNTOUCHED = {ChangeSet.SKIPPED: "left as it is", ChangeSet.EXCLUDED: "left out"}

# What is done with an object of each set that changes objects of the store.
_LOSSES = {ChangeSet.MODIFIED: "overwrite", ChangeSet.DRIFTED: "repair", ChangeSet.DUPLICATE: "delete"}

_LINES_AT_ONCE = 1_000

# The number of a refused plan that the user would have to accept, by rule.
_ACCEPTED = {"max_deletes": ChangeSet.DUPLICATE, "max_overwrites": ChangeSet.MODIFIED}


def describe_plan(plan: Plan, sync: SyncContext | None = None, *, keys: int = 0) -> None:
    """Print the sets of a plan as text.

    Args:
        plan: the plan.
        sync: its sync; without it no keys are shown.
        keys: how many keys of each set are shown at most.

    Raises:
        StateError: a file of the plan is damaged or can't be read.
    """
    say(f"plan {plan.id}: {plan.source.uri} to {plan.store.uri}")
    for side, origin in plan.origins.items():
        say(f"  {side} from {origin}")
    if plan.as_of is not None:
        say(f"of {plan.as_of.described}")
    if plan.named is not None:
        nowhere = f", {plan.nowhere:,} of them in neither bucket" if plan.nowhere else ""
        say(f"of {plan.named.described}{nowhere}; no other key was looked at")
    if plan.has_histories:
        say(ALL_VERSIONS)
    for name in (*planned_sets(plan.options), *_RARE[:-1], ChangeSet.UNCHANGED, ChangeSet.EXCLUDED):
        count = plan.count(name)
        if name in _RARE and not count.objects:
            continue
        sign, colour = _SIGNS.get(name, (" ", None))
        size = readable_bytes(count.bytes)
        # After the figures: scripts find a set's count right behind its name.
        act = _UNTOUCHED.get(name) or name.act(plan.has_histories)
        line = f"  {sign} {name.value:<11}{count.objects:>12,} {noun(count.objects):<7}  {size:>10}"
        say(line + (f"  ({act})" if act else ""), colour if count.objects else None)
        if sync is not None and keys and name in _SIGNS:
            _describe_keys(sync, plan, name, keys)
    if plan.count(ChangeSet.NEW).objects + plan.count(ChangeSet.MODIFIED).objects:
        say(f"copies {plan.transfer.described}")
    if plan.moved.objects:
        say(f"moved: {counted(plan.moved.objects)} ({readable_bytes(plan.moved.bytes)}) of these within the store")
    _warn_of_plan(plan)


def _describe_keys(sync: SyncContext, plan: Plan, name: ChangeSet, most: int) -> None:
    sign, colour = _SIGNS[name]
    shown = 0
    rows = listed_rows(sync.state, plan, name, most)
    # Who asks for all wants to read them whole.
    is_whole = most == ALL_KEYS
    while lines := [_described_row(sign, row, plan, is_whole=is_whole) for row in islice(rows, _LINES_AT_ONCE)]:
        say_lines(lines, colour)
        shown += len(lines)
    left = plan.count(name).objects - shown
    if left:
        say(f"      and {left:,} more: --keys all")


def _described_row(sign: str, row: ListedRow, plan: Plan, *, is_whole: bool) -> str:
    size = "" if row.size is None else readable_bytes(row.size)
    begin = f"    {sign} {size:>8}  "
    why = f"  ({row.why})" if row.why else ""
    source = f"  from {displayed(plan.source.key_of(row.key))}" if plan.source.mapping else ""
    key = displayed(row.key) if is_whole else fitting(row.key, columns_of(f"{begin}{source}{why}"))
    return f"{begin}{key}{source}{why}"


def _warn_of_plan(plan: Plan) -> None:
    altered = plan.count(ChangeSet.ALTERED).objects
    if plan.has_histories:
        _warn_of_histories(altered, plan.count(ChangeSet.SKIPPED).objects)
        return
    if plan.named is None and not any(plan.count(name).objects for name in ChangeSet):
        places = f"{plan.source.uri} and {plan.store.uri}"
        warn(f"warning: {places} have no objects: check the names of buckets and prefixes")
    if altered:
        who = "by somebody else" if "store" not in plan.reports else "by somebody else, or were copied since the report"
        warn(
            f"warning: {counted(altered)} of the store changed since they were copied, {who}, and are kept: "
            'set options.altered = "overwrite" to copy them again'
        )
    if plan.newer:
        warn(
            f"warning: {counted(plan.newer)} of the store are newer than the report of the source, which lacks them; "
            "they stay, and the next report shows whether the source has them"
        )
    archived = plan.count(ChangeSet.SKIPPED).objects - plan.unpinned - plan.newer
    if archived:
        warn(
            f"warning: {counted(archived, 'archived object')} can't be read now; skipped, "
            "and what the store has of them stays"
        )
    if plan.unpinned:
        warn(
            f"warning: the server gives no ETag of {counted(plan.unpinned)}, so copies can't be pinned to it; "
            "skipped, and what the store has of them stays"
        )
    if plan.future is not None:
        warn(
            f"warning: the source dates {counted(plan.future.objects)} in the future, such as "
            f"{displayed(plan.future.key)} ({plan.future.last_modified:%Y-%m-%d %H:%M} UTC): until then a copy that "
            "Hyve does not remember counts as modified; set the clock that is wrong, this machine's or that of the "
            "source's server"
        )
    if plan.uncompared:
        reasons = ", ".join(f"{objects:,} {reason}" for reason, objects in sorted(plan.uncompared.items()))
        warn(
            f"warning: headers, metadata and tags of {counted(sum(plan.uncompared.values()), 'unchanged object')} "
            f"were not compared: {reasons}"
        )


def _warn_of_histories(altered: int, skipped: int) -> None:
    if altered:
        warn(
            f"warning: {counted(altered, 'key')} of the store have versions that the source does not have in their "
            "place, and are left as they are: 'hyve show --keys all' says why"
        )
    if skipped:
        warn(
            f"warning: {counted(skipped, 'key')} skipped, and what the store has of them stays: versions are archived, "
            "or the server does not show their order"
        )


def warn_of_loss(plan: Plan, actions: Iterable[Action] = ACTIONS) -> None:
    """Warn in one line if what these actions overwrite and delete is kept nowhere."""
    wanted = set(actions)
    lost = [
        counted(plan.count(name).objects, word)
        for name, word in _LOSSES.items()
        if ACTION_OF[name] in wanted and plan.count(name).objects and plan.keeps(name) is False
    ]
    if not lost:
        return
    versions = "no new versions (versioning is suspended)" if plan.versioning == "suspended" else "no versions"
    trash = "there is no trash" if plan.options.trash is None else "the trash has nothing of repairs"
    warn(
        f"warning: {' and '.join(lost)} can't be undone: {plan.store.uri} keeps {versions} and {trash}; "
        f"enable versioning{', or set options.trash' if plan.options.trash is None else ''}"
    )


def describe_refusals(refusals: Iterable[Refusal]) -> None:
    """Print as text what the safety rules forbid, and what overrides them."""
    # One rule may refuse both actions.
    for line in dict.fromkeys(refusal.described for refusal in refusals):
        warn(f"! {retyped(line)}", "red")


def describe_totals(plan: Plan) -> None:
    """Print in one line what a plan does, and in another what it costs."""
    if plan.estimate is not None and not plan.is_empty:
        say(f"estimate: {estimate_text(plan.estimate)}")
    say(total_line(plan), bold=True)


def total_line(plan: Plan) -> str:
    """What a plan does, in one line."""
    return "Plan: " + ", ".join(_totals(plan))


def _totals(plan: Plan) -> Iterator[str]:
    if plan.is_empty:
        yield "nothing to do"
    else:
        new = plan.count(ChangeSet.NEW)
        yield f"{new.objects:,} to copy" + (f" ({readable_bytes(new.bytes)})" if new.objects else "")
        yield f"{plan.count(ChangeSet.MODIFIED).objects:,} to {'continue' if plan.has_histories else 'overwrite'}"
        if plan.count(ChangeSet.DRIFTED).objects:
            yield f"{plan.count(ChangeSet.DRIFTED).objects:,} to repair"
        yield f"{plan.count(ChangeSet.DUPLICATE).objects:,} to delete"
    if plan.count(ChangeSet.ALTERED).objects:
        yield f"{plan.count(ChangeSet.ALTERED).objects:,} altered"
    if plan.count(ChangeSet.SKIPPED).objects:
        yield f"{plan.count(ChangeSet.SKIPPED).objects:,} skipped"
    yield f"{plan.count(ChangeSet.UNCHANGED).objects:,} unchanged"


def describe_lists(files: Mapping[str, str]) -> None:
    """Print where the lists of a plan are, by the paths of `list_files`."""
    paths = [path.rpartition("/") for path in files.values()]
    say(f"lists in {paths[0][0]}: {', '.join(name for _, _, name in paths)}")


def describe_next(
    sync: SyncContext,
    status: PlanStatus,
    *,
    is_undone: bool,
    has_failed: bool = False,
) -> None:
    """Print the command to type next, if there is one, and the one that continues the last plan of all keys."""
    verification = latest_verification(sync, status.plan) if is_verified(sync, status) else None
    command = next_command(status, is_undone=is_undone, has_failed=has_failed, verification=verification)
    if command is not None:
        say(f"next: {typed(of_plan(sync, command, status.plan))}")
    if status.plan.named is None or not _is_newest(sync, status.plan):
        return
    whole = sync.plans.newest_whole()
    if whole is None or last_undo(sync, whole):
        return
    command = next_command(plan_status(sync, whole), is_undone=False)
    if command is not None and command.split()[0] in ("copy", "delete", "retry"):
        continues = typed(of_plan(sync, command, whole))
        say(f"plan {whole.id} of all keys is not finished: '{continues}' continues it")


def of_plan(sync: SyncContext, command: str, plan: Plan) -> str:
    """A command with the option that names the plan, if it takes one and would take another one without."""
    takes_plan = command.split()[0] in ("copy", "delete", "retry", "verify", "work")
    return f"{command} --plan {plan.id}" if takes_plan and not _is_newest(sync, plan) else command


def _is_newest(sync: SyncContext, plan: Plan) -> bool:
    """Whether commands take the plan where none is named."""
    return sync.plans.default_id() in (None, plan.id)


def next_command(
    status: PlanStatus,
    *,
    is_undone: bool,
    has_failed: bool = False,
    verification: Verification | None = None,
) -> str | None:
    """The command with which a plan goes on, without the options that choose home, sync and plan.

    Args:
        status: how far the plan came.
        is_undone: it was undone, in whole or in part.
        has_failed: the last command on it was cut short.
        verification: the last verification, if nothing was applied since.

    Returns:
        None where there is nothing to do.
    """
    if any(refusal.rule in (ONE_BUCKET, "empty_source") for refusal in status.refusals):
        return "doctor"
    if status.state == "empty":
        return None
    if is_undone:
        return "dryrun"
    if status.state == "finished" and verification is not None:
        return None if verification.verified else "dryrun"
    if status.state == "finished":
        return "verify"
    if status.state == "failed" or has_failed:
        return "retry"
    action: Action = "copy" if status.unfinished("copy") else "delete"
    refusal = status.refusal(action)
    if refusal is not None and refusal.rule == AS_OF:
        return "verify"
    if refusal is None:
        return action
    accepted = _accepted(status.plan, refusal.rule)
    return action if accepted is None else f"{action} --{refusal.rule.replace('_', '-')} {accepted}"


def _accepted(plan: Plan, rule: str) -> str | None:
    """The value of the option by which the user accepts a plan that a rule refuses; None if there is none."""
    if rule == "max_deletes" and plan.has_histories:
        return str(plan.figures.hidden)
    if rule in _ACCEPTED:
        return str(plan.count(_ACCEPTED[rule]).objects)
    if rule == "max_cost" and plan.figures.cost is not None:
        return in_dollars(plan.figures.cost).removeprefix("$").replace(",", "")
    if rule == "max_duration" and plan.figures.seconds is not None:
        return f"{-(-plan.figures.seconds // 60)}min"
    return None
