"""What is printed of restores: what was asked for, and what became of it."""

from typing import Any

from hyve_pipeline.cli.output import say, warn
from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.model.restore import RestoreStatus, RestoreSummary

# What S3 answers, for the reader, in the order in which it is said.
_WORDS = {
    "asked": "asked for",
    "in_progress": "in progress already",
    "restored": "restored already",
    "readable": "not archived any more",
    "gone": "gone",
    "failed": "failed",
}


def restore_document(summary: RestoreSummary, status: RestoreStatus) -> dict[str, Any]:
    """What was asked for, and what became of all that was, as the JSON documents have it."""
    outcomes = {name: summary.outcomes.get(name, 0) for name in _WORDS}
    return {
        "days": summary.days,
        "tier": summary.tier,
        **outcomes,
        "asked_before": summary.waiting,
        "bytes": summary.bytes,
        "restores": status.model_dump(),
    }


def describe_restore(summary: RestoreSummary) -> None:
    """Print as text what was asked for."""
    asked = counted(summary.outcomes.get("asked", 0), "archived object")
    say(f"restore: {asked} asked for ({readable_bytes(summary.bytes)}), by {summary.tier}, for {summary.days} days")
    others = [f"{summary.outcomes[name]:,} {words}" for name, words in _WORDS.items() if summary.outcomes.get(name)]
    if summary.waiting:
        others.append(f"{summary.waiting:,} asked for before")
    if others and others != [f"{summary.outcomes.get('asked', 0):,} asked for"]:
        say(f"  {', '.join(others)}")
    if summary.example is not None:
        warn(f"warning: {counted(summary.failed)} could not be asked for: {displayed(summary.example)}")


def describe_restores(status: RestoreStatus) -> None:
    """Print as text what became of all that was asked for; nothing where that is nothing."""
    if status.total:
        say(
            f"restores: {status.waiting:,} waiting, {status.restored:,} restored, {status.expired:,} expired, "
            f"{status.changed:,} changed, as of the source's newest listing"
        )
