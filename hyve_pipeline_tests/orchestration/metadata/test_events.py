"""What Dagster shows of events."""

from pathlib import Path

import dagster as dg

from hyve_pipeline.core.model.undo_summary import UndoSummary
from hyve_pipeline.core.model.verification import Difference
from hyve_pipeline.operations.verify.read import latest_verification
from hyve_pipeline.orchestration.metadata.events import undo_metadata, verification_metadata
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory
from hyve_pipeline_tests.operations.prove.proved import plan_of, verify


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


def test_only_a_verification_with_differences_has_a_table_of_them(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    plan = plan_of(context, {"a": Entry()}, {"a": Entry()})
    verify(context, plan, written_inventory(context, "store", {"a": Entry()}))
    found = latest_verification(context, plan)
    assert found is not None
    assert "first differences" not in verification_metadata(found)
    example = (Difference.MISSING, "a")
    differing = found.model_copy(update={"differences": {Difference.MISSING: 1}, "examples": (example,)})
    assert "first differences" in verification_metadata(differing)
