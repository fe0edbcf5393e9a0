"""Copies by jobs of S3 Batch Operations: what they did is in the journal as if Hyve had made the copies."""

from collections.abc import Iterator

import pytest

from hyve_pipeline.core.model.journal import JournalRow
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline_tests.batching import Jobs, jobs_server
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

KEYS = {"a b/+%25.jpg": b"1", "a,b": b"2", 'quo"te': b"3", "dir/": b"", "ü/日本": b"5", "~x": b"6", "last": b"7"}


def journal(pair: Pair) -> dict[str, JournalRow]:
    """The rows that count of the newest plan."""
    context = pair.context()
    plan = context.plans.newest()
    assert plan is not None
    rows: dict[str, JournalRow] = {}
    for shard in plan.shards:
        rows |= ShardJournal(context.state, plan.id, shard).last_rows()
    return rows


@pytest.fixture
def pair(make_pair: MakePair, faulty: FaultyServer) -> Pair:
    pair = make_pair(through=faulty, versioned=True, shard_objects=3)
    pair.source.put(KEYS)
    return pair


@pytest.fixture
def jobs(pair: Pair, make_place: MakePlace, faulty: FaultyServer) -> Iterator[Jobs]:
    with jobs_server(pair, make_place, faulty) as jobs:
        yield jobs


def test_a_job_copies_what_is_new(pair: Pair, jobs: Jobs, hyve: Hyve) -> None:
    copied = hyve("copy", "--by", "batch", "--json")
    assert copied.code == 0, copied.err
    assert jobs.calls.count("CreateJob") == 1
    assert sorted(jobs.jobs[0].keys) == sorted(KEYS)
    assert pair.store.read() == KEYS
    document = copied.document
    assert (document["copied"], document["copy_failed"], document["verified"]) == (len(KEYS), 0, True)
    (job,) = document["batch"]["jobs"]
    assert (job["status"], job["done"], job["failed"], job["missing"]) == ("Complete", len(KEYS), 0, 0)
    rows = journal(pair)
    assert {row.outcome for row in rows.values()} == {"done"}
    assert all(row.etag_after and jobs.jobs[0].id in (row.detail or "") for row in rows.values())
