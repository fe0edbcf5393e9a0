"""What commands print: JSON documents for scripts, a few lines of text for users. Keys are always escaped."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TextIO

import click

from hyve_pipeline.cli.first_sign import hide_sign
from hyve_pipeline.cli.modes import is_hushed
from hyve_pipeline.core.base.codes import in_words
from hyve_pipeline.core.base.counts import counted, noun
from hyve_pipeline.core.base.errors import RefusedError
from hyve_pipeline.core.base.keys import displayed, printable
from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.base.widths import columns_of, shortened_key
from hyve_pipeline.core.model.diff import LIST_NAMES, ChangeSet, planned_sets
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action, Refusal
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.core.model.verification import Verification
from hyve_pipeline.operations.context import SyncContext

# A key is never shortened to fewer columns than these.
_LEAST_KEY = 16


def say_in_columns(*columns: str) -> None:
    """Print a line of columns on standard output, or a line each where they are too wide for the terminal."""
    line = "  ".join(columns)
    if not sys.stdout.isatty() or columns_of(line) <= shutil.get_terminal_size().columns:
        say(line)
        return
    for number, column in enumerate(columns):
        say(f"    {column}" if number else column.rstrip())


def fitting(key: str, taken: int, share: int = 1) -> str:
    """A key, escaped; on a terminal, shortened in its middle so that its line is no wider.

    Args:
        key: the key.
        taken: how many columns the rest of the line takes.
        share: how many keys share what is left.
    """
    if not sys.stdout.isatty():
        return displayed(key)
    return shortened_key(key, max(_LEAST_KEY, (shutil.get_terminal_size().columns - taken) // share))


def _sets(plan: Plan) -> tuple[ChangeSet, ...]:
    """The sets of a plan that are always shown."""
    return (*planned_sets(plan.options), ChangeSet.ALTERED, ChangeSet.UNCHANGED, ChangeSet.SKIPPED)


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document on standard output."""
    hide_sign()
    click.echo(json.dumps(document, indent=2))


def say(line: str = "", colour: str | None = None, *, bold: bool = False) -> None:
    """Print a line of text on standard output, unless it is hushed; keys in it go through `displayed` first.

    Args:
        line: the line.
        colour: its colour on a terminal.
        bold: whether it is bold on a terminal.
    """
    if not is_hushed():
        hide_sign()
        click.echo(_painted(line, sys.stdout, colour, bold=bold))


def say_lines(lines: Iterable[str], colour: str | None = None) -> None:
    """Print several lines at once, each as `say` does."""
    if not is_hushed():
        click.echo("\n".join(_painted(line, sys.stdout, colour) for line in lines))


def warn(line: str, colour: str | None = None) -> None:
    """Print a line of text on standard error; keys in it go through `displayed` first."""
    # Not by `click.echo`: it goes around the bars, and the line begins behind what they show.
    sys.stderr.write(_painted(line, sys.stderr, colour) + "\n")
    sys.stderr.flush()


def _painted(line: str, stream: TextIO, colour: str | None, *, bold: bool = False) -> str:
    line = printable(line)
    if (colour is None and not bold) or not stream.isatty():
        return line
    # https://no-color.org
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return line
    return click.style(line, fg=colour, bold=bold or None)


def refusal_document(refusal: Refusal | None) -> dict[str, str] | None:
    """A refusal as the JSON documents have it."""
    return None if refusal is None else {"rule": refusal.rule, "detail": refusal.detail}


@contextmanager
def printing_refusal(sync: SyncContext, *, as_json: bool) -> Iterator[None]:
    """A block that makes a plan: where a rule refuses to make one, that is the document that scripts get.

    Raises:
        RefusedError: the block was refused.
    """
    try:
        yield
    except RefusedError as error:
        if as_json:
            print_json({"sync": sync.name, "plan": None, "refused": {"rule": error.rule, "detail": error.detail}})
        raise


def list_files(sync: SyncContext, plan: Plan) -> dict[str, str]:
    """The paths of a plan's lists, by name; that of altered objects only if there are any."""
    sets = [name for name in _sets(plan) if name is not ChangeSet.ALTERED or plan.count(name).objects]
    names = [LIST_NAMES[name] for name in sets if name in LIST_NAMES]
    return {name: sync.lists.uri_of(f"{name}.txt") for name in names}


def estimate_document(plan: Plan) -> dict[str, Any] | None:
    """What a plan costs, as the JSON documents have it; None for a plan of an earlier version."""
    estimate = plan.estimate
    if estimate is None:
        return None
    steps = {
        step.value: {
            "requests": one.by_operation,
            "bytes": one.bytes,
            "retrieved": one.retrieved,
            "early_deletion_byte_days": one.early_deletion,
            "kms_calls": one.kms_calls,
            "cost": None if one.cost is None else str(one.cost),
            "seconds": one.seconds,
        }
        for step, one in estimate.steps.items()
    }
    return {
        "requests": estimate.by_operation,
        "bytes": estimate.bytes,
        "cost": None if estimate.cost is None else str(estimate.cost),
        "seconds": estimate.seconds,
        "prices": None if estimate.prices is None else estimate.prices.model_dump(mode="json"),
        "unpriced": estimate.unpriced,
        **({} if estimate.batch is None else {"batch": estimate.batch.model_dump(mode="json")}),
        "steps": steps,
    }


def plan_document(sync: SyncContext, plan: Plan) -> dict[str, Any]:
    """A plan as `dryrun --json` prints it."""
    counts = {name.value: plan.count(name).model_dump() for name in _sets(plan)}
    refusal = next(iter(plan.refusals), None)
    return {
        "sync": sync.name,
        "plan": plan.id,
        **_of(plan),
        **counts,
        "refused": refusal_document(refusal),
        "files": list_files(sync, plan),
        "estimate": estimate_document(plan),
    }


def _of(plan: Plan) -> dict[str, Any]:
    """The reports, the earlier time, the keys or the versions that a plan is of, if it is of such."""
    found: dict[str, Any] = {}
    if plan.reports:
        found["reports"] = {
            side: {"uri": one.uri, "as_of": one.as_of.isoformat()} for side, one in plan.reports.items()
        }
    if plan.as_of is not None:
        found["as_of"] = plan.as_of.time.isoformat()
    if plan.named is not None:
        found["named"] = {
            "by": plan.named.by,
            "keys": plan.named.keys,
            "in_neither": plan.nowhere,
            "left_out": plan.named.left_out,
        }
    elif plan.has_histories:
        found["versions"] = "all"
    return found


def planned_objects(plan: Plan, action: Action) -> int:
    """How many objects a plan copies or deletes."""
    return plan.total(action).objects


def describe_status(status: PlanStatus) -> None:
    """Print the progress of a plan as text."""
    say(f"state: {status.state}" + (" (nothing to do)" if status.state == "empty" else ""))
    planned = {action: planned_objects(status.plan, action) for action in ACTIONS}
    width = max(len(counted(objects)) for objects in planned.values())
    for action, word in zip(ACTIONS, ("copied", "deleted"), strict=True):
        tally = status.tally(action)
        if planned[action]:
            line = f"  {word:<10}{tally.done:>12,} of {counted(planned[action]):<{width}}"
            line += f"  {readable_bytes(tally.bytes):>10}"
            line += f", {tally.skipped:,} skipped" if tally.skipped else ""
            say(line + (f", {tally.failed:,} failed" if tally.failed else ""))
    for code, objects in sorted(status.reasons().items()):
        say(f"    {objects:,} {in_words(code)}")
    for what, objects in sorted(status.without.items()):
        say(f"    {objects:,} copied without {what}")
    warn_of_lacks(status)


def say_what_servers_lack(status: PlanStatus) -> None:
    """Print as text what servers turned out not to support, where nothing is lost."""
    for lack in status.lacks:
        if lack.is_minor:
            say(f"note: {displayed(lack.described)}")


def warn_of_lacks(status: PlanStatus) -> None:
    """Print as text what servers turned out not to support while a plan was applied."""
    for lack in status.lacks:
        if not lack.is_minor:
            warn(f"warning: {displayed(lack.described)}")


def describe_shards(status: PlanStatus) -> None:
    """Print the progress of each shard of a plan as text."""
    for entry in status.shards:
        shard = entry.shard
        figures = f"{shard.objects:>9,} {noun(shard.objects):<7}  {readable_bytes(shard.bytes):>10}"
        # Of a line of their own, where all is too wide for one.
        first, last = (fitting(key, len(f"    {figures}   to "), 2) for key in (shard.first_key, shard.last_key))
        say_in_columns(
            f"  {status.plan.partition_key(shard)}  {shard.action:<6}  {entry.state:<8}",
            f"{figures}  {first} to {last}",
        )


def status_document(status: PlanStatus, *, with_shards: bool = False) -> dict[str, Any]:
    """A plan and its progress, as `plans --json` and `show --json` print it."""
    plan = status.plan
    document: dict[str, Any] = {
        "plan": plan.id,
        "sync": plan.sync,
        "created": plan.created.isoformat(),
        "state": status.state,
        **_of(plan),
        **{name.value: plan.count(name).model_dump() for name in _sets(plan)},
        "refused": refusal_document(next(iter(status.refusals), None)),
        "skipped_examples": [{"key": key, "reason": reason} for key, reason in plan.skipped_examples],
        "transfer": {"by": plan.transfer.by, "reason": plan.transfer.reason},
        "estimate": estimate_document(plan),
    }
    for action in ACTIONS:
        tally = asdict(status.tally(action))
        document[action] = {"planned": planned_objects(plan, action), **tally}
    document["reasons"] = status.reasons()
    document["without"] = status.without
    document["lacks"] = [lack.model_dump() for lack in status.lacks]
    if with_shards:
        document["shards"] = [
            {
                "partition": plan.partition_key(entry.shard),
                "action": entry.shard.action,
                "state": entry.state.value,
                "objects": entry.shard.objects,
                "bytes": entry.shard.bytes,
                "first_key": entry.shard.first_key,
                "last_key": entry.shard.last_key,
                "run": entry.run_id,
            }
            for entry in status.shards
        ]
    return document


def _whole(objects: int) -> str:
    """All objects of the store, and the verb."""
    if objects == 0:
        return "the store is empty,"
    return "the only object of the store is" if objects == 1 else f"all {objects:,} objects of the store are"


def describe_verified(outcome: Verification) -> None:
    """Print as text what an earlier verification of a plan has found."""
    found = f"{counted(outcome.objects)} as planned" if outcome.verified else outcome.described
    say(f"{'verified' if outcome.verified else 'not verified'} {outcome.ended:%Y-%m-%d %H:%M} UTC: {found}")


def describe_verification(sync: SyncContext, outcome: Verification) -> None:
    """Print as text whether the store is as the plan requires."""
    if outcome.content is not None:
        compared = outcome.content
        say(
            f"content: {counted(compared.objects)} compared, {readable_bytes(compared.bytes)} "
            f"({compared.by_checksum:,} by stored checksum, {counted(compared.gets, 'GET')})"
            + "".join(f", {count:,} not: {reason}" for reason, count in compared.skipped.items())
        )
    if outcome.since_report:
        warn(
            f"warning: {counted(outcome.since_report)} of the store were written since its report, by an earlier plan "
            "or by somebody else, and are not compared: the next report has them"
        )
    if outcome.since_plan:
        say(
            f"{counted(outcome.since_plan)} of the store {'is' if outcome.since_plan == 1 else 'are'} as later plans "
            "of events or lists left them"
        )
    if outcome.verified:
        say(f"verified: {_whole(outcome.objects)} as plan {outcome.plan} has {'it' if outcome.objects < 2 else 'them'}")
        return
    figures = ", ".join(f"{count:,} {kind.described}" for kind, count in outcome.differences.items())
    warn(f"not verified: the store differs from plan {outcome.plan} ({figures})")
    for kind, key in outcome.examples:
        warn(f"  {kind.value}: {displayed(key)}")
    if sum(outcome.differences.values()) > len(outcome.examples):
        warn(f"  all of them: {sync.state.uri_of(outcome.file)}")
