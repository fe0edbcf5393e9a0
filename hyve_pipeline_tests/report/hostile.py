"""Plans whose keys and other untrusted texts contain markup and control characters."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hyve_pipeline.core.model.journal import JournalRow, Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.verification import Difference, Verification
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline.state.journals import shard_journals
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory

# Each is also a prefix, so that the pictures contain it too.
HOSTILE_KEYS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "](javascript:alert(1))",
    "![x](https://example.org/x.png)",
    "{{ 7 * 7 }}{% for x in [1] %}",
    "</style><!--",
    "&lt;b&gt;&#x3c;",
    "\x00\x1b[2J\x07",
    "\u202egpj.exe",
    "\u05d0\u0628\u200f",
    "\U0001f468\u200d\U0001f469\ufffe\ue000\U000e0041",
    "e\u0301\u0300\u0300",
    "line\nfeed\u2028",
    "\u5199\u771f" * 170,
    "a" * 1024,
)


def hostile_plan(home: Path, **options: Any) -> tuple[SyncContext, Plan]:
    """A plan that has each of the keys in each of its sets."""
    context = context_at(home, exclude=["<script>*</script>.never"], shard_objects=20, **options)
    keys = [name for key in HOSTILE_KEYS for name in (key, f"{key[:300]}/below")]
    source = {f"{kind}{key}"[:1024]: Entry(size=number + 1, time=9) for number, key in enumerate(keys) for kind in "mn"}
    store = {f"{kind}{key}"[:1024]: Entry(size=number) for number, key in enumerate(keys) for kind in "md"}
    diff = diff_inventories(
        context, written_inventory(context, "source", source), written_inventory(context, "store", store)
    )
    return context, freeze_plan(context, diff)


def begin(context: SyncContext, plan: Plan) -> None:
    """Let each object of the plan fail, with a message as hostile as its key, and be missing at the verification."""
    now = datetime.now(UTC)
    for shard, journal in shard_journals(context.state, plan):
        with journal.claimed(context.actor) as claim, journal.begin(claim, "a run", now) as writer:
            for key in (shard.first_key, shard.last_key):
                writer.append(
                    JournalRow(
                        key=key,
                        action=shard.action,
                        outcome=Outcome.FAILED,
                        at=now,
                        code="<b onclick=alert(1)>",
                        detail=f"failed: <iframe src='https://example.org'> {key}",
                    )
                )
    folder = context.state.below(f"verifications/{plan.id}")
    verification = Verification(
        sync=context.name,
        plan=plan.id,
        ended=now,
        objects=1,
        differences={Difference.MISSING: len(HOSTILE_KEYS)},
        examples=tuple((Difference.MISSING, key) for key in HOSTILE_KEYS),
        inventory="",
        file="",
    )
    folder.write_manifest("one.json", verification)
