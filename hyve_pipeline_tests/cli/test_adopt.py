"""``hyve adopt``: what another tool copied is not copied again."""

import pytest

from hyve_pipeline.cli.interrupted import adopting
from hyve_pipeline.core.base.errors import InterruptedRunError
from hyve_pipeline_tests.syncs import Hyve, MakePair, next_second


def test_what_is_equal_is_remembered_and_not_copied(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    pair.store.put({"same": b"1", "other": b"1", "old": b"1"})
    next_second()
    pair.source.put({"same": b"1", "other": b"2", "new": b"1"})
    assert hyve("dryrun", "--json").document["modified"]["objects"] == 2
    adopted = hyve("adopt")
    assert adopted.code == 0
    assert adopted.out.splitlines() == [
        "1 object equal in both buckets, and remembered: no plan copies what does not change",
        "1 object different: 'hyve dryrun' shows what a plan does with them",
        "1 object only in the source",
        "1 object only in the store",
    ]
    assert hyve("dryrun", "--json").document["modified"]["objects"] == 1
    assert hyve("adopt", "--json").document == {
        "sync": "images",
        "adopted": 1,
        "differing": 1,
        "unknown": 0,
        "only_in_source": 1,
        "only_in_store": 1,
    }


def test_an_interrupt_says_that_nothing_was_remembered() -> None:
    with pytest.raises(InterruptedRunError, match="nothing was remembered; run 'hyve adopt' again"), adopting():
        raise KeyboardInterrupt
