"""A proof costs some microseconds an object."""

import sys
from pathlib import Path

from benchmarks.made_up import make_home, make_inventories, make_journal, make_verification, newest_inventories
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline_tests.children import cpu_seconds

_OBJECTS = 100_000

# Five seconds for 500,000 objects, and the start of the process.
_SECONDS = 2.0


def test_a_hundred_thousand_objects_are_proved_in_two_seconds(tmp_path: Path) -> None:
    home = tmp_path / "home"
    context = make_home(home)
    make_inventories(context, _OBJECTS, is_store_empty=True)
    plan = freeze_plan(context, diff_inventories(context, *newest_inventories(context)))
    make_journal(context, plan)
    make_verification(context, plan)
    command = [sys.executable, "-m", "hyve_pipeline", "prove", "--home", str(home), "--output", str(tmp_path / "proof")]
    assert cpu_seconds(command) < _SECONDS
    assert (tmp_path / "proof").stat().st_size
