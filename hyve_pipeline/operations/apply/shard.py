"""Applies one shard of a plan, object by object, and journals every outcome.

An attempt continues where earlier ones ended: objects that are done or skipped in the journal are not processed again.
An object that was done but not journaled, because the process died in between, is recognised by comparing
with the store.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from hyve_pipeline.core.base.errors import HyveError, RefusedError
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.journal import AttemptSummary, Outcome, ShardState
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.planned_object import PlannedObject, planned_objects
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.core.model.server_lack import ServerLack, merged
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.model.status import PlanStatus
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.operations.apply.copy import ObjectCopier
from hyve_pipeline.operations.apply.delete import ObjectDeleter
from hyve_pipeline.operations.apply.history import WRITES, HistoryCopier
from hyve_pipeline.operations.apply.move import Moves
from hyve_pipeline.operations.apply.open_uploads import abandon_uploads, abandon_uploads_of_others
from hyve_pipeline.operations.apply.outage import Outage
from hyve_pipeline.operations.apply.recorder import Recorder
from hyve_pipeline.operations.apply.trash import Trash
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.as_of import version_pins
from hyve_pipeline.operations.inventory.histories import check_keeps_versions
from hyve_pipeline.operations.journal.ends import note_end
from hyve_pipeline.operations.journal.status import plan_refusals, plan_status, raise_if_undone, raise_refusal
from hyve_pipeline.operations.plan.freeze import read_shard
from hyve_pipeline.operations.requests.copy_route import open_copy_route
from hyve_pipeline.operations.requests.in_flight import run_in_flight
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.listing.probe import probe_bucket, probe_restore_status
from hyve_pipeline.s3.objects.versions import versioning_state
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Pairs
from hyve_pipeline.state.claims import Claim
from hyve_pipeline.state.epochs import Epoch
from hyve_pipeline.state.heartbeat import ClaimLostError
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline.state.uploads import ShardUploads


def check_allowed(context: SyncContext, plan: Plan, action: Action, status: PlanStatus | None = None) -> None:
    """Check the safety rules that concern the whole plan against what is about to be done.

    Deletes are allowed only when every copy shard is finished, none of its objects failed, and no limit
    refuses them; copies only when no limit refuses them. An approval of the plan counts. Of a plan that was
    undone, nothing is allowed.

    Args:
        context: the sync.
        plan: the plan.
        action: what is about to be done.
        status: the progress of the plan, if it was just read.

    Raises:
        RefusedError: with the rule, the figures and what to do.
        StateError: a file of the journal is damaged.
    """
    raise_if_undone(context, plan)
    raise_refusal(plan_refusals(context, plan), action)
    if action == "copy":
        return
    shards = (plan_status(context, plan) if status is None else status).shards
    states = Counter(status.state for status in shards if status.shard.action == "copy")
    if states.total() != states[ShardState.FINISHED]:
        figures = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        raise RefusedError(
            "copies_first",
            f"not all copies of plan {plan.id} have succeeded (shards: {figures}); "
            "nothing is deleted before: run 'hyve copy' or 'hyve retry'",
        )


def apply_shard(context: SyncContext, plan: Plan, shard: Shard, run_id: str) -> AttemptSummary:
    """Do one shard, or what is left of it.

    Args:
        context: the sync.
        plan: the plan.
        shard: one of its shards.
        run_id: the command or run that does it, for the journal.

    Returns:
        The summary of the whole shard, earlier attempts included. Objects that failed are counted there;
        they raise nothing.

    Raises:
        RefusedError: a safety rule forbids it, or another process is working on the shard or on another plan.
        BucketError: a bucket can't be reached.
        StateError: the plan or the journal is damaged, or can't be written.
    """
    journal = ShardJournal(context.state, plan.id, shard)
    with context.applying(plan.id) as epoch:
        check_allowed(context, plan, shard.action)
        with (
            journal.claimed(context.actor, context.claim_times) as claim,
            ShardApplier(context, plan, shard.action, run_id, epoch) as applier,
        ):
            return applier.apply(shard, journal, claim)


class ShardApplier(Closing):
    """Applies shards of one plan, one after the other, over the same connections. Use it as a context manager.

    Args:
        context: the sync.
        plan: the plan; what a shard needs comes from it, as the options may have changed since.
        action: that of the shards.
        run_id: the command or run that does it, for the journal.
        epoch: this process's part in applying the plan.
    """

    def __init__(self, context: SyncContext, plan: Plan, action: Action, run_id: str, epoch: Epoch) -> None:
        self._context = context
        self._plan = plan
        self._action: Action = action
        self._run_id = run_id
        self._epoch = epoch
        self._claim: Claim | None = None
        self._stack = ExitStack()
        self._buckets: _Buckets | None = None

    def close(self) -> None:
        """Close the connections and the files."""
        self._stack.close()

    def apply(self, shard: Shard, journal: ShardJournal, claim: Claim) -> AttemptSummary:
        """Do what is left of a shard, whose journal is claimed; nothing, when it is finished.

        Returns and raises: see `apply_shard`.

        Raises:
            ClaimLostError: another process may have taken over; what was done is in the journal.
        """
        state, summary = journal.latest()
        if state is ShardState.FINISHED and summary is not None:
            return summary
        # Before the attempt begins: if the plan can't be read or a bucket not reached, nothing was changed.
        objects = planned_objects(read_shard(self._context, self._plan, shard))
        self._claim = claim
        if self._buckets is None:
            self._buckets = _Buckets.open(self._context, self._plan, self._action, self._stack, self._check)
        self._buckets.outage.raise_if_it_lasts()
        is_first = state is ShardState.PENDING
        last = {} if is_first else journal.last_rows()
        settled = {key: row for key, row in last.items() if row.outcome is not Outcome.FAILED}
        left = {key: row.etag_after for key, row in last.items() if key not in settled and row.etag_after is not None}
        try:
            with journal.begin(claim, self._run_id, datetime.now(UTC)) as writer:
                recorder = Recorder(self._action, writer, settled.values())
                rows = (row for row in objects if row.key not in settled)
                summary = self._attempt(self._buckets, shard, rows, recorder, left, is_first=is_first)
                summary = journal.finish(claim, writer, summary)
        except ClaimLostError:
            # The attempt that took over may have completed before the last rows of this one were written.
            journal.recount()
            raise
        note_end(self._context, self._plan, shard, summary)
        return summary

    def _check(self) -> None:
        assert self._claim is not None  # noqa: S101
        self._claim.check()
        self._epoch.check()

    def _attempt(
        self,
        buckets: "_Buckets",
        shard: Shard,
        rows: Iterator[PlannedObject],
        recorder: Recorder,
        left: Mapping[str, str],
        *,
        is_first: bool,
    ) -> AttemptSummary:
        plan = self._plan
        source, store, window, outage = buckets.source, buckets.store, buckets.window, buckets.outage
        before = buckets.effort
        with ExitStack() as stack:
            if shard.action == "copy":
                uploads = ShardUploads(self._context.state, plan.partition_key(shard))
                route = stack.enter_context(open_copy_route(plan, source, store, window, uploads))
                if plan.has_histories:
                    copier = HistoryCopier(
                        source, store, route, headers=buckets.headers, patience=plan.options.patience_seconds
                    )
                else:
                    copier = ObjectCopier(
                        source,
                        store,
                        buckets.trash,
                        route,
                        keeps_versions=buckets.keeps_versions,
                        check_store_first=not is_first,
                        left=left,
                        moves=Moves(self._context, plan, shard, source, store, route) if plan.moves else None,
                    )
                works = (
                    outage.watch(copier.copy(row)) if outage.reason is None else copier.leave(row, outage.reason)
                    for row in rows
                )
                run_in_flight(works, window, recorder.add)
                if not recorder.has_failures:
                    # Of objects that changed since; with those that failed a retry goes on.
                    abandon_uploads(store, uploads)
            else:
                deleter = ObjectDeleter(source, store, buckets.trash)
                batches = map(deleter.delete, _batches(rows, self._context.bounds.keys_a_delete))
                run_in_flight(batches, window, recorder.add_all, at_once=_BATCHES_IN_FLIGHT)
        recorder.lacks = buckets.lacks
        requests, retries = buckets.effort
        recorder.requests, recorder.retries = requests - before[0], retries - before[1]
        if recorder.total != shard.objects:
            raise HyveError(
                f"shard {plan.partition_key(shard)} has {shard.objects} objects but {recorder.total} outcomes; "
                "its journal is not complete, run 'hyve retry'"
            )
        return recorder.summary()


@dataclass(frozen=True)
class _Buckets:
    """What the shards of a plan share: connections, the trash, and the window of requests in flight."""

    source: Connection
    store: Connection
    trash: Trash
    window: Window
    keeps_versions: bool
    outage: Outage
    kept: Connection | None = None
    headers: Pairs = ()

    @property
    def _connections(self) -> list[Connection]:
        return [one for one in (self.source, self.store, self.kept) if one is not None]

    @property
    def lacks(self) -> tuple[ServerLack, ...]:
        """Features that the servers were found to lack so far."""
        return merged(lack for one in self._connections for lack in one.abilities.met)

    @property
    def effort(self) -> tuple[int, int]:
        """How many requests were made so far, and how often one was sent again."""
        return sum(one.requests for one in self._connections), sum(one.retries for one in self._connections)

    @classmethod
    def open(
        cls, context: SyncContext, plan: Plan, action: Action, stack: ExitStack, guard: Callable[[], None]
    ) -> "_Buckets":
        """Connect, and check that each bucket can be reached; `guard` is called before each request that writes.

        Raises:
            BucketError: one can't.
            ConfigurationError: all versions are to be copied, and a bucket does not keep them.
        """
        options = plan.options
        source = stack.enter_context(context.connect(plan.source))
        if plan.as_of is not None:
            inventory = context.inventories("source").load(plan.source_inventory)
            source.versions = version_pins(context, inventory, stack)
        store = stack.enter_context(context.connect(plan.store, once=WRITES if plan.has_histories else frozenset()))
        place = context.settings.model_copy(update={"options": options}).trash
        kept = stack.enter_context(context.connect(place)) if place is not None else None
        connections = [connection for connection in (source, store, kept) if connection is not None]
        window = Window(options.concurrency, lambda: sum(connection.throttled for connection in connections))
        # A bucket that can't be reached is one message here, not one for each of ten thousand objects.
        for connection in connections:
            probe_bucket(connection)
            connection.guard = guard
            if plan.has_histories:
                check_keeps_versions(connection)
        headers = probe_restore_status(source) if plan.has_histories else ()
        keeps_versions = False
        if action == "copy":
            abandon_uploads_of_others(context, plan, store)
            keeps_versions = plan.count(ChangeSet.MODIFIED).objects > 0 and (
                plan.has_histories or _keeps_versions(store)
            )
        trash = stack.enter_context(Trash(options, store, kept, window))
        outage = Outage(connections, options.concurrency)
        return cls(source, store, trash, window, keeps_versions, outage, kept, headers)


def _keeps_versions(store: Connection) -> bool:
    """Whether the store keeps versions; it may if the request is refused: the version of each object is read then."""
    try:
        return versioning_state(store) is not None
    except S3RequestError:
        return True


# Some batches are checked while others are deleted. More would only be throttled by S3.
_BATCHES_IN_FLIGHT = 4


def _batches(rows: Iterator[PlannedObject], most: int) -> Iterator[list[PlannedObject]]:
    while batch := list(islice(rows, most)):
        yield batch
