"""What Dagster shows of events."""

import dagster as dg

from hyve_pipeline.core.model.undo_summary import UndoSummary
from hyve_pipeline.orchestration.metadata.events import undo_metadata


def test_codes_of_an_undo_are_followed_by_words() -> None:
    reasons = {"NotKept": 2, "AccessDenied": 1}
    metadata = undo_metadata(UndoSummary(plan="000001", restored=4, skipped=2, failed=1, left=0, reasons=reasons))
    assert metadata["failed"] == 1
    table = metadata["reasons"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data for record in table.records] == [
        {"code": "AccessDenied (a permission is missing)", "objects": 1},
        {"code": "NotKept (neither the trash nor a version has the object of before)", "objects": 2},
    ]


def test_an_undo_without_exceptions_has_no_table_of_reasons() -> None:
    assert "reasons" not in undo_metadata(
        UndoSummary(plan="000001", restored=4, skipped=0, failed=0, left=0, reasons={})
    )
