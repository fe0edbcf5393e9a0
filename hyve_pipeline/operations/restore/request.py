"""Asks for the restore of what a plan skipped as archived."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.restore import FAILED, RESTORE_SCHEMA, RestoreSummary
from hyve_pipeline.core.runtime.progress import end, expect, report
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import plan_refusals, raise_refusal
from hyve_pipeline.operations.requests.in_flight import Work, run_in_flight
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.operations.restore.asked import FOLDER, archived_rows, waiting_keys
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
    raise_refusal(plan_refusals(context, plan), "copy")
    waiting = waiting_keys(context)
    found: Counter[str] = Counter()
    left_out = size = 0
    example: str | None = None
    name = next_id(context.state, datetime.now(UTC))
    file = f"{FOLDER}/{name}.parquet"
    with (
        context.connect(plan.source) as source,
        writing_parquet(context.state, file, RESTORE_SCHEMA) as writer,
        context.sharing_rates(),
    ):
        probe_bucket(source)
        rows: list[_Asked] = []

        async def ask(row: dict[str, Any]) -> _Asked:
            key, detail = plan.source.key_of(row["key"]), None
            try:
                outcome: str = await Tries().answer(lambda: restore_object(source, key, wanted.days, wanted.tier))
            except S3RequestError as error:
                if lacks_restore(error):
                    raise BucketError(
                        f"{source.place.uri}: its server can't restore archived objects ({error.code}): restore them "
                        "by its own means, and leave out the option restore"
                    ) from error
                outcome, detail = FAILED, str(error)
            return _Asked(key, row["source_etag"], row["size"], row["storage_class"], outcome, detail, _now())

        def works() -> Iterator[Work[_Asked]]:
            nonlocal left_out
            for table in archived_rows(context.state, plan.changes):
                columns = ["key", "source_etag", "size", "storage_class"]
                for row in table.select(columns).to_pylist():
                    if waiting.get(plan.source.key_of(row["key"])) == row["source_etag"]:
                        left_out += 1
                        continue
                    expect(_RESTORE, 1, row["size"])
                    yield ask(row)

        def take(asked: _Asked) -> None:
            nonlocal size, example
            rows.append(asked)
            found[asked.outcome] += 1
            size += asked.size if asked.outcome == Restore.ASKED else 0
            example = example or asked.detail
            report(_RESTORE, 1, asked.size)
            if len(rows) >= _BATCH:
                write()

        def write() -> None:
            table = pa.Table.from_pylist([row._asdict() for row in rows], schema=RESTORE_SCHEMA)
            writer.write_table(table)
            rows.clear()

        try:
            run_in_flight(works(), Window(context.settings.options.concurrency, lambda: source.throttled), take)
        finally:
            # What was asked for is charged: it is kept, whatever happened then.
            write()
    end(_RESTORE, failed=found[FAILED])
    summary = RestoreSummary(
        id=name,
        plan=plan.id,
        at=_now(),
        days=wanted.days,
        tier=wanted.tier,
        outcomes=dict(found),
        waiting=left_out,
        bytes=size,
        example=example,
        file=file,
    )
    context.state.below(FOLDER).write_manifest(f"{name}.json", summary)
    context.note(EventKind.RESTORES_ASKED, plan=plan.id, restore=name)
    return summary


def _now() -> datetime:
    return datetime.now(UTC)
