"""Renders a plan and its progress as one self-contained HTML page.

The page has no script and no external resource, and its Content-Security-Policy forbids both, in case something is
injected. Text from a bucket is escaped for the reader by `core.base.keys.displayed`, and for HTML by the template
engine, which escapes everything by default. Charts are SVG elements of the page, whose texts the XML library has
escaped.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from hyve_pipeline.core.base.codes import in_words
from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.keys import displayed, printable
from hyve_pipeline.core.base.money import in_dollars
from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.model.diff import ChangeSet, sets_of
from hyve_pipeline.core.model.estimate import estimate_text
from hyve_pipeline.core.model.plan import ALL_VERSIONS, Plan
from hyve_pipeline.core.model.safety_rules import ACTIONS
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import last_undo, plan_status, unsettled_rows
from hyve_pipeline.operations.plan.summary import summarize_plan
from hyve_pipeline.operations.prove.read import newest_proof
from hyve_pipeline.operations.verify.read import latest_verification
from hyve_pipeline.report.chart import STYLE, svg
from hyve_pipeline.report.pictures import charts_of

_TEMPLATE = "page.html.jinja"

# The most rows of the table of prefixes.
_MOST_PREFIXES = 100

# What becomes of the sets that the plan does not act on.
_UNTOUCHED = {
    ChangeSet.UNCHANGED: "no action",
    ChangeSet.SKIPPED: "no action",
    ChangeSet.EXCLUDED: "left out by filters or the mapping",
}


def render_page(sync: SyncContext, plan: Plan, *, most_shards: int = 300, most_unsettled: int = 100) -> str:
    """The page of one plan, with its current progress.

    Args:
        sync: the sync.
        plan: the plan.
        most_shards: the most rows of the table of shards.
        most_unsettled: the most rows of the table of objects that failed or were skipped.

    Raises:
        StateError: a file of the plan or of its journal is damaged or can't be read.
    """
    # Imported late: only this page needs it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "key": displayed,
        "message": printable,
        "in_words": in_words,
        "size": readable_bytes,
        "number": "{:,}".format,
        "objects": counted,
        "moment": _moment,
        "dollars": in_dollars,
        "estimate": estimate_text,
    }
    status = plan_status(sync, plan)
    summary = summarize_plan(sync.state, plan)
    unsettled = list(islice(unsettled_rows(sync, status), most_unsettled + 1))
    return environment.get_template(_TEMPLATE).render(
        plan=plan,
        all_versions=ALL_VERSIONS,
        estimate=plan.estimate,
        now=datetime.now(UTC),
        counts=[
            (name, name.act(plan.has_histories) or _UNTOUCHED[name], plan.count(name))
            for name in sets_of(plan.options)
            if _is_shown(plan, name)
        ],
        options=list(_unusual_options(plan.options)),
        status=status,
        is_undone=last_undo(sync, plan) > 0,
        actions=[(action, plan.total(action).objects, status.tally(action)) for action in ACTIONS],
        shards=[(plan.partition_key(entry.shard), entry) for entry in status.shards[:most_shards]],
        unlisted_shards=max(len(status.shards) - most_shards, 0),
        unsettled=unsettled[:most_unsettled],
        has_more_unsettled=len(unsettled) > most_unsettled,
        verification=latest_verification(sync, plan),
        proof=newest_proof(sync, plan),
        most_prefixes=_MOST_PREFIXES,
        summary=summary,
        charts=[svg([chart]) for chart in charts_of(summary)],
        chart_style=STYLE,
    )


def _is_shown(plan: Plan, name: ChangeSet) -> bool:
    return name not in (ChangeSet.ALTERED, ChangeSet.SKIPPED, ChangeSet.EXCLUDED) or plan.count(name).objects > 0


def _unusual_options(options: Options) -> Iterator[tuple[str, str]]:
    """The options that differ from their defaults."""
    defaults = Options()
    for name in Options.model_fields:
        value: Any = getattr(options, name)
        if value != getattr(defaults, name):
            yield name, ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
