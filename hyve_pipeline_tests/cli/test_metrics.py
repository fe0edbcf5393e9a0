"""`hyve metrics`: what Prometheus reads of a sync, from its first plan on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hyve_pipeline.operations.retention import drop_plans
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import is_copy_of
from hyve_pipeline_tests.s3.scripted import Answer
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

Figures = dict[tuple[str, ...], float]


def figures(text: str) -> Figures:
    """Every value by the metric's name and its labels but the sync's, which is the same for all."""
    found: Figures = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            assert family.type == ("counter" if sample.name.endswith("_total") else "gauge")
            labels = dict(sample.labels)
            assert labels.pop("sync", "images") == "images"
            name = (sample.name.removeprefix("hyve_"), *labels.values())
            assert name not in found
            found[name] = sample.value
    return found


def test_a_sync_that_has_no_plan_yet(pair: Pair, hyve: Hyve) -> None:
    found = figures(hyve("metrics").out)
    assert found["state_readable",] == 1
    assert found["objects_copied_total",] == found["requests_total", "copy"] == found["plans",] == 0
    assert not {name[0] for name in found} & {"lag_seconds", "plan_state", "verified", "inventory_objects"}


@pytest.mark.both_states
def test_what_was_done_is_counted_and_never_goes_down(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    pair = make_pair(through=faulty, shard_objects=2)
    pair.source.put({f"{number}": b"123" for number in range(5)})
    pair.store.put({"gone": b"12345"})
    # The fast transport does not report that it sends a request for the second time.
    busy = 2 * [Answer(b"", 503)]
    faulty.fault = lambda received: busy.pop() if busy and is_copy_of(received, f"{pair.source.name}/3") else None
    assert hyve("sync").code == 0
    found = figures(hyve("metrics").out)
    assert (found["objects_copied_total",], found["bytes_copied_total",]) == (5, 15)
    assert (found["objects_deleted_total",], found["bytes_deleted_total",]) == (1, 5)
    assert found["requests_total", "copy"] >= 5
    assert found["requests_total", "delete"] >= 1
    assert found["retries_total", "copy"] >= 1
    assert found["retries_total", "delete"] == 0
    assert found["apply_seconds_total", "copy"] > 0
    assert found["object_failures_total", "copy"] == found["objects_skipped_total", "copy"] == 0
    assert found["plan_state", "finished"] == 1
    assert found["plan_state", "planned"] == 0
    assert (found["plan_objects", "new"], found["plan_bytes", "duplicate"]) == (5, 5)
    assert (found["plan_objects_left", "copy"], found["plan_objects_left", "delete"]) == (0, 0)
    assert (found["inventory_objects", "source"], found["inventory_bytes", "source"]) == (5, 15)
    assert found["inventory_pages", "source"] >= 1
    assert found["verified",] == 1
    assert 0 <= found["lag_seconds",] < 600
    assert abs(found["synced_timestamp_seconds",] - datetime.now(UTC).timestamp()) < 600

    pair.source.put({"later": b"1"})
    first = hyve("plans", "--json").document["plans"][0]["plan"]
    assert hyve("dryrun").code == 0
    planned = figures(hyve("metrics").out)
    assert planned["objects_copied_total",] == 5
    assert planned["plan_state", "planned"] == 1
    assert planned["plan_objects_left", "copy"] == 1
    # The newest plan is not applied: the store is as of the one before.
    assert planned["synced_timestamp_seconds",] == found["synced_timestamp_seconds",]
    assert "verified" not in {name[0] for name in planned}

    assert hyve("sync").code == 0
    drop_plans(pair.context(), [first])
    later = figures(hyve("metrics").out)
    assert later["objects_copied_total",] == 6
    assert later["requests_total", "copy"] > found["requests_total", "copy"]
    assert later["synced_timestamp_seconds",] > found["synced_timestamp_seconds",]
    drop_plans(pair.context(), [])
    assert figures(hyve("metrics").out)["objects_copied_total",] == 6


def test_failures_count_and_the_lag_grows(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1", "b": b"2"})
    faulty.fault = lambda received: (
        Answer(b"<Error><Code>AccessDenied</Code></Error>", 403)
        if is_copy_of(received, f"{pair.source.name}/a")
        else None
    )
    assert hyve("copy").code == 1
    assert hyve("retry").code == 1
    found = figures(hyve("metrics").out)
    assert found["object_failures_total", "copy"] == 2
    assert found["objects_copied_total",] == 1
    assert found["plan_state", "failed"] == 1
    assert "lag_seconds" not in {name[0] for name in found}


def test_as_a_document_and_as_a_file(pair: Pair, hyve: Hyve, tmp_path: Path) -> None:
    pair.source.put({"a": b"1"})
    plan = hyve("sync", "--json").document["plan"]
    (document,) = hyve("metrics", "--json").document["syncs"]
    assert (document["sync"], document["problem"], document["newest"]["plan"]) == ("images", None, plan)
    assert document["totals"]["copy"]["objects"] == 1
    assert document["lag_seconds"] < timedelta(minutes=10).total_seconds()
    file = tmp_path / "hyve.prom"
    written = hyve("metrics", "--output", str(file))
    assert (written.code, written.out) == (0, "")
    assert figures(file.read_text())["objects_copied_total",] == 1
    assert file.stat().st_mode & 0o777 == 0o644
    assert hyve("metrics", "--output", str(tmp_path / "missing" / "x")).code == 2
    assert hyve("metrics", "--output", "x", "--json").code == 2
    assert hyve("metrics", "--sync", "none").code == 2


def test_a_state_that_is_damaged_shows_as_such(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1"})
    plan = hyve("dryrun", "--json").document["plan"]
    pair.write_state(f"plans/{plan}/plan.json", b"{")
    finished = hyve("metrics")
    assert finished.code == 4
    assert finished.err.startswith("hyve: sync images: ")
    found = figures(finished.out)
    assert found["state_readable",] == 0
    assert {name[0] for name in found} == {"state_readable", "build_info"}
