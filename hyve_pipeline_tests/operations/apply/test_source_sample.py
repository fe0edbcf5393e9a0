"""Which keys are asked for before a batch is deleted."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.operations.apply.source_sample import SAMPLE, sample_of


@given(st.integers(0, 1000))
def test_a_sample_is_all_of_a_few_and_spread_over_many(count: int) -> None:
    sample = sample_of(range(count))
    assert len(sample) == min(count, SAMPLE)
    assert sample == sorted(set(sample))
    if count > SAMPLE:
        assert (sample[0], sample[-1]) == (0, count - 1)
        # No gap of an eighth of the batch is missed.
        assert max(right - left for left, right in pairwise(sample)) <= count / 8 + 1
