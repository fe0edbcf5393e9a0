"""Notices that a bucket can't be reached any more, so that the remaining objects are not all tried in vain.

Each object that fails takes as long as its requests are retried. Ten thousand of them against a server that is down, or
has become another one, would delay a command for hours.
"""

from collections.abc import Sequence
from functools import partial

from hyve_pipeline.core.model.journal import JournalRow, Outcome
from hyve_pipeline.operations.requests.in_flight import Work
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.probe import probe_bucket, send_probe
from hyve_pipeline.s3.wire.errors import S3RequestError, bucket_error


class Outage:
    """Watches how objects end. When many fail one after another, it probes the buckets.

    Objects may fail for reasons of their own, so failures alone do not end the work: the probe of a bucket, which every
    connection has passed at its start, must fail too.

    Args:
        connections: the buckets.
        most: how many objects must fail one after another before the buckets are probed.

    Attributes:
        reason: why a bucket can't be reached; None as long as all can.
    """

    def __init__(self, connections: Sequence[Connection], most: int) -> None:
        self.reason: str | None = None
        self._connections = connections
        self._most = most
        self._failures = 0

    async def watch(self, work: Work[JournalRow]) -> JournalRow:
        """The outcome of the work on one object."""
        row = await work
        self._failures = self._failures + 1 if row.outcome is Outcome.FAILED else 0
        if self._failures >= self._most:
            # Others that end meanwhile need not probe too.
            self._failures = 0
            for connection in self._connections:
                try:
                    await Tries().answer(partial(send_probe, connection))
                except S3RequestError as error:
                    self.reason = str(bucket_error(error, connection.place))
                    break
        return row

    def raise_if_it_lasts(self) -> None:
        """Probe the buckets again where one could not be reached.

        Raises:
            BucketError: one still can't.
        """
        if self.reason is not None:
            for connection in self._connections:
                probe_bucket(connection)
            self.reason = None
