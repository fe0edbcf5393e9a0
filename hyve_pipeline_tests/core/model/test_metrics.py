"""The text format of Prometheus."""

from prometheus_client.parser import text_string_to_metric_families

from hyve_pipeline.core.model.metrics import PLAN_STATES, SyncMetrics, WorkTotals, exposition, no_work
from hyve_pipeline.core.model.status import PlanStatus


def test_labels_are_escaped_and_numbers_are_whole() -> None:
    name = 'a"b\\c\nd'
    totals = no_work()
    totals["copy"] = WorkTotals(objects=10**15, seconds=1.25)
    text = exposition([SyncMetrics(sync=name, totals=totals), SyncMetrics(sync="other", totals=no_work())], "0.1")
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    copied = {sample.labels["sync"]: sample.value for sample in samples if sample.name == "hyve_objects_copied_total"}
    assert copied == {name: 10**15, "other": 0}
    assert " 1000000000000000\n" in text
    assert 'action="copy"} 1.250\n' in text


def test_a_metric_is_named_once_with_all_of_its_values() -> None:
    text = exposition([SyncMetrics(sync=name, totals=no_work()) for name in ("a", "b")], "0.1")
    headings = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(headings) == len(set(headings))
    assert text.endswith("\n")


def test_totals_add_up() -> None:
    one = WorkTotals(objects=1, bytes=2, skipped=3, failures=4, requests=5, retries=6, seconds=7)
    assert one + one == WorkTotals(objects=2, bytes=4, skipped=6, failures=8, requests=10, retries=12, seconds=14)


def test_every_state_of_a_plan_is_known() -> None:
    described = PlanStatus.state.__doc__ or ""
    assert all(f"``{state}``" in described for state in PLAN_STATES)
    assert described.count("``") == 2 * len(PLAN_STATES)
