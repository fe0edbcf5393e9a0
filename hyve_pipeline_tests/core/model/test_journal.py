"""What counts of the rows of several attempts, also where they overlap."""

from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.model.journal import (
    ALREADY_DONE,
    ALREADY_GONE,
    BACK_IN_SOURCE,
    CHANGED,
    JournalRow,
    Outcome,
    merged_row,
)

_NOW = datetime(2024, 5, 6, tzinfo=UTC)
_ROW = JournalRow("key", "copy", Outcome.DONE, _NOW, etag_before="old", etag_after="new")


@dataclass(frozen=True)
class _Kind:
    outcome: Outcome
    code: str | None = None


_KINDS = st.sampled_from(
    [
        _Kind(Outcome.DONE),
        _Kind(Outcome.DONE, ALREADY_DONE),
        _Kind(Outcome.DONE, ALREADY_GONE),
        _Kind(Outcome.SKIPPED, CHANGED),
        _Kind(Outcome.SKIPPED, BACK_IN_SOURCE),
        _Kind(Outcome.FAILED, "InternalError"),
    ]
)

_ROWS = st.lists(
    st.builds(
        lambda kind, number, trashed: _ROW._replace(
            outcome=kind.outcome,
            code=kind.code,
            etag_before=f"before {number}",
            etag_after=f"after {number}",
            version_before=f"version {number}",
            trashed=trashed,
        ),
        _KINDS,
        st.integers(0, 99),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


def _merged(rows: list[JournalRow]) -> JournalRow:
    found: JournalRow | None = None
    for row in rows:
        found = merged_row(found, row)
    assert found is not None
    return found


@given(_ROWS)
def test_done_is_never_replaced(rows: list[JournalRow]) -> None:
    merged = _merged(rows)
    is_done = any(row.outcome is Outcome.DONE for row in rows)
    assert (merged.outcome is Outcome.DONE) == is_done
    if not is_done:
        assert merged == rows[-1]
    # What an undo needs comes from the first that changed something, and what it finds from the last.
    changes = [row for row in rows if row.outcome is Outcome.DONE and row.code is None]
    if changes:
        assert merged.code is None
        assert (merged.etag_before, merged.version_before) == (changes[0].etag_before, changes[0].version_before)
        assert merged.etag_after == changes[-1].etag_after
        assert merged.trashed == any(row.trashed for row in changes)


@given(_ROWS)
def test_rows_may_be_merged_in_parts(rows: list[JournalRow]) -> None:
    for cut in range(1, len(rows)):
        assert _merged([_merged(rows[:cut]), _merged(rows[cut:])]).outcome is _merged(rows).outcome
    assert _merged([*rows, rows[-1]]) == _merged(rows)  # a batch that was written twice


def test_attempts_one_after_the_other() -> None:
    failed = _ROW._replace(outcome=Outcome.FAILED, code="SlowDown")
    assert _merged([failed, _ROW]) == _ROW
    assert _merged([failed, failed._replace(code="InternalError")]).code == "InternalError"
