"""What commands say of servers that lack something."""

from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.scripted import error_answer
from hyve_pipeline_tests.syncs import Hyve, MakePair


def test_a_lack_is_said_once_a_command_and_shown_with_the_plan(
    make_pair: MakePair, hyve: Hyve, faulty: FaultyServer
) -> None:
    pair = make_pair(through=faulty, shard_objects=1, transfer="stream")
    for key in "abc":
        pair.source.client.put_object(
            Bucket=pair.source.name, Key=key, Body=b"1", StorageClass="STANDARD_IA", Tagging="team=data"
        )
    faulty.fault = lambda received: (
        error_answer(400, "InvalidStorageClass") if "x-amz-storage-class" in received.headers else None
    )
    warning = (
        f"warning: s3://{pair.store.name}: the server refuses the storage class STANDARD_IA: what is STANDARD_IA in "
        'the source arrives in the default class (storage_class = "default" says so)'
    )
    finished = hyve("sync")
    assert finished.code == 0
    assert [line for line in finished.err.splitlines() if line.startswith("warning")] == [warning]
    assert "    3 copied without storage class STANDARD_IA" in finished.out.splitlines()

    plan = hyve("plans", "--json").document["plans"][0]
    assert plan["without"] == {"storage class STANDARD_IA": 3}
    shown = hyve("show", plan["plan"])
    assert (shown.code, shown.err.splitlines()) == (0, [warning])
    report = pair.home / "report.html"
    assert hyve("report", plan["plan"], "--output", str(report)).code == 0
    assert "refuses the storage class STANDARD_IA" in report.read_text()
