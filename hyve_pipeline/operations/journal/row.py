"""The row of the journal that says how one planned object ended."""

from datetime import UTC, datetime
from typing import Any

from hyve_pipeline.core.model.journal import JournalRow, Outcome
from hyve_pipeline.core.model.planned_object import PlannedObject
from hyve_pipeline.core.model.safety_rules import Action


def ended(
    planned: PlannedObject,
    action: Action,
    outcome: Outcome,
    code: str | None = None,
    detail: str | None = None,
    **more: Any,
) -> JournalRow:
    """The row of an object that has just ended, with the size and the store's ETag of the plan.

    Args:
        planned: the object.
        action: what was done with it.
        outcome: how it ended.
        code: the code of a failure, or why it was skipped.
        detail: the same in words.
        more: other fields of the row.
    """
    fields: dict[str, Any] = {"bytes": planned.size, "etag_before": planned.store_etag, **more}
    return JournalRow(
        key=planned.key, action=action, outcome=outcome, at=datetime.now(UTC), code=code, detail=detail, **fields
    )
