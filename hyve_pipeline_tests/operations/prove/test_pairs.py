"""Every key is of the class that the state shows, and of no better one."""

from collections import Counter

from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.proof import How, Unlike
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.prove.evidence import find_evidence
from hyve_pipeline.operations.prove.pairs import PairCounts, read_pairs
from hyve_pipeline_tests.operations.listings import MD5
from hyve_pipeline_tests.operations.prove.conftest import CLASSES


def test_each_key_is_of_its_class(proved: tuple[SyncContext, Plan]) -> None:
    context, plan = proved
    counts = PairCounts()
    rows = [row for table in read_pairs(context, find_evidence(context, plan), counts) for row in table.to_pylist()]
    expected = Counter(CLASSES.values())
    assert {how.value: count.objects for how, count in counts.proved_by.items()} == {
        how.value: expected[how.value] for how in How if how is not How.DELETE_MARKER
    }
    assert {unlike.value: count.objects for unlike, count in counts.not_in_tree.items()} == {
        unlike.value: expected[unlike.value] for unlike in Unlike
    }
    assert counts.not_in_tree[Unlike.DIFFERENT_SIZE] == Count(objects=1, bytes=4)
    in_tree = sorted((key for key, name in CLASSES.items() if name in {*How}), key=str.encode)
    assert [row["key"] for row in rows] == in_tree
    assert {row["prefix"] for row in rows} == {"a/", "é/", ""}
    leaves = {row["key"]: row["leaf"].decode() for row in rows}
    assert leaves["a/checksum"] == f"10:a/checksum,1:3,32:{MD5}0,32:{MD5}6,14:CRC64NVME:AAAA,"
    assert leaves["a/read"] == f"6:a/read,1:3,32:{MD5}0,32:{MD5}6,0:,"
    assert leaves["a/streamed"] == f"10:a/streamed,1:3,32:{MD5}5,10:of parts-3,10:CRC32:CCCC,"
    assert leaves["a/streamed, replaced"] == f"20:a/streamed, replaced,1:3,32:{MD5}5,11:of others-3,0:,"
    # In bytes, not in characters.
    assert leaves["é/remembered"] == f"13:é/remembered,1:3,32:{MD5}7,10:left there,0:,"
