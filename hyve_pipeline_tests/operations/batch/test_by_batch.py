"""Copies by jobs of S3 Batch Operations: what they did is in the journal as if Hyve had made the copies."""

import hashlib
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from hyve_pipeline.core.model.batch import RoundResult
from hyve_pipeline.core.model.journal import JournalRow
from hyve_pipeline.operations.batch.by_batch import copy_by_batch
from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline.operations.retention import KeepRules, plans_to_drop
from hyve_pipeline.state.epochs import Epoch
from hyve_pipeline.state.heartbeat import ClaimLostError
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline_tests.batching import ROLE, Jobs, jobs_server
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import Finished, Hyve, MakePair, Pair, next_second

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


def copy(hyve: Hyve) -> Finished:
    return hyve("copy", "--by", "batch", "--json")


@pytest.mark.both_states
def test_a_job_copies_what_is_new(pair: Pair, jobs: Jobs, hyve: Hyve) -> None:
    jobs.statuses = ["New", "Active", "Complete"]
    estimated = hyve("dryrun", "--json").document["estimate"]["batch"]
    assert estimated == {"jobs": 1, "objects": len(KEYS), "cost": None}
    copied = copy(hyve)
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
    # Nothing is left, so no further job is created; and what was copied is remembered.
    again = copy(hyve)
    assert (again.code, again.document["batch"]["jobs"], len(jobs.jobs)) == (0, [], 1)
    assert hyve("dryrun", "--json").document["unchanged"]["objects"] == len(KEYS)


def test_hyve_does_what_a_job_can_not_do_or_has_not_done(
    pair: Pair, jobs: Jobs, faulty: FaultyServer, hyve: Hyve
) -> None:
    """Every kind at once: at the end the store is the source, and each key's row says how it came there."""
    pair.store.put({"old": b"before", "gone": b"x"})
    next_second()
    pair.source.put({"old": b"after"})  # written now, and modified
    pair.source.put({"young": b"8"})
    pair.source.put({"cool": b"9"}, StorageClass="STANDARD_IA")
    pair.source.put({"reduced": b"10"}, StorageClass="REDUCED_REDUNDANCY")
    jobs.age()
    pair.source.put({"young": b"88"})
    jobs.fails["a,b"] = ("AccessDenied", 403)
    jobs.unreported.add("last")
    jobs.claimed.add("~x")

    def write(key: str) -> None:
        if key == 'quo"te':  # changed after the plan was made: the pin by time holds
            pair.source.put({key: b"later"})

    jobs.before = write
    assert hyve("dryrun").code == 0
    pair.store.put({"dir/": b""})
    copied = copy(hyve)
    assert copied.code == 1  # one has changed since
    assert {job.asked["Operation/S3PutObjectCopy/StorageClass"] for job in jobs.jobs} == {"STANDARD", "STANDARD_IA"}
    given = {key for job in jobs.jobs for key in job.keys}
    assert given == {*KEYS, "cool"} - {"dir/"}
    document = copied.document
    by_class = {job["storage_class"]: job for job in document["batch"]["jobs"]}
    standard = by_class["STANDARD"]
    assert (standard["done"], standard["failed"], standard["missing"]) == (2, 3, 1)
    assert by_class["STANDARD_IA"]["done"] == 1
    assert "its report does not mention 1 object" in copied.err
    assert document["batch"]["left_out"] == {
        "in the store by now": 1,
        "not new": 1,
        "of a storage class that jobs can't give": 1,
        "written shortly before the listing, or later": 1,
    }
    rows = journal(pair)
    assert rows['quo"te'].code == "ChangedSincePlan"
    assert {key for key, row in rows.items() if row.outcome != "done"} == {'quo"te'}
    by_jobs = {key for key, row in rows.items() if "S3 Batch Operations" in (row.detail or "")}
    assert by_jobs == {"a b/+%25.jpg", "ü/日本", "cool"}
    assert rows["last"].code == "AlreadyDone"  # it was copied, and only the report lacked it
    want = pair.source.read() | {"gone": b"x"}
    del want['quo"te']
    assert pair.store.read() == want
    assert hyve("sync", "--yes", "--json").document["verified"] is True
    assert pair.store.read() == pair.source.read()


def test_a_job_is_found_again_and_nothing_else_happens_meanwhile(pair: Pair, jobs: Jobs, hyve: Hyve) -> None:
    """Interrupted while the job runs, once before its id was kept."""
    jobs.statuses = ["New", "Active", "Active", "Complete"]
    interrupted: list[str] = []

    def interrupt(key: str) -> None:
        if not interrupted:
            interrupted.append(key)
            os.kill(os.getpid(), signal.SIGINT)

    jobs.before = interrupt
    first = hyve("copy", "--by", "batch")
    assert first.code == 130
    assert "'hyve copy --by batch' continues" in first.err
    plan = pair.context().plans.newest_id()
    # Something to do for a sync, even if the job has copied all of its keys by then.
    pair.source.put({"more": b"8"})
    for command in (("copy",), ("undo", "latest"), ("sync", "--yes")):
        refused = hyve(*command)
        assert refused.code == 3, (command, refused)
        assert "jobs of S3 Batch Operations copy for plan" in refused.err
    context = pair.context()
    assert context.state.names(f"journals/{plan}/batch") == ["0001"]
    # A dryrun changes nothing in the buckets, so it may come between; the job is still that of the plan before.
    assert context.state.remove(f"journals/{plan}/batch/0001/STANDARD.json")[0] == 1
    jobs.lost = 1
    assert hyve("dryrun").code == 0
    # Retention keeps the plan, though newer ones are there.
    assert plans_to_drop(context, KeepRules(1, None), datetime.now(UTC)) == []
    other = hyve("copy", "--by", "batch")
    assert (other.code, f"--plan {plan}" in other.err) == (3, True)
    followed = hyve("copy", "--by", "batch", "--plan", str(plan), "--json")
    assert followed.code == 0, followed.err
    assert (len(jobs.jobs), followed.document["copied"]) == (1, len(KEYS))
    assert jobs.calls.count("CreateJob") == 3  # the first, the one whose answer was lost, and the same once more
    assert pair.store.read() == KEYS


@pytest.mark.parametrize("status", ["Failed", "Cancelled"])
def test_a_job_that_does_not_come_to_its_end_stops_the_command(pair: Pair, jobs: Jobs, hyve: Hyve, status: str) -> None:
    jobs.statuses = ["New", "Suspended", status]
    if status == "Cancelled":
        jobs.unreported = {*KEYS} - {"a,b"}
        jobs.fails = dict.fromkeys(jobs.unreported, ("Cancelled", 0))
    stopped = copy(hyve)
    assert stopped.code == 1
    assert f"{status}" in stopped.err
    assert "waits (Suspended): confirm it, or cancel it" in stopped.err
    assert [*pair.store.read()] == (["a,b"] if status == "Cancelled" else [])
    # Another job may be started, or Hyve copies.
    jobs.statuses, jobs.unreported, jobs.fails = ["Complete"], set(), {}
    again = copy(hyve)
    assert (again.code, again.document["copied"], len(jobs.jobs)) == (0, len(KEYS), 2)
    assert len(jobs.jobs[1].keys) == len(KEYS) - (status == "Cancelled")
    assert jobs.jobs[0].asked["ClientRequestToken"] != jobs.jobs[1].asked["ClientRequestToken"]
    assert pair.store.read() == KEYS


def test_a_job_that_is_refused_changes_nothing(pair: Pair, jobs: Jobs, hyve: Hyve) -> None:
    jobs.refusal = error_answer(403, "AccessDenied", "not authorized to perform: iam:PassRole")
    refused = hyve("copy", "--by", "batch")
    assert refused.code == 4
    assert "not authorized to perform: iam:PassRole; 'hyve doctor' checks the settings" in refused.err
    assert pair.store.read() == {}
    # Nothing is in the way of the others.
    assert hyve("copy").code == 0
    assert pair.store.read() == KEYS


class _Losing(SyncContext):
    """A sync whose claim is lost once a job was looked at."""

    calls: ClassVar[list[str]] = []

    @contextmanager
    def applying(self, plan_id: str, *, alone: bool = False, follows_jobs: bool = False) -> Iterator[Epoch]:
        with super().applying(plan_id, alone=alone, follows_jobs=follows_jobs) as epoch:

            class Lost:
                def check(self) -> None:
                    if "DescribeJob" in _Losing.calls:
                        raise ClaimLostError("another process may have taken over")

                def renew(self) -> None:
                    epoch.renew()

            yield Lost()


def test_a_lost_claim_stops(pair: Pair, jobs: Jobs, hyve: Hyve) -> None:
    assert hyve("dryrun").code == 0
    chosen = SyncContext.choose(Home(pair.home), None)
    plan = chosen.plans.newest()
    assert plan is not None
    ended: list[RoundResult] = []
    _Losing.calls = jobs.calls
    with pytest.raises(ClaimLostError):
        copy_by_batch(_Losing(chosen.home, chosen.settings), plan, on_round=ended.append, say=print)
    assert (jobs.calls, ended) == (["CreateJob", "DescribeJob"], [])
    assert journal(pair) == {}
    assert hyve("copy").code == 3
    assert (hyve("copy", "--by", "batch").code, len(jobs.jobs)) == (0, 1)
    assert pair.store.read() == KEYS


def test_an_answer_about_another_job_is_no_answer(pair: Pair, jobs: Jobs, hyve: Hyve) -> None:
    jobs.mixes_up = True
    failed = hyve("copy", "--by", "batch")
    assert failed.code == 1  # not 4: the job may have changed something
    assert "is not about job job-1-of-tests" in failed.err
    assert "jobs may be copying: 'hyve copy --by batch --plan" in failed.err
    assert hyve("copy").code == 3
    jobs.mixes_up = False
    assert (hyve("copy", "--by", "batch").code, len(jobs.jobs)) == (0, 1)
    assert pair.store.read() == KEYS


def test_a_copy_whose_etag_says_nothing_is_proved_by_the_source(
    pair: Pair, jobs: Jobs, faulty: FaultyServer, hyve: Hyve
) -> None:
    """As with a key of KMS, the store gives each object an ETag that is no MD5."""
    aged, store = faulty.fault, f"/{pair.store.name}"

    def encrypted(received: Received) -> Answer | None:
        if not received.path.startswith(store) or received.method not in ("GET", "HEAD"):
            return aged(received)
        answer = faulty.forward(received)
        headers = {
            name: value[:1] + value[-2:0:-1] + value[-1:] if name.lower() == "etag" else value
            for name, value in answer.headers.items()
        }
        if received.method == "HEAD" and "ETag" in headers:
            headers["x-amz-server-side-encryption"] = "aws:kms"
        body = re.sub(rb"[0-9a-f]{32}(?=(\"|&quot;|&#34;)</ETag>)", lambda found: found[0][::-1], answer.body)
        return Answer(body, answer.status, headers)

    faulty.fault = encrypted
    copied: list[str] = []

    def write(key: str) -> None:
        if len(copied) == 1:  # the source's object is another one after it was copied
            pair.source.put({copied[0]: b"another"})
        copied.append(key)

    jobs.before = write
    finished = copy(hyve)
    assert finished.code == 1
    assert finished.document["batch"]["jobs"][0]["done"] == len(KEYS) - 1
    rows = journal(pair)
    assert {key: row.code for key, row in rows.items() if row.outcome != "done"} == {copied[0]: "ChangedSincePlan"}
    done = {key: row.etag_after for key, row in rows.items() if row.outcome == "done"}
    assert done == {key: hashlib.md5(KEYS[key]).hexdigest()[::-1] for key in KEYS if key != copied[0]}
    assert pair.store.read() == KEYS  # what the job has copied is what the plan has


def _other_md5(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content + b"\n" * name.startswith("results/") for name, content in files.items()}


def _of_another_job(files: dict[str, bytes]) -> dict[str, bytes]:
    manifest = json.loads(files["manifest.json"])
    for result in manifest["Results"]:
        result["Key"] = result["Key"].replace("job-1", "job-9")
    return files | {"manifest.json": json.dumps(manifest).encode()}


@pytest.mark.parametrize("tamper", [_other_md5, _of_another_job, lambda _: {}], ids=["md5", "other", "missing"])
def test_a_report_that_is_not_whole_is_not_believed(
    pair: Pair, jobs: Jobs, hyve: Hyve, tamper: Callable[[dict[str, bytes]], dict[str, bytes]]
) -> None:
    jobs.tamper = tamper
    jobs.claimed.add("last")
    copied = hyve("copy", "--by", "batch")
    assert copied.code == 0
    assert "Hyve checked and copied the objects itself" in copied.err
    assert {row.code for row in journal(pair).values()} == {"AlreadyDone", None}
    assert pair.store.read() == KEYS


def test_a_report_of_other_keys_says_nothing_of_these(pair: Pair, jobs: Jobs, hyve: Hyve) -> None:
    jobs.encode = lambda key: "another" if key == "last" else key.replace("%", "%25")
    copied = hyve("copy", "--by", "batch")
    assert copied.code == 0
    assert "its report does not mention 1 object" in copied.err
    assert "its report has 1 object that it was not given" in copied.err
    assert pair.store.read() == KEYS


def test_keys_below_prefixes(make_pair: MakePair, make_place: MakePlace, faulty: FaultyServer, hyve: Hyve) -> None:
    pair = make_pair(through=faulty, versioned=True, prefixes=("in/", "kept/in/"), acl="bucket-owner-full-control")
    pair.source.put({"in/a": b"1", "in/b/c": b"2", "out": b"3"})
    with jobs_server(pair, make_place, faulty) as jobs:
        checked = hyve("doctor", "--json").document["checks"]
        assert {each["check"]: each["verdict"] for each in checked if each["place"] == "batch"} == {
            "jobs": "ok",
            "job files": "ok",
            "job versions": "ok",
            "job role": "not tried",
        }
        copied = copy(hyve)
        asked = jobs.jobs[0].asked
        assert asked["Operation/S3PutObjectCopy/TargetKeyPrefix"] == "kept"
        assert asked["Operation/S3PutObjectCopy/CannedAccessControlList"] == "bucket-owner-full-control"
        policies = hyve("iam-policy").document
    assert (copied.code, copied.document["batch"]["jobs"][0]["done"]) == (0, 2)
    assert pair.store.read() == {"kept/in/a": b"1", "kept/in/b/c": b"2"}
    assert policies["batch_trust"]["Statement"][0]["Principal"] == {"Service": "batchoperations.s3.amazonaws.com"}
    actions = {action for each in policies["batch"]["Statement"] for action in each["Action"]}
    assert {"s3:GetObject", "s3:PutObject", "s3:PutObjectAcl"} <= actions
    assert not {action for action in actions if "Delete" in action}
    passing = [each for each in policies["store"]["Statement"] if each["Action"] == ["iam:PassRole"]]
    assert [each["Resource"] for each in passing] == [[ROLE]]


def test_what_is_refused_at_once(make_pair: MakePair, make_place: MakePlace, hyve: Hyve) -> None:
    pair = make_pair()
    pair.source.put(KEYS)
    first = hyve("copy", "--by", "batch")
    assert (first.code, pair.events()) == (2, [])
    assert "--by batch requires" in first.only_line  # nothing is listed for a plan that could not be applied so
    assert hyve("dryrun").code == 0
    missing = hyve("copy", "--by", "batch")
    assert missing.code == 2
    assert "--by batch requires a table [sync.images.batch] with account_id, role_arn and location" in missing.err
    with jobs_server(pair, make_place, None) as jobs:
        unversioned = hyve("copy", "--by", "batch")
        assert unversioned.code == 3
        assert "refused by unversioned_store (the store keeps no versions)" in unversioned.err
        pair.store.client.put_bucket_versioning(Bucket=pair.store.name, VersioningConfiguration={"Status": "Enabled"})
        # What was just written may have changed unseen while it was listed: nothing for a job.
        copied = hyve("copy", "--by", "batch")
        assert copied.code == 0
        assert "not given to S3 Batch Operations: 7 written shortly before the listing, or later" in copied.out
        assert jobs.calls == []
    assert pair.store.read() == KEYS
