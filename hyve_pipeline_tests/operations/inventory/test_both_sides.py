"""Both buckets at the same time: what ends one of them early ends the other."""

import time

import pytest

from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.core.runtime.interruption import deferring_interrupts, interrupt, pause
from hyve_pipeline.operations.inventory.both_sides import for_each_side

_PATIENCE = 60


def _go_on_until_interrupted(ended: list[Side], side: Side) -> None:
    deadline = time.monotonic() + _PATIENCE
    try:
        while time.monotonic() < deadline:
            pause(0.01)
    except KeyboardInterrupt:
        ended.append(side)
        raise


def test_results_are_by_side() -> None:
    assert for_each_side(("source", "store"), lambda side: side.upper()) == {"source": "SOURCE", "store": "STORE"}


@pytest.mark.parametrize("failing", ["source", "store"])
def test_a_failure_of_either_interrupts_the_other(failing: Side) -> None:
    interrupted: list[Side] = []

    def fail(side: Side) -> None:
        if side == failing:
            raise BucketError(f"no {side}")
        _go_on_until_interrupted(interrupted, side)

    with pytest.raises(BucketError, match=f"no {failing}"):
        for_each_side(("source", "store"), fail)
    assert interrupted == ["store" if failing == "source" else "source"]


def test_an_interrupt_that_wakes_nobody_ends_both() -> None:
    """The waiting thread notes it only, and looks."""
    interrupted: list[Side] = []

    def run() -> None:
        with deferring_interrupts():
            interrupt()
            for_each_side(("source", "store"), lambda side: _go_on_until_interrupted(interrupted, side))

    with pytest.raises(KeyboardInterrupt):
        run()
    assert sorted(interrupted) == ["source", "store"]
