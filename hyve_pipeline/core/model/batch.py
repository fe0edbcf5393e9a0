"""Which copies S3 Batch Operations may make, and the records of the jobs that make them.

A job copies a whole manifest in the same way, and can be told neither the ETag of a source's object nor what the store
must have at a key. So it gets only what can be proved afterwards: new keys, whose objects were written well before the
source was listed. All else is copied by Hyve itself.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-copy-object.html
"""

from collections import Counter
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.planned_object import PlannedObject
from hyve_pipeline.core.settings.batch import BatchSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import AWS

# The largest object that a job copies: 5 GB.
MOST_BYTES = 5_000_000_000

# The storage classes that a job can be told and whose objects can be read at once.
BATCH_CLASSES = frozenset({"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"})

# S3 refuses requests of a clock that differs by more than this, so it is the most that the time of a listing is wrong.
_MOST_SKEW = timedelta(minutes=15)

# The keys of a manifest, below the prefix, in their order.
MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False, metadata={"description": "the key below the prefix"}),
        pa.field("storage_class", pa.string(), nullable=False, metadata={"description": "the class of the copy"}),
    ]
)

# What a completion report says of each key.
REPORTED_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False, metadata={"description": "the key below the prefix"}),
        pa.field("storage_class", pa.string(), nullable=False, metadata={"description": "the job's storage class"}),
        pa.field("is_done", pa.bool_(), nullable=False, metadata={"description": "the job copied it"}),
        pa.field("code", pa.string(), nullable=False, metadata={"description": "why not: S3's code or HTTP status"}),
        pa.field("detail", pa.string(), nullable=False, metadata={"description": "the same in a sentence"}),
    ]
)


class JobState(StrEnum):
    """How far a job came, in as much detail as it matters here."""

    GOING_ON = "going on"
    WAITING = "waiting"  # for a user: to confirm it, or to let a paused one go on
    COMPLETE = "complete"
    ENDED = "ended"  # failed or cancelled, or S3 no longer knows it


def job_state(status: str) -> JobState:
    """What a status that DescribeJob answers means.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-status.html
    """
    if status in ("Suspended", "Paused"):
        return JobState.WAITING
    if status == "Complete":
        return JobState.COMPLETE
    return JobState.ENDED if status in ("Failed", "Cancelled", GONE, REFUSED) else JobState.GOING_ON


# The status of a job that S3 does not know any more: it keeps them for 90 days.
GONE = "NotFound"

# The status of one that S3 refused to create; not one of S3 either.
REFUSED = "Refused"


class JobRequest(Frozen):
    """A job that is asked for.

    Attributes:
        storage_class: the class of its copies.
        objects: the rows of its manifest.
        parameters: those of CreateJob, as botocore takes them. After a kill the very same are sent again, with the same
            ClientRequestToken, so that S3 does not create a second job.
    """

    storage_class: str
    objects: int
    parameters: dict[str, Any]


class Round(Frozen):
    """The jobs that are started together for what is left of a plan, one for each storage class.

    Attributes:
        plan: the plan.
        number: from 1, through the rounds of the plan.
        created: when.
        settings: the settings of the jobs.
        jobs: what is asked for.
        left_out: how many objects that were left to copy no job could be given, by reason.
    """

    plan: str
    number: int
    created: datetime
    settings: BatchSettings
    jobs: tuple[JobRequest, ...]
    left_out: dict[str, int] = Field(default_factory=dict)

    @property
    def objects(self) -> int:
        """The rows of all manifests."""
        return sum(job.objects for job in self.jobs)


class OpenRound(Frozen):
    """Names the round whose jobs may still be copying; no more than one of a sync."""

    plan: str
    number: int


class CreatedJob(Frozen):
    """The answer to CreateJob.

    Attributes:
        id: the job's id; None where S3 refused it.
        problem: why it did.
    """

    id: str | None
    problem: str | None = None


class JobResult(Frozen):
    """What a job did.

    Attributes:
        id: its id; None where S3 refused to create it.
        storage_class: the class of the copies.
        status: its last status, as DescribeJob says it.
        objects: the rows of its manifest.
        done: objects whose copies were found in the store.
        failed: objects that its report says have failed, or whose copies were not found as planned.
        missing: objects that its report does not mention.
        foreign: rows of its report that are not in its manifest.
        problem: why it, or its report, is not complete; None if both are.
    """

    id: str | None
    storage_class: str
    status: str
    objects: int
    done: int = 0
    failed: int = 0
    missing: int = 0
    foreign: int = 0
    problem: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the job came to its own end, whatever its report says."""
        return job_state(self.status) is JobState.COMPLETE


class RoundResult(Frozen):
    """What the jobs of a round did; kept when the round is over.

    Attributes:
        jobs: each of them.
        left_out: how many objects that were left to copy no job could be given, by reason.
    """

    jobs: tuple[JobResult, ...] = ()
    left_out: dict[str, int] = Field(default_factory=dict)

    @property
    def problem(self) -> str | None:
        """The line about the first job that did not come to its end; None if all did."""
        return next((f"{named(job)}: {job.problem}" for job in self.jobs if not job.is_complete), None)


def named(job: JobResult) -> str:
    """A job for messages."""
    return f"S3 Batch Operations job {job.id or 'that was not created'} ({job.storage_class})"


# The options that decide nothing about the copies of a job, or that are checked here. All others are refused: no new
# option is silently left out.
_KNOWN_OPTIONS = {
    *("compare", "altered", "versions", "compare_properties", "include", "exclude", "filter"),
    *("max_deletes", "max_overwrites", "max_cost", "max_duration", "prices", "restore", "trash", "inventory_max_age"),
    *("shard_objects", "shard_bytes", "concurrency", "processes", "requests_per_second", "bandwidth"),
    *("listing_concurrency", "patience_seconds", "transport", "multipart_threshold", "multipart_part_size"),
    *("transfer", "stream_memory", "keep_parts", "website_redirects", "acl", "object_tags", "annotations", "locks"),
    *("storage_class", "encryption", "kms_key_id", "bucket_key"),
}


def obstacle(plan: Plan, settings: BatchSettings) -> str | None:
    """Why no job can copy for a plan: what its options ask for that a job can't do; None if one can.

    What depends on the buckets themselves, such as redirects of a website, is checked beside.
    """
    options = plan.options
    reasons = {
        "its bytes pass through Hyve, as no server can copy them": plan.transfer.by != "server",
        "the store is not on AWS": plan.store.server != AWS and settings.endpoint_url is None,
        "it is of the source as it was earlier": plan.as_of is not None,
        "keys get other names by a mapping": bool(plan.source.mapping),
        'versions = "all" copies versions in their order': options.versions == "all",
        "the store is used without credentials": plan.store.anonymous,
        "the owner of the source does not pay (requester_pays), and a job has no say in that": (
            plan.source.requester_pays
        ),
        'acl = "source" gives each copy grants of its own': options.acl == "source",
        'object_tags = "skip" copies no tags': options.object_tags == "skip",
        'locks = "copy" gives each copy a lock of its own': options.locks == "copy",
        "website_redirects = true copies redirects": options.website_redirects is True,
        f"the option encryption is set: let the bucket {plan.store.bucket} encrypt by default instead": (
            options.encryption is not None
        ),
        f"copies can't have the storage class {options.storage_class}": (
            options.storage_class not in ("source", "default", *BATCH_CLASSES)
        ),
        f"a job can't turn keys below {displayed(plan.source.uri)} into keys below {displayed(plan.store.uri)}: the "
        "store's prefix must end with the source's, after a folder": not _can_map(plan),
    }
    new = (name for name, field in type(options).model_fields.items() if getattr(options, name) != field.get_default())
    reasons |= {f"a job does not do what the option {name} asks for": name not in _KNOWN_OPTIONS for name in new}
    return next((reason for reason, holds in reasons.items() if holds), None)


def _can_map(plan: Plan) -> bool:
    source, store = plan.source.prefix, plan.store.prefix
    if source == store:
        return True
    folder = store.removesuffix(source)
    return store.endswith(source) and folder.endswith("/") and folder.strip("/") == folder[:-1] != ""


def target_prefix(plan: Plan) -> str | None:
    """The TargetKeyPrefix of a job, which puts it and a ``/`` before each key; None where keys stay as they are.

    `obstacle` has found nothing.
    """
    source, store = plan.source.prefix, plan.store.prefix
    return None if source == store else store.removesuffix(source)[:-1]


def unmodified_since(listed: datetime) -> datetime:
    """The pin by time: an object that was last written before cannot have changed since the source was listed.

    Args:
        listed: when the listing or report of the source was begun, perhaps by this machine's clock.
    """
    return (listed - _MOST_SKEW).replace(microsecond=0)


class Chooser:
    """Says of each object that a plan copies whether a job may copy it.

    Args:
        options: those of the plan; `obstacle` has found nothing.
        since: see `unmodified_since`.

    Attributes:
        left_out: how many objects were left to Hyve, by reason.
    """

    def __init__(self, options: Options, since: datetime) -> None:
        self.left_out: Counter[str] = Counter()
        self._choice = options.storage_class
        self._keep_parts = options.keep_parts
        self._since = since.timestamp() * 1e6

    def storage_class(self, row: PlannedObject) -> str | None:
        """The storage class of the copy that a job may make; None where it may not."""
        named = "STANDARD" if self._choice == "default" else self._choice
        wanted = (row.storage_class or "STANDARD") if named == "source" else named
        reason = self._reason(row, wanted)
        if reason is None:
            return wanted
        self.left_out[reason] += 1
        return None

    def _reason(self, row: PlannedObject, wanted: str) -> str | None:
        if row.set != ChangeSet.NEW:
            return "not new"
        if not row.source_etag or row.source_last_modified is None:
            return "without ETag or time"
        if row.size > MOST_BYTES:
            return "over 5 GB"
        if "-" in row.source_etag and self._keep_parts:
            return "uploaded in parts"
        if row.source_last_modified > self._since:
            return "written shortly before the listing, or later"
        return None if wanted in BATCH_CLASSES else "of a storage class that jobs can't give"


def count_for_jobs(rows: pa.Table, options: Options, since: datetime) -> Counter[str]:
    """How many objects of a plan jobs may copy, by the storage class of the copies: as `Chooser` decides it, at once.

    Args:
        rows: rows of the plan, columns as in `core.diff.CHANGE_SCHEMA`.
        options: those of the plan.
        since: see `unmodified_since`.
    """
    named = options.storage_class
    etag = pc.field("source_etag")
    chosen = rows.filter(
        (pc.field("set") == ChangeSet.NEW.value)
        & etag.is_valid()
        & (etag != "")
        & (pc.field("size") <= MOST_BYTES)
        & (pc.field("source_last_modified") <= pa.scalar(since))
    )
    if options.keep_parts:
        is_parted = pc.MatchSubstringOptions("-")
        parted = pc.call_function("match_substring", [chosen.column("source_etag")], is_parted)
        chosen = chosen.filter(pc.call_function("invert", [parted]))
    if named == "source":
        classes = Counter[str](name or "STANDARD" for name in chosen.column("storage_class").to_pylist())
    else:
        classes = Counter({"STANDARD" if named == "default" else named: chosen.num_rows})
    return Counter({name: count for name, count in classes.items() if name in BATCH_CLASSES and count})
