"""Stands for the service ``s3control``: takes jobs over HTTP, makes their copies, and writes reports as S3 does.

The forms are those of https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html and of
botocore's model of the service.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from botocore.exceptions import ClientError
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - lxml has no type stubs

from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer, scripted_server
from hyve_pipeline_tests.syncs import Bucket, Pair, next_second

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/hyve-batch"
_NAMESPACE = "http://awss3control.amazonaws.com/doc/2018-08-20/"
_AGE = timedelta(days=1)

# A row of a report: bucket, key, version, status, error code, HTTP status, message.
Row = tuple[str, ...]


class AgedBucket:
    """The fault of a `FaultyServer` behind which what a bucket has now was written a day before; later writes are new.

    A job copies only what was written well before the listing, and moto writes everything now.
    """

    def __init__(self, server: FaultyServer, bucket: str) -> None:
        self._server = server
        self._path = f"/{bucket}"
        self._until = datetime.now(UTC)
        server.fault = self
        self.age()

    def age(self) -> None:
        """Let all that is there now be a day old."""
        next_second()
        self._until = datetime.now(UTC).replace(microsecond=0)

    def __call__(self, received: Received) -> Answer | None:
        if received.path.partition("?")[0].split("/")[1] != self._path[1:] or received.method not in ("GET", "HEAD"):
            return None
        answer = self._server.forward(received)
        headers = {
            name: format_datetime(self.aged(parsedate_to_datetime(value)), usegmt=True)
            if name.lower() == "last-modified"
            else value
            for name, value in answer.headers.items()
        }
        body = answer.body
        if b"<LastModified>" in body:
            body = re.sub(rb"(?<=<LastModified>)[^<]+", self._in_listing, body)
            headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        return Answer(body, answer.status, headers)

    def aged(self, written: datetime) -> datetime:
        """When an object was written, as the bucket says it."""
        return written - _AGE if written < self._until else written

    def _in_listing(self, found: re.Match[bytes]) -> bytes:
        moment = self.aged(datetime.fromisoformat(found[0].decode()))
        return f"{moment:%Y-%m-%dT%H:%M:%S.%f}"[:-3].encode() + b"Z"


@dataclass
class Job:
    """A job.

    Attributes:
        id: its id.
        asked: the elements of the request for it, by their paths, such as ``Manifest/Location/ETag``.
        keys: the keys of its manifest, decoded.
        statuses: what DescribeJob answers, one after the other; the last one again and again.
        rows: its report.
        has_run: whether its copies were made.
    """

    id: str
    asked: dict[str, str]
    keys: list[str]
    statuses: list[str]
    rows: list[Row] = field(default_factory=list)
    has_run: bool = False


class Jobs:
    """The service, and what goes wrong with it.

    Attributes:
        jobs: the jobs in their order.
        calls: the operations that were asked for.
        statuses: the statuses that new jobs go through.
        refusal: the answer to CreateJob, instead of a job.
        lost: the answers to so many CreateJob are lost.
        fails: error code and HTTP status of keys that are not copied.
        unreported: keys that are copied, and of which the report says nothing.
        claimed: keys that the report says were copied, and that were not.
        mixes_up: answers to DescribeJob are about another job.
        before: is called with each key, right before it is copied.
        encode: how the report writes keys.
        tamper: changes the files of a report before they are written: ``manifest.json`` and one or two of results.
    """

    def __init__(self, source: Bucket, store: Bucket, aged: AgedBucket | None) -> None:
        self.jobs: list[Job] = []
        self.calls: list[str] = []
        self.statuses = ["Complete"]
        self.refusal: Answer | None = None
        self.lost = 0
        self.fails: dict[str, tuple[str, int]] = {}
        self.unreported: set[str] = set()
        self.claimed: set[str] = set()
        self.mixes_up = False
        self.before: Callable[[str], object] = lambda _: None
        self.encode: Callable[[str], str] = lambda key: quote(key, safe="/")
        self.tamper: Callable[[dict[str, bytes]], dict[str, bytes]] = lambda files: files
        self._source = source
        self._store = store
        self._aged = aged

    def age(self) -> None:
        """Let all that the source has now be a day old."""
        assert self._aged is not None
        self._aged.age()

    def __call__(self, received: Received) -> Answer:
        assert received.headers["x-amz-account-id"] == ACCOUNT
        assert "/s3/aws4_request" in received.headers["authorization"], "s3control is signed for s3"
        _, _, resource, *rest = received.path.split("/")
        assert resource == "jobs"
        if received.method == "POST" and not rest:
            self.calls.append("CreateJob")
            return self._create(received)
        if not rest:
            self.calls.append("ListJobs")
            return _answer("ListJobsResult", "<Jobs/>")
        self.calls.append("DescribeJob")
        job = next((job for job in self.jobs if job.id == rest[0]), None)
        return error_answer(404, "NoSuchJob", "The specified job does not exist.") if job is None else self._say(job)

    def _create(self, received: Received) -> Answer:
        if self.refusal is not None:
            return self.refusal
        root = etree.fromstring(received.body)
        assert root.tag == f"{{{_NAMESPACE}}}CreateJobRequest"
        asked = dict(_leaves(root))
        job = next((job for job in self.jobs if job.asked["ClientRequestToken"] == asked["ClientRequestToken"]), None)
        if job is None:
            job = Job(f"job-{len(self.jobs) + 1}-of-tests", asked, self._read_manifest(asked), [*self.statuses])
            self.jobs.append(job)
        elif job.asked != asked:
            return error_answer(400, "IdempotencyException", "the token was used for another job")
        if self.lost:
            self.lost -= 1
            return Answer(hang_up=True)
        return _answer("CreateJobResult", f"<JobId>{job.id}</JobId>")

    def _read_manifest(self, asked: dict[str, str]) -> list[str]:
        bucket, key = _split(asked["Manifest/Location/ObjectArn"])
        found = self._store.client.get_object(Bucket=bucket, Key=key)
        assert found["ETag"].strip('"') == asked["Manifest/Location/ETag"]
        lines = found["Body"].read().decode("ascii").split("\n")
        assert lines.pop() == ""
        assert {line.partition(",")[0] for line in lines} == {self._source.name}
        return [unquote(line.partition(",")[2], errors="strict") for line in lines]

    def _say(self, job: Job) -> Answer:
        status = job.statuses.pop(0) if len(job.statuses) > 1 else job.statuses[0]
        if status in ("Active", "Complete", "Cancelled") and not job.has_run:
            self._run(job)
        manifest = job.asked["Manifest/Location/ObjectArn"] + ".other" * self.mixes_up
        done = sum(row[3] == "succeeded" for row in job.rows)
        reasons = (
            "<FailureReasons><member><FailureCode>ManifestNotFound</FailureCode><FailureReason>as scripted"
            "</FailureReason></member></FailureReasons>"
            if status == "Failed"
            else ""
        )
        return _answer(
            "DescribeJobResult",
            f"<Job><JobId>{job.id}</JobId><Status>{status}</Status>{reasons}<Manifest><Spec><Format>"
            "S3BatchOperations_CSV_20180820</Format></Spec><Location>"
            f"<ObjectArn>{escape(manifest)}</ObjectArn><ETag>{job.asked['Manifest/Location/ETag']}</ETag></Location>"
            f"</Manifest><ProgressSummary><TotalNumberOfTasks>{len(job.keys)}</TotalNumberOfTasks>"
            f"<NumberOfTasksSucceeded>{done}</NumberOfTasksSucceeded>"
            f"<NumberOfTasksFailed>{len(job.rows) - done}</NumberOfTasksFailed></ProgressSummary></Job>",
        )

    def _run(self, job: Job) -> None:
        job.has_run = True
        for key in job.keys:
            self.before(key)
            code, status = self.fails.get(key) or ("", 200)
            if not code and key not in self.claimed:
                code, status = self._copy(job, key)
            if key not in self.unreported:
                state, message = ("failed", f'said "{code}", of {key}') if code else ("succeeded", "Successful")
                job.rows.append((self._source.name, self.encode(key), "", state, code, str(status), message))
        self._write_report(job)

    def _copy(self, job: Job, key: str) -> tuple[str, int]:
        client, asked = self._store.client, job.asked
        copies = "Operation/S3PutObjectCopy"
        try:
            written = client.head_object(Bucket=self._source.name, Key=key)["LastModified"]
            written = written if self._aged is None else self._aged.aged(written)
            since = datetime.fromisoformat(asked[f"{copies}/UnModifiedSinceConstraint"])
            if written > since:
                return "PreconditionFailed", 412
            folder = asked.get(f"{copies}/TargetKeyPrefix")
            client.copy_object(
                Bucket=asked[f"{copies}/TargetResource"].rpartition(":")[2],
                Key=key if folder is None else f"{folder}/{key}",
                CopySource={"Bucket": self._source.name, "Key": key},
                StorageClass=asked[f"{copies}/StorageClass"],
            )
        except ClientError as error:
            return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        return "", 200

    def _write_report(self, job: Job) -> None:
        bucket = job.asked["Report/Bucket"].rpartition(":")[2]
        folder = f"{job.asked['Report/Prefix']}/job-{job.id}"
        files: dict[str, bytes] = {}
        results: list[dict[str, Any]] = []
        for state in ("succeeded", "failed"):
            rows = [row for row in job.rows if row[3] == state]
            if rows:
                text = io.StringIO()
                csv.writer(text, lineterminator="\n").writerows(reversed(rows))
                content = text.getvalue().encode()
                name = f"results/{hashlib.sha1(content, usedforsecurity=False).hexdigest()}.csv"
                files[name] = content
                md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
                results.append(
                    {
                        "TaskExecutionStatus": state,
                        "Bucket": bucket,
                        "MD5Checksum": md5,
                        "Key": f"{folder}/{name}",
                    }
                )
        manifest = {
            "Format": "Report_CSV_20180820",
            "ReportCreationDate": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}",
            "Results": results,
            "ReportSchema": "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage",
        }
        files["manifest.json"] = json.dumps(manifest).encode()
        for name, content in self.tamper(files).items():
            self._store.client.put_object(Bucket=bucket, Key=f"{folder}/{name}", Body=content)


def _leaves(element: Any, path: str = "") -> Iterator[tuple[str, str]]:
    for child in element:
        name = f"{path}{etree.QName(child).localname}"
        if len(child):
            yield from _leaves(child, f"{name}/")
        else:
            yield name, child.text or ""


def _split(arn: str) -> tuple[str, str]:
    bucket, _, key = arn.rpartition(":::")[2].partition("/")
    return bucket, key


def _answer(root: str, content: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">{content}</{root}>'
    return Answer(body.encode(), 200, {"Content-Type": "application/xml"})


@contextmanager
def jobs_server(pair: Pair, make_place: MakePlace, through: FaultyServer | None) -> Iterator[Jobs]:
    """Run the service for a sync, and add its settings to the configuration.

    Args:
        pair: the sync; what its source has now becomes old.
        make_place: makes the bucket of manifests and reports.
        through: the proxy that Hyve reaches the buckets through; None leaves times as they are.
    """
    location = make_place("jobs", prefix="hyve/")
    jobs = Jobs(pair.source, pair.store, None if through is None else AgedBucket(through, pair.source.name))
    with scripted_server(jobs) as server:
        with (pair.home / "hyve.toml").open("a") as file:
            file.write(
                f'[sync.images.batch]\naccount_id = "{ACCOUNT}"\nrole_arn = "{ROLE}"\n'
                f'location = "{location.uri}"\nendpoint_url = "{server.endpoint_url}"\n'
            )
        yield jobs
