"""Takes what the jobs of a round did into the journal, shard by shard, as if Hyve had made the copies.

No report is believed alone: a copy counts as done when the report says so and the store shows it. What a report does
not mention gets no row, and is left to Hyve.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.batch import JobResult, Round, RoundResult
from hyve_pipeline.core.model.journal import NOT_PROVED, JournalRow, Outcome, ShardState
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.planned_object import PlannedObject, planned_objects
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.operations.apply.listing_check import list_batch
from hyve_pipeline.operations.apply.recorder import Recorder
from hyve_pipeline.operations.batch.places import JobPlaces
from hyve_pipeline.operations.batch.prepare import BATCH_KEYS, BATCHES_IN_FLIGHT
from hyve_pipeline.operations.batch.reported import collect_reports
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import SortedRows
from hyve_pipeline.operations.journal.ends import note_end
from hyve_pipeline.operations.journal.row import ended
from hyve_pipeline.operations.plan.freeze import read_shard
from hyve_pipeline.operations.requests.in_flight import Reply, Together, run_in_flight
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.wire.errors import S3RequestError, bucket_error
from hyve_pipeline.state.batch_rounds import RoundFolder
from hyve_pipeline.state.epochs import Epoch
from hyve_pipeline.state.journals import ShardJournal

# The activity, for progress reports.
_TAKE_IN = "check what jobs copied"

# How far the server's clock may be behind the one that says when a round was created.
_CLOCK_SLACK = timedelta(minutes=15)

_SECOND = 1_000_000


class _Reported(NamedTuple):
    is_done: bool
    code: str
    detail: str


class _Task(NamedTuple):
    """An object that a job was to copy, and what its report says of it; None if nothing."""

    planned: PlannedObject
    storage_class: str
    reported: _Reported | None


def take_in(
    context: SyncContext,
    plan: Plan,
    folder: RoundFolder,
    asked: Round,
    jobs: Sequence[JobResult],
    places: JobPlaces,
    epoch: Epoch,
) -> RoundResult:
    """Read the reports of all jobs, check the store, and journal what is done and what has failed.

    It can be repeated after a kill: what was journaled stays.

    Args:
        context: the sync.
        plan: the plan, which this process alone applies.
        folder: the round's folder.
        asked: what was asked for.
        jobs: the jobs, all of which have ended.
        places: the buckets.
        epoch: this process's part in applying the plan.

    Raises:
        ClaimLostError: another process may apply the plan now.
        BucketError: a bucket does not answer.
        StateError: the state can't be read or written.
    """
    jobs = collect_reports(context.state, plan, folder, jobs, places.location)
    ids = {job.storage_class: job.id for job in jobs}
    counts: dict[str, Counter[str]] = {job.storage_class: Counter() for job in jobs}
    checker = _Checker(places, asked, ids)
    with (
        SortedRows(context.state, [folder.manifest]) as manifest,
        SortedRows(context.state, [folder.report]) as reports,
    ):
        for shard in plan.shards_of("copy"):
            epoch.check()
            wanted = {row["key"]: row["storage_class"] for row in _rows_of(manifest, shard)}
            if not wanted:
                continue
            said = _said(reports, shard, wanted, counts)
            _journal(context, plan, shard, wanted, said, checker, counts)
    return RoundResult(
        jobs=tuple(job.model_copy(update=_figures(counts[job.storage_class])) for job in jobs),
        left_out=asked.left_out,
    )


def _figures(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts.get(name, 0) for name in ("done", "failed", "missing", "foreign")}


def _rows_of(rows: SortedRows, shard: Shard) -> Iterator[dict[str, Any]]:
    """The rows of the keys of a shard."""
    for row in rows.read(RelativeRange(shard.first_key, f"{shard.last_key}\0")).to_pylist():
        if shard.first_key <= row["key"] <= shard.last_key:
            yield row


def _said(
    reports: SortedRows, shard: Shard, wanted: Mapping[str, str], counts: Mapping[str, Counter[str]]
) -> dict[str, _Reported]:
    """What the reports say of the keys of a shard; a key that has failed in one row has failed."""
    said: dict[str, _Reported] = {}
    for row in _rows_of(reports, shard):
        key = row["key"]
        if wanted.get(key) != row["storage_class"]:
            counts[row["storage_class"]]["foreign"] += 1
        elif key not in said or said[key].is_done:
            said[key] = _Reported(row["is_done"], row["code"], row["detail"])
    return said


def _journal(
    context: SyncContext,
    plan: Plan,
    shard: Shard,
    wanted: Mapping[str, str],
    said: Mapping[str, _Reported],
    checker: "_Checker",
    counts: Mapping[str, Counter[str]],
) -> None:
    """Journal what jobs did of one shard, and end its attempt if nothing of it is left."""
    journal = ShardJournal(context.state, plan.id, shard)
    with journal.claimed(context.actor, context.claim_times) as claim:
        state, _ = journal.latest()
        last = journal.last_rows()
        settled = {key: row for key, row in last.items() if row.outcome is not Outcome.FAILED}
        tasks: list[_Task] = []
        for row in planned_objects(read_shard(context, plan, shard)):
            if row.key in wanted:
                counted = counts[wanted[row.key]]
                reported = said.get(row.key)
                if row.key in settled:
                    counted["done"] += 1
                elif reported is None:
                    counted["missing"] += 1
                else:
                    tasks.append(_Task(row, wanted[row.key], reported))
        if state is ShardState.FINISHED or not tasks:
            return
        with journal.begin(claim, context.actor.id, datetime.now(UTC)) as writer:
            recorder = Recorder("copy", writer, settled.values(), activity=_TAKE_IN)
            by_key = {task.planned.key: task for task in tasks}

            def take(rows: list[JournalRow]) -> None:
                recorder.add_all(rows)
                for row in rows:
                    counted = counts[by_key[row.key].storage_class]
                    counted["done" if row.outcome is Outcome.DONE else "failed"] += 1

            checker.check(tasks, take)
            if recorder.total == shard.objects and not recorder.has_failures:
                summary = journal.finish(claim, writer, recorder.summary())
                note_end(context, plan, shard, summary)


class _Checker:
    """Checks in the store what reports say, and makes the rows of the journal.

    Args:
        places: the buckets.
        asked: the round.
        ids: the jobs' ids by storage class.
    """

    def __init__(self, places: JobPlaces, asked: Round, ids: Mapping[str, str | None]) -> None:
        self._source = places.source
        self._store = places.store
        self._window = places.window
        self._ids = ids
        self._earliest = (asked.created - _CLOCK_SLACK).timestamp() * _SECOND

    def check(self, tasks: Iterable[_Task], take: Callable[[list[JournalRow]], None]) -> None:
        """Hand over the rows of some objects, a batch at a time.

        Raises:
            BucketError: source or store does not answer.
        """
        left = iter(tasks)
        batches = iter(lambda: list(islice(left, BATCH_KEYS)), [])
        try:
            works = (self._judge(batch) for batch in batches)
            run_in_flight(works, self._window, take, at_once=BATCHES_IN_FLIGHT)
        except S3RequestError as error:
            connection = self._store if error.bucket == self._store.bucket else self._source
            raise bucket_error(error, connection.place) from error

    async def _judge(self, batch: Sequence[_Task]) -> list[JournalRow]:
        prefix = self._store.place.prefix
        rows = [self._failed(task) for task in batch if task.reported is not None and not task.reported.is_done]
        copied = [task for task in batch if task.reported is not None and task.reported.is_done]
        if not copied:
            return rows
        listed = await Reply(list_batch(self._store, [prefix + task.planned.key for task in copied]))
        unknown: list[_Task] = []
        for task in copied:
            key = prefix + task.planned.key
            etag = listed.etags.get(key) if listed.knows_etag(key) else None
            if etag and same_etag(etag, task.planned.source_etag):
                rows.append(self._row(task, Outcome.DONE, etag_after=etag))
            else:
                unknown.append(task)
        return rows + await Together([self._prove(task) for task in unknown])

    async def _prove(self, task: _Task) -> JournalRow:
        """Look at an object whose ETag alone does not prove it."""
        planned = task.planned
        store_key, source_key = self._store.place.key_of(planned.key), self._source.place.key_of(planned.key)
        head = await Tries().answer(lambda: head_object(self._store, store_key))
        if head is None:
            return self._row(task, Outcome.FAILED, NOT_PROVED, "the store does not have it")
        after = {"etag_after": head.etag, "version_after": head.version_id}
        if same_etag(head.etag, planned.source_etag):
            return self._row(task, Outcome.DONE, **after)
        # A key of KMS makes the ETags of an object and its copy differ. The source's object cannot have changed before
        # the source was listed, by the pin of time; if it is the same now, it was the same when it was copied.
        if head.size in (None, planned.size) and head.last_modified >= self._earliest:
            now = await Tries().answer(lambda: head_object(self._source, source_key))
            if now is not None and same_etag(now.etag, planned.source_etag) and _is_of(now.last_modified, planned):
                return self._row(task, Outcome.DONE, **after)
        return self._row(task, Outcome.FAILED, NOT_PROVED, f"the store has another object there, of ETag {head.etag}")

    def _failed(self, task: _Task) -> JournalRow:
        reported = task.reported
        assert reported is not None  # noqa: S101
        return self._row(task, Outcome.FAILED, reported.code, reported.detail)

    def _row(
        self, task: _Task, outcome: Outcome, code: str | None = None, detail: str | None = None, **after: Any
    ) -> JournalRow:
        job = f"S3 Batch Operations job {self._ids[task.storage_class]}"
        return ended(task.planned, "copy", outcome, code, job if not detail else f"{job}: {detail}", **after)


def _is_of(last_modified: int, planned: PlannedObject) -> bool:
    """Whether an object was last written when the planned one was; answers to HEAD have whole seconds."""
    written = planned.source_last_modified
    return written is not None and last_modified // _SECOND == written // _SECOND
