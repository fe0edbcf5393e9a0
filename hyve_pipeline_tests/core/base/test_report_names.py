"""Which texts name a report of S3 Inventory."""

import pytest

from hyve_pipeline.core.base.report_names import is_report_date, is_report_folder


@pytest.mark.parametrize("text", ["2026-11-28", "2026-11-28T01", "2026-11-28T01-00", "2026-11-28T01-00Z"])
def test_a_date_is_the_beginning_of_the_name_of_a_report(text: str) -> None:
    assert is_report_date(text)
    assert is_report_folder(text) == text.endswith("Z")


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-11", "28.11.2026", "2026-11-28 01:00", "2026-11-28T01-00Z/", "latest"]
)
def test_other_texts_are_no_date(text: str) -> None:
    assert not is_report_date(text)
    assert not is_report_folder(text)
