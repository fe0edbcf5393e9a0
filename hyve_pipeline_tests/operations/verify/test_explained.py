"""Which differences are explained by what was not done yet of a plan."""

import pytest

from hyve_pipeline.core.model.journal import ShardState
from hyve_pipeline.core.model.verification import Difference, Verification
from hyve_pipeline.operations.verify.explained import is_explained
from hyve_pipeline_tests.core.model.test_automation import NOW, status_of

PENDING, FAILED, FINISHED = ShardState.PENDING, ShardState.FAILED, ShardState.FINISHED
MISSING, NOT_DELETED, UNEXPECTED = Difference.MISSING, Difference.NOT_DELETED, Difference.UNEXPECTED


@pytest.mark.parametrize(
    ("copies", "deletes", "differences", "attempts", "is_expected"),
    [
        ([PENDING], [PENDING], {MISSING, NOT_DELETED}, 0, True),
        ([FINISHED], [PENDING], {NOT_DELETED}, 0, True),
        ([FINISHED], [PENDING], {MISSING}, 0, False),
        ([FINISHED], [FINISHED], {NOT_DELETED}, 0, False),
        ([FAILED], [PENDING], {MISSING}, 0, False),
        ([PENDING], [PENDING], {UNEXPECTED}, 0, False),
        # Since it was verified, the plan was applied further: what was left then is not known.
        ([FINISHED], [FINISHED], {NOT_DELETED}, 1, True),
        ([FINISHED], [FINISHED], {UNEXPECTED}, 1, False),
        ([FINISHED], [], {NOT_DELETED}, 1, False),
        # A verification of a version that did not count attempts.
        ([FINISHED], [FINISHED], {MISSING}, None, False),
    ],
)
def test_only_what_is_left_of_the_plan_explains_a_difference(
    copies: list[ShardState],
    deletes: list[ShardState],
    differences: set[Difference],
    attempts: int | None,
    is_expected: bool,
) -> None:
    status = status_of(copies, deletes)
    outcome = Verification(
        sync="images",
        plan=status.plan.id,
        ended=NOW,
        objects=1,
        differences=dict.fromkeys(differences, 1),
        examples=(),
        inventory="20260131T010000000Z-1a2b3c4d",
        file="differences.parquet",
        attempts=attempts,
    )
    assert is_explained(status, outcome) is is_expected
