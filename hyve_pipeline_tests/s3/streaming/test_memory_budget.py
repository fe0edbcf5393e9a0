"""How much of the memory for objects is taken, and who waits for it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from hyve_pipeline.s3.streaming.memory_budget import Budget, BudgetClosedError


def test_what_is_taken_is_there_again_when_it_is_given_back() -> None:
    budget = Budget(10)
    assert [budget.try_take(6), budget.try_take(5), budget.try_take(4)] == [6, None, 4]
    budget.give_back(6)
    assert budget.try_take(6) == 6


def test_what_is_larger_than_all_of_it_is_let_through_alone() -> None:
    budget = Budget(10)
    assert budget.try_take(11) is None
    assert budget.take(11) == 10
    assert budget.try_take(1) is None


def test_whoever_waits_comes_before_those_who_would_not_wait() -> None:
    """Else a large object would wait until all small ones are done."""
    budget = Budget(10)
    budget.take(4)
    with ThreadPoolExecutor(1) as thread:
        large = thread.submit(budget.take, 8)
        while budget.try_take(1) is not None:
            budget.give_back(1)
        assert not large.done()
        budget.give_back(4)
        assert large.result(timeout=30) == 8
    assert budget.try_take(2) == 2


def test_nothing_is_taken_any_more_when_it_is_closed() -> None:
    budget = Budget(10)
    budget.take(10)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(budget.take, 1)
        budget.close()
        with pytest.raises(BudgetClosedError):
            waiting.result(timeout=30)
    budget.give_back(10)
    assert budget.try_take(1) is None
