"""Archived objects whose restore was asked for, and what became of that."""

from datetime import datetime, timedelta

import pyarrow as pa

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.prices import RestoreTier

_TIME = pa.timestamp("us", tz="UTC")

RESTORE_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False, metadata={"description": "the whole key in the source"}),
        pa.field("etag", pa.string(), nullable=False, metadata={"description": "the ETag in the plan"}),
        pa.field("size", pa.int64(), nullable=False, metadata={"description": "bytes"}),
        pa.field("storage_class", pa.string(), nullable=False, metadata={"description": "its storage class"}),
        pa.field("outcome", pa.string(), nullable=False, metadata={"description": "what S3 answered, or failed"}),
        pa.field("detail", pa.string(), metadata={"description": "why it failed"}),
        pa.field("at", _TIME, nullable=False, metadata={"description": "when it was asked for"}),
    ]
)

# The outcome of a request that failed.
FAILED = "failed"

# S3 needs at most so long, by the slowest tier of the slowest class.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html
LONGEST = timedelta(hours=48)


class RestoreSummary(Frozen):
    """One time that restores were asked for.

    Attributes:
        id: its id.
        plan: the plan whose skipped objects it is about.
        at: when it ended.
        days, tier: what was asked for.
        outcomes: objects by outcome, see `s3.objects.restore.Restore`, and ``failed``.
        waiting: objects that were asked for before and have not come back yet; nothing was sent for them.
        bytes: of the objects whose restore began.
        example: why the first of those that failed did.
        file: the Parquet file with every object, columns as in `RESTORE_SCHEMA`.
    """

    id: str
    plan: str
    at: datetime
    days: int
    tier: RestoreTier
    outcomes: dict[str, int]
    waiting: int = 0
    bytes: int = 0
    example: str | None = None
    file: str

    @property
    def failed(self) -> int:
        """How many requests failed."""
        return self.outcomes.get(FAILED, 0)

    def is_over(self, now: datetime) -> bool:
        """Whether nothing that was asked for then can still come back, or be there to be copied."""
        return now > self.at + LONGEST + timedelta(days=self.days)


class RestoreStatus(Frozen):
    """What became of all objects that were asked for, as the newest listing of the source shows it.

    Attributes:
        waiting: not back yet.
        restored: can be read now.
        expired: were back and are archived again, or never came.
        changed: were overwritten or deleted since, or are in another storage class.
    """

    waiting: int = 0
    restored: int = 0
    expired: int = 0
    changed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.waiting + self.restored + self.expired + self.changed
