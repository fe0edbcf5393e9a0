"""Money is computed exactly, and rounded once, upwards."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.money import in_dollars, parse_dollars
from hyve_pipeline.core.base.sizes import GIB
from hyve_pipeline.core.model.estimate import BatchEstimate, Estimate, RequestCount, StepEstimate, batch_text
from hyve_pipeline.core.model.prices import ClassPrices, PriceTable

_PRICE = st.decimals(0, 100, places=5)
_COUNT = st.integers(0, 10**15)


@given(write=_PRICE, read=_PRICE, retrieval=_PRICE, storage=_PRICE, bytes_out=_PRICE, counts=st.tuples(*[_COUNT] * 5))
def test_a_step_costs_the_exact_sum_rounded_up_once(
    write: Decimal,
    read: Decimal,
    retrieval: Decimal,
    storage: Decimal,
    bytes_out: Decimal,
    counts: tuple[int, int, int, int, int],
) -> None:
    writes, reads, retrieved, early, out = counts
    prices = PriceTable(
        date=date(2026, 11, 29),
        source="a test",
        bytes={"through_this_machine": bytes_out},
        classes={"STANDARD_IA": ClassPrices(write=write, read=read, retrieval=retrieval, storage=storage)},
    )
    step = StepEstimate(
        requests=(
            RequestCount(bucket="store", operation="CopyObject", storage_class="STANDARD_IA", count=writes),
            RequestCount(bucket="source", operation="HeadObject", storage_class="STANDARD_IA", count=reads),
        ),
        bytes={"through_this_machine": out},
        retrieved={"source": {"STANDARD_IA": retrieved}},
        early_deletion={"STANDARD_IA": early},
    )
    exact = (
        Fraction(write) * writes / 1000
        + Fraction(read) * reads / 1000
        + Fraction(retrieval) * retrieved / GIB
        + Fraction(storage) * early / (30 * GIB)
        + Fraction(bytes_out) * out / GIB
    )
    cost = step.priced(prices, ["source", "store"])
    assert 0 <= Fraction(cost) - exact < Fraction(1, 10**6)
    # What is on another server is not charged.
    assert step.priced(prices, []) == 0


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "$0.00"), ("0.0000004", "$0.000001"), ("0.0051", "$0.0051"), ("0.011", "$0.02"), ("1234.5", "$1,234.50")],
)
def test_amounts_are_shown_rounded_up(amount: str, shown: str) -> None:
    assert in_dollars(Decimal(amount)) == shown


@given(st.decimals(0, 10**9, places=6))
def test_an_amount_is_read_as_it_is_written(amount: Decimal) -> None:
    assert parse_dollars(str(amount)) == amount
    assert parse_dollars(f"${amount:f}") == amount


def test_jobs_cost_each_and_by_their_objects() -> None:
    prices = PriceTable(
        date=date(2026, 11, 29), source="tests", batch_jobs=Decimal("0.25"), batch_objects=Decimal(1), classes={}
    )
    cost = prices.of_jobs(2, 3_500_000)
    assert cost == Decimal("4.00")
    estimate = Estimate(steps={}, batch=BatchEstimate(jobs=2, objects=3_500_000, cost=cost))
    assert batch_text(estimate) == "by S3 Batch Operations $4.00 more, for 2 jobs with 3,500,000 objects"
    assert batch_text(Estimate(steps={}, batch=BatchEstimate(jobs=0, objects=0))) is None
