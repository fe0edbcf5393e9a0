"""Asks for the restore of what a plan skipped as archived."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.restore import FAILED, RESTORE_SCHEMA, RestoreSummary
from hyve_pipeline.core.runtime.progress import end, expect, report
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.core.settings.restore import RestoreSettings
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import plan_refusals, raise_refusal
from hyve_pipeline.operations.requests.in_flight import Work, run_in_flight
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.operations.restore.asked import FOLDER, archived_rows, waiting_keys
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.listing.probe import probe_bucket
from hyve_pipeline.s3.objects.restore import Restore, lacks_restore, restore_object
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.state.parquet import writing_parquet
from hyve_pipeline.state.plans import next_id

# The activity, for progress reports.
_RESTORE = "ask for restores"

# Outcomes in memory until they are written.
_BATCH = 50_000


class _Asked(NamedTuple):
    key: str
    etag: str
    size: int
    storage_class: str
    outcome: str
    detail: str | None
    at: datetime


def request_restores(context: SyncContext, plan: Plan) -> RestoreSummary:
    """Ask for the restore of each object that a plan skipped as archived, and keep what came of it.

    An object that was asked for before and may still come back is left out.

    Raises:
        ConfigurationError: the option `restore` is not set, or the plan is of the source as it was earlier.
        RefusedError: the plan's copies are refused.
        BucketError: the source can't be reached, or its server can't restore.
        StateError: the state can't be read or written.
    """
    wanted = _wanted(context, plan)
    raise_refusal(plan_refusals(context, plan), "copy")
    waiting = waiting_keys(context)
    name = next_id(context.state, _now())
    file = f"{FOLDER}/{name}.parquet"
    with (
        context.connect(plan.source) as source,
        writing_parquet(context.state, file, RESTORE_SCHEMA) as writer,
        context.sharing_rates(),
    ):
        probe_bucket(source)
        requests = _Requests(source, plan.source, wanted, writer)
        window = Window(context.settings.options.concurrency, lambda: source.throttled)
        try:
            run_in_flight(requests.works(archived_rows(context.state, plan.changes), waiting), window, requests.take)
        finally:
            # What was asked for is charged: it is kept, whatever happened then.
            requests.write()
    end(_RESTORE, failed=requests.outcomes[FAILED])
    summary = RestoreSummary(
        id=name,
        plan=plan.id,
        at=_now(),
        days=wanted.days,
        tier=wanted.tier,
        outcomes=dict(requests.outcomes),
        waiting=requests.left_out,
        bytes=requests.bytes,
        example=requests.example,
        file=file,
    )
    context.state.below(FOLDER).write_manifest(f"{name}.json", summary)
    context.note(EventKind.RESTORES_ASKED, plan=plan.id, restore=name)
    return summary


def _wanted(context: SyncContext, plan: Plan) -> RestoreSettings:
    """For how long objects are restored, and how fast."""
    wanted = context.settings.options.restore or plan.options.restore
    if wanted is None:
        raise ConfigurationError(
            f"sync {context.name}: nothing says for how long objects are restored: set restore = {{ days = 3, tier = "
            f'"Bulk" }} in [sync.{context.name}.options]'
        )
    if plan.as_of is not None:
        # S3 would restore the present version, which the plan does not copy.
        raise ConfigurationError(f"plan {plan.id} is of {plan.as_of.described}: only present versions are restored")
    plan.require_objects("restore")
    return wanted


class _Requests:
    """The requests of one command, and what came of them.

    Attributes:
        outcomes: how many ended in which way.
        bytes: of the objects whose restore was asked for.
        left_out: how many objects still wait for an earlier request.
        example: why one of them failed.
    """

    def __init__(self, source: Connection, place: Place, wanted: RestoreSettings, writer: pq.ParquetWriter) -> None:
        self.outcomes: Counter[str] = Counter()
        self.bytes = 0
        self.left_out = 0
        self.example: str | None = None
        self._source = source
        self._place = place
        self._wanted = wanted
        self._writer = writer
        self._rows: list[_Asked] = []

    def works(self, archived: Iterable[pa.Table], waiting: Mapping[str, str]) -> Iterator[Work[_Asked]]:
        """A request an object, but for those whose key waits with the same ETag."""
        for table in archived:
            for row in table.select(["key", "source_etag", "size", "storage_class"]).to_pylist():
                key = self._place.key_of(row["key"])
                if waiting.get(key) == row["source_etag"]:
                    self.left_out += 1
                    continue
                expect(_RESTORE, 1, row["size"])
                yield self._ask(key, row)

    async def _ask(self, key: str, row: dict[str, Any]) -> _Asked:
        days, tier = self._wanted.days, self._wanted.tier
        outcome, detail = FAILED, None
        try:
            outcome = await Tries().answer(lambda: restore_object(self._source, key, days, tier))
        except S3RequestError as error:
            if lacks_restore(error):
                raise BucketError(
                    f"{self._source.place.uri}: its server can't restore archived objects ({error.code}): restore them "
                    "by its own means, and leave out the option restore"
                ) from error
            detail = str(error)
        return _Asked(key, row["source_etag"], row["size"], row["storage_class"], outcome, detail, _now())

    def take(self, asked: _Asked) -> None:
        """Count an outcome and keep it."""
        self._rows.append(asked)
        self.outcomes[asked.outcome] += 1
        self.bytes += asked.size if asked.outcome == Restore.ASKED else 0
        self.example = self.example or asked.detail
        report(_RESTORE, 1, asked.size)
        if len(self._rows) >= _BATCH:
            self.write()

    def write(self) -> None:
        """Write the outcomes that are in memory."""
        table = pa.Table.from_pylist([row._asdict() for row in self._rows], schema=RESTORE_SCHEMA)
        self._writer.write_table(table)
        self._rows.clear()


def _now() -> datetime:
    return datetime.now(UTC)
