"""A listing is complete only when its proof says so."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.model.inventory import KeyRange, RangeEnd, RangeProof, check_proof

keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)


def walk(key_range: KeyRange, bucket: list[str]) -> RangeProof:
    """The proof of a correct walk of a range in a bucket."""
    found = [key for key in bucket if key > key_range.after and (key_range.until is None or key <= key_range.until)]
    passed = key_range.until is not None and any(key > key_range.until for key in bucket)
    return RangeProof(
        range=key_range,
        first_key=found[0] if found else None,
        last_key=found[-1] if found else None,
        keys=len(found),
        pages=1 + len(found) // 1000,
        end=RangeEnd.PASSED_BOUND if passed else RangeEnd.END_OF_LISTING,
    )


@given(st.sets(keys, max_size=30), st.sets(keys, max_size=5))
def test_correct_walks_of_tiling_ranges_are_a_proof(bucket: set[str], cuts: set[str]) -> None:
    bounds = ["", *sorted(cuts), None]
    ranges = [KeyRange(after=after or "", until=until) for after, until in pairwise(bounds)]
    proof = [walk(key_range, sorted(bucket)) for key_range in ranges]
    check_proof(proof, len(bucket), "s3://bucket/")


@given(st.sets(keys, min_size=1, max_size=30), st.sets(keys, min_size=1, max_size=5), st.data())
def test_a_proof_that_lacks_a_range_is_refused(bucket: set[str], cuts: set[str], data: st.DataObject) -> None:
    bounds = ["", *sorted(cuts), None]
    ranges = [KeyRange(after=after or "", until=until) for after, until in pairwise(bounds)]
    proof = [walk(key_range, sorted(bucket)) for key_range in ranges]
    lost = data.draw(st.integers(0, len(proof) - 1))
    kept = [entry for number, entry in enumerate(proof) if number != lost]
    with pytest.raises(IncompleteInventoryError, match="can't be proved complete"):
        check_proof(kept, sum(entry.keys for entry in kept), "s3://bucket/")


ALL = KeyRange()
GOOD = RangeProof(range=ALL, first_key="a", last_key="z", keys=2, pages=1, end=RangeEnd.END_OF_LISTING)


@pytest.mark.parametrize(
    ("proof", "objects", "problem"),
    [
        ([], 0, "no key range was walked"),
        ([GOOD], 3, "2 keys were listed but 3 were kept"),
        ([GOOD.model_copy(update={"end": RangeEnd.PASSED_BOUND})], 2, "no bound to pass"),
        ([GOOD.model_copy(update={"pages": 0})], 2, "no page was read"),
        ([GOOD.model_copy(update={"first_key": None})], 2, "keys without bounds"),
        ([GOOD.model_copy(update={"range": KeyRange(after="b")})], 2, "begins only after 'b'"),
        ([GOOD.model_copy(update={"range": KeyRange(until="b")})], 2, "ends at 'b'"),
    ],
)
def test_a_gap_is_named(proof: list[RangeProof], objects: int, problem: str) -> None:
    with pytest.raises(IncompleteInventoryError) as failure:
        check_proof(proof, objects, "s3://images/")
    assert problem in str(failure.value)
    assert "s3://images/" in str(failure.value)


def test_a_key_outside_of_its_range_is_named() -> None:
    left = RangeProof(
        range=KeyRange(until="m"), first_key="a", last_key="n", keys=2, pages=1, end=RangeEnd.PASSED_BOUND
    )
    right = RangeProof(
        range=KeyRange(after="m"), first_key="x", last_key="x", keys=1, pages=1, end=RangeEnd.END_OF_LISTING
    )
    with pytest.raises(IncompleteInventoryError, match="'n' is past 'm'"):
        check_proof([left, right], 3, "s3://images/")
