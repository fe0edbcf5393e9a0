"""Estimates what a plan will cost: all steps of a sync, in requests, bytes, money and time."""

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import ExitStack

import pyarrow as pa

from hyve_pipeline.core.model.batch import count_for_jobs, unmodified_since
from hyve_pipeline.core.model.diff import ChangeSet, Diff
from hyve_pipeline.core.model.estimate import (
    RESTORE_OBJECT,
    BatchEstimate,
    Bucket,
    Estimate,
    PricesUsed,
    RestoreEstimate,
    Step,
    StepEstimate,
    merged_counts,
)
from hyve_pipeline.core.model.inventory import SIDES, Inventory
from hyve_pipeline.core.model.plan import Transfer
from hyve_pipeline.core.model.prices import STANDARD, Way
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.core.settings.places import AWS, BucketSettings, Place
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.estimate.copy_requests import BucketServer, CopyRequests, Requests
from hyve_pipeline.operations.estimate.delete_requests import DeleteRequests
from hyve_pipeline.operations.estimate.earlier_runs import EarlierRuns
from hyve_pipeline.operations.estimate.estimator import LIST_VERSIONS, CopyPlan, Estimator
from hyve_pipeline.operations.estimate.history_requests import HistoryRequests
from hyve_pipeline.operations.estimate.prices import read_prices
from hyve_pipeline.operations.inventory.sorted_rows import SortedRows
from hyve_pipeline.operations.requests.copy_rules import rules_of_copies, rules_of_trash
from hyve_pipeline.operations.restore.asked import archived_rows, waiting_keys
from hyve_pipeline.s3.connection.regions import find_region
from hyve_pipeline.s3.listing.walk import MAX_KEYS


class PlanEstimate(Closing):
    """Estimates one plan. Use it as a context manager: give it all shards in order, then take `result`.

    Args:
        context: the sync.
        diff: what is planned.
        transfer: who moves the bytes.
        moves: the files of the objects that have only moved, see `find_moves`.

    Raises:
        ConfigurationError: the file of prices can't be read, or is none.
        StateError: a file of moves can't be read.
    """

    def __init__(self, context: SyncContext, diff: Diff, transfer: Transfer, moves: Sequence[str] = ()) -> None:
        self._context = context
        self._diff = diff
        self._transfer = transfer
        self._prices = read_prices(diff.options.prices)
        source, store = diff.source.place, diff.store.place
        self._earlier = EarlierRuns(context, source, store, transfer.by)
        self._stack = ExitStack()
        self._estimator = self._open(source, store)
        # The objects that jobs may copy, by storage class; None where the sync has no jobs.
        self._for_jobs = None if context.settings.batch is None else Counter[str]()
        self._moves = self._stack.enter_context(SortedRows(context.state, moves)) if moves else None

    def close(self) -> None:
        """Close the connections and the files."""
        self._stack.close()

    def _open(self, source: Place, store: Place) -> Estimator:
        diff, options = self._diff, self._diff.options
        reader = BucketServer("source", source.server, self._earlier.server(source))
        writer = BucketServer("store", store.server, self._earlier.server(store))
        # Whether a bucket is a website is seen when the plan is applied.
        keeps_redirect = options.website_redirects is True
        rules = rules_of_copies(options, keeps_redirect=keeps_redirect, keeps_locks=options.locks == "copy")
        to_store = CopyRequests(reader, writer, rules, options, streams=self._transfer.by == "stream")
        to_trash = None
        if options.trash is not None:
            rules = rules_of_trash(options, keeps_redirect=keeps_redirect)
            trash = BucketServer("trash", store.server, writer.known)
            to_trash = CopyRequests(writer, trash, rules, options, streams=False)
        deletes = DeleteRequests(
            self._context.state,
            diff.source,
            diff.store,
            writer,
            keeps_versions=diff.store.versioning in ("enabled", "suspended"),
            stack=self._stack,
        )
        copies = CopyPlan(to_store, to_trash, _way(source, store, self._transfer))
        histories = None
        if options.versions == "all":
            histories = HistoryRequests(self._context.state, diff.source, diff.store, self._stack)
        return Estimator(diff, copies, deletes, self._prices, histories)

    def add(self, action: Action, rows: pa.Table) -> None:
        """Add the rows of one shard.

        Raises:
            StateError: an inventory or a file of moves is damaged.
        """
        moved: list[str] = []
        if self._moves is not None and action == "copy" and rows.num_rows:
            keys = rows.column("key")
            moved = self._moves.read(RelativeRange(keys[0].as_py(), keys[-1].as_py() + "\0")).column("key").to_pylist()
        self._estimator.add(action, rows, moved)
        if self._for_jobs is not None and action == "copy":
            since = unmodified_since(self._diff.source.started)
            self._for_jobs += count_for_jobs(rows, self._diff.options, since)

    def result(self) -> Estimate:
        """The estimate of all that was added."""
        diff, prices = self._diff, self._prices
        steps = {Step.PLAN: self._planned(), **self._estimator.steps}
        steps[Step.VERIFY] = self._verification(changes=len(steps) > 1)
        restore = self._restore()
        if restore is not None:
            steps[Step.RESTORE] = restore
        servers: dict[Bucket, str] = {"source": diff.source.place.server, "store": diff.store.place.server}
        charged: set[Bucket] = {bucket for bucket, server in servers.items() if server in prices.servers}
        places = (diff.source.place, diff.store.place)
        unpriced = dict.fromkeys(place.shown_server for place in places if place.server not in prices.servers)
        if not charged:
            return Estimate(steps=self._timed(steps), unpriced=tuple(unpriced), batch=self._jobs(charged))
        if "store" in charged:
            charged.add("trash")
        used = PricesUsed(date=prices.date, source=prices.source, region=prices.region, file=diff.options.prices)
        priced = {
            step: one.model_copy(update={"cost": one.priced(prices, charged)})
            for step, one in self._timed(steps).items()
        }
        return Estimate(steps=priced, prices=used, unpriced=tuple(unpriced), batch=self._jobs(charged))

    def _jobs(self, charged: Collection[Bucket]) -> BatchEstimate | None:
        """What copies by jobs cost more, see `operations.batch.prepare`; None where the sync has no jobs."""
        if self._for_jobs is None:
            return None
        jobs, objects = len(self._for_jobs), self._for_jobs.total()
        cost = self._prices.of_jobs(jobs, objects) if "store" in charged else None
        return BatchEstimate(jobs=jobs, objects=objects, cost=cost)

    def _planned(self) -> StepEstimate:
        """What the plan itself has taken."""
        requests: Requests = Counter()
        for inventory in (self._diff.source, self._diff.store):
            # One request proves before that the bucket can be listed; a report is read file by file.
            operation = "ListObjectsV2" if inventory.report is None else "GetObject"
            operation = operation if inventory.named is None else "HeadObject"
            if inventory.versions == "all":
                operation = LIST_VERSIONS
                # Before anything is listed, and before this bucket is.
                requests[inventory.side, "GetBucketVersioning"] += 2
            requests[inventory.side, "ListObjectsV2"] += 1
            requests[inventory.side, operation] += sum(walk.pages for walk in inventory.proof)
        requests["store", "GetBucketVersioning"] += 1
        if self._diff.options.compare_properties:
            unchanged = self._diff.counts[ChangeSet.UNCHANGED] + self._diff.counts[ChangeSet.DRIFTED]
            compared = unchanged.objects - sum(self._diff.uncompared.values())
            for side in SIDES:
                requests[side, "HeadObject"] += compared
                requests[side, "GetObjectTagging"] += compared
        return _step(requests)

    def _restore(self) -> StepEstimate | None:
        """What the restore of archived objects takes; None where none is asked for.

        How long S3 needs does not count: the objects are copied by later plans.
        """
        wanted = self._diff.options.restore
        if wanted is None:
            return None
        waiting, source = waiting_keys(self._context), self._diff.source.place
        objects, sizes = Counter[str](), Counter[str]()
        for rows in archived_rows(self._context.state, self._diff.changes):
            for row in rows.select(["key", "source_etag", "size", "storage_class"]).to_pylist():
                if waiting.get(source.key_of(row["key"])) != row["source_etag"]:
                    objects[row["storage_class"]] += 1
                    sizes[row["storage_class"]] += row["size"]
        if not objects:
            return None
        counts: dict[tuple[Bucket, str, str], int] = {
            ("source", RESTORE_OBJECT, name): count for name, count in objects.items()
        }
        counts["source", "ListObjectsV2", STANDARD] = 1
        restored = tuple(
            RestoreEstimate(
                storage_class=name, tier=wanted.tier, days=wanted.days, objects=objects[name], bytes=sizes[name]
            )
            for name in sorted(objects)
        )
        return StepEstimate(requests=merged_counts(counts), restored=restored, seconds=0)

    def _verification(self, *, changes: bool) -> StepEstimate:
        """The listing of the store after all: like the one before, for as many more or fewer objects."""
        if not changes:
            return StepEstimate(seconds=0)
        store, counts = self._diff.store, self._diff.counts
        objects = store.objects + counts[ChangeSet.NEW].objects - counts[ChangeSet.DUPLICATE].objects
        requests: Requests
        if store.named is not None:
            requests = Counter({("store", "ListObjectsV2"): 1, ("store", "GetBucketVersioning"): 1})
            requests["store", "HeadObject"] = store.named.keys
            return _step(requests)
        if store.versions == "all":
            pages = sum(walk.pages for walk in store.proof) + self._estimator.versions // MAX_KEYS
            requests = Counter({("store", "ListObjectsV2"): 1, ("store", LIST_VERSIONS): pages})
            requests["store", "GetBucketVersioning"] = 2
        else:
            pages = _pages(store, objects)
            requests = Counter({("store", "ListObjectsV2"): 1 + pages, ("store", "GetBucketVersioning"): 1})
        if store.report is not None:
            return _step(requests)  # no listing shows how fast it is
        listed = sum(walk.pages for walk in store.proof) or 1
        return _step(requests).model_copy(update={"seconds": round(store.seconds * pages / listed)})

    def _timed(self, steps: dict[Step, StepEstimate]) -> dict[Step, StepEstimate]:
        """The steps with the time that they take, where earlier runs show it."""
        timed = dict(steps)
        for action in ACTIONS:
            step = Step(action)
            rate = self._earlier.rate(action) if step in steps else None
            if rate is not None:
                size = sum(steps[step].bytes.values()) if self._transfer.by == "stream" else 0
                timed[step] = steps[step].model_copy(update={"seconds": rate.seconds_for(steps[step].total, size)})
        return timed


def _step(requests: Requests) -> StepEstimate:
    counts = Counter[tuple[Bucket, str, str]]()
    for (bucket, operation), count in requests.items():
        counts[bucket, operation, STANDARD] += count
    return StepEstimate(requests=merged_counts(counts))


def _pages(inventory: Inventory, objects: int) -> int:
    """How many pages the next listing has, of so many objects: the full ones, and as many that are not full as now."""
    if inventory.report is not None:
        return objects // MAX_KEYS + 1
    partial = sum(walk.pages for walk in inventory.proof) - inventory.objects // MAX_KEYS
    return max(1, objects // MAX_KEYS + max(partial, 1))


def _way(source: Place, store: Place, transfer: Transfer) -> Way:
    if transfer.by == "stream":
        return "through_this_machine"
    if store.server != AWS:
        return "within_region"
    return "within_region" if _region(source) == _region(store) else "between_regions"


def _region(place: BucketSettings) -> str | None:
    return find_region(place)[0] if isinstance(place, Place) else place.region
