"""Objects of the source that are dated in the future."""

from datetime import timedelta
from pathlib import Path

import pytest

from hyve_pipeline.cli.plan_text import describe_plan
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline.operations.plan.future_dates import find_future_dates
from hyve_pipeline_tests.operations.listings import START, Entry, context_at, written_inventory

_CENTURY = 100 * 365 * 24 * 3600


def test_they_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    context = context_at(tmp_path, prefixes=("in/", ""))
    entries = {f"in/{number}": Entry(time=_CENTURY if number in (3, 4, 7) else 0) for number in range(9)}
    found = find_future_dates(context.state, written_inventory(context, "source", entries, row_group_rows=2), START)
    assert found is not None
    assert (found.objects, found.key, found.last_modified) == (3, "in/3", START + timedelta(seconds=_CENTURY))


def test_clocks_may_differ_by_some_minutes(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    inventory = written_inventory(context, "source", {"a": Entry(time=600)})
    assert find_future_dates(context.state, inventory, START) is None
    assert find_future_dates(context.state, inventory, START - timedelta(minutes=6)) is not None
    assert find_future_dates(context.state, written_inventory(context, "source", {}), START) is None


@pytest.mark.parametrize(("compare", "is_said"), [("last_modified", True), ("etag", True), ("size", False)])
def test_a_dryrun_says_it_where_times_decide(
    compare: str, is_said: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = context_at(tmp_path, compare=compare)
    source = written_inventory(context, "source", {"a": Entry(), "b\n": Entry(time=_CENTURY)})
    plan = freeze_plan(context, diff_inventories(context, source, written_inventory(context, "store", {"a": Entry()})))
    describe_plan(plan)
    said = "warning: the source dates 1 object in the future, such as"
    assert (said in capsys.readouterr().err) is is_said
