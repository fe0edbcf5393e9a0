"""Prepares a round of jobs: chooses the objects, and writes the manifests."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from hyve_pipeline.core.base.errors import ConfigurationError, RefusedError, spilling_to
from hyve_pipeline.core.model.batch import (
    MANIFEST_SCHEMA,
    Chooser,
    JobRequest,
    Round,
    obstacle,
    target_prefix,
    unmodified_since,
)
from hyve_pipeline.core.model.journal import ShardState
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.planned_object import planned_objects
from hyve_pipeline.core.model.status import PlanStatus, ShardStatus
from hyve_pipeline.core.runtime.progress import end, expect, report
from hyve_pipeline.core.settings.batch import BatchSettings
from hyve_pipeline.operations.apply.listing_check import list_batch
from hyve_pipeline.operations.batch.places import JobPlaces
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.freeze import read_shard
from hyve_pipeline.operations.requests.copy_rules import copy_rules
from hyve_pipeline.operations.requests.in_flight import Reply, Together, run_in_flight
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.batch.control import MANIFESTS, job_parameters
from hyve_pipeline.s3.batch.manifest import manifest_line, put_manifest
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.objects.versions import versioning_state
from hyve_pipeline.s3.wire.errors import naming_bucket
from hyve_pipeline.state.batch_rounds import RoundFolder
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline.state.parquet import writing_parquet

# The activity, for progress reports.
_CHOOSE = "choose for jobs"

# Keys that are looked for in the store at once, and how many such batches.
BATCH_KEYS = 1_000
BATCHES_IN_FLIGHT = 4

# Why Hyve copies an object itself, beside the reasons of `Chooser`.
_TRIED = "tried before"
_IN_STORE = "in the store by now"


class Chosen(NamedTuple):
    """An object that a job is to copy."""

    key: str
    storage_class: str


def check_possible(plan: Plan, settings: BatchSettings, places: JobPlaces) -> None:
    """Check that a job can copy for a plan, and that nothing would be lost by it.

    Raises:
        ConfigurationError: a job can't do what the plan asks for.
        RefusedError: the store keeps no versions.
        BucketError: a bucket does not answer.
    """
    reason = obstacle(plan, settings)
    store = places.store
    if reason is None and copy_rules(plan.options, places.source, store).keeps_redirect:
        reason = f"{plan.source.bucket} is a website, whose redirects a job does not copy (website_redirects)"
    if reason is not None:
        raise ConfigurationError(
            f"plan {plan.id} can't be copied by S3 Batch Operations: {reason}; run 'hyve copy' without --by"
        )
    with naming_bucket(store.place):
        state = versioning_state(store)
    if state != "Enabled":
        raise RefusedError(
            "unversioned_store",
            f"{store.bucket} keeps no versions, and a job overwrites what other programs write there while it runs: "
            "enable versioning, or run 'hyve copy' without --by",
        )


def prepare_round(
    context: SyncContext,
    plan: Plan,
    status: PlanStatus,
    settings: BatchSettings,
    places: JobPlaces,
) -> tuple[RoundFolder, Round]:
    """Choose the objects that jobs can copy, write their manifests, and open the round if there are any.

    Args:
        context: the sync.
        plan: the plan, which this process alone applies.
        status: its progress.
        settings: the settings of the jobs.
        places: the buckets.

    Returns:
        The folder of the round, and what is asked for: no job, where there is no object for one.

    Raises:
        ConfigurationError, RefusedError: see `check_possible`.
        BucketError: a bucket does not answer.
        StateError: the state can't be read or written.
    """
    check_possible(plan, settings, places)
    source = context.inventories("source").load(plan.source_inventory)
    since = unmodified_since(source.started)
    chooser = Chooser(plan.options, since)
    number, folder = RoundFolder.following(context.state, plan.id)
    objects: dict[str, int] = {}
    with ExitStack() as stack:
        files: dict[str, BinaryIO] = {}
        writer = stack.enter_context(writing_parquet(context.state, folder.manifest, MANIFEST_SCHEMA))
        for entry in status.left("copy"):
            expect(_CHOOSE, entry.shard.objects, 0)
            chosen = _choose(context, plan, entry, chooser, places)
            report(_CHOOSE, entry.shard.objects, 0)
            if not chosen:
                continue
            columns = [[row[place] for row in chosen] for place in range(len(Chosen._fields))]
            writer.write_table(pa.table(columns, schema=MANIFEST_SCHEMA))
            with spilling_to(tempfile.gettempdir()):
                for key, storage_class in chosen:
                    if storage_class not in files:
                        files[storage_class] = stack.enter_context(tempfile.TemporaryFile())
                    files[storage_class].write(manifest_line(plan.source.bucket, plan.source.key_of(key)))
                    objects[storage_class] = objects.get(storage_class, 0) + 1
        end(_CHOOSE)
        location = places.location.place
        jobs: list[JobRequest] = []
        for storage_class, file in sorted(files.items()):
            token = f"{plan.id}-{number:04d}-{storage_class}"
            manifest = f"{location.prefix}{MANIFESTS}{token}.csv"
            parameters = job_parameters(
                settings,
                plan.options,
                location,
                store=plan.store.bucket,
                target_prefix=target_prefix(plan),
                storage_class=storage_class,
                unmodified_since=since,
                manifest=manifest,
                manifest_etag=put_manifest(places.location, manifest, file),
                token=token,
                description=f"hyve: sync {context.name}, plan {plan.id}, {storage_class}",
            )
            jobs.append(JobRequest(storage_class=storage_class, objects=objects[storage_class], parameters=parameters))
    asked = Round(
        plan=plan.id,
        number=number,
        created=datetime.now(UTC),
        settings=settings,
        jobs=tuple(jobs),
        left_out=dict(chooser.left_out),
    )
    if jobs:
        folder.begin(asked)
    return folder, asked


def _choose(context: SyncContext, plan: Plan, entry: ShardStatus, chooser: Chooser, places: JobPlaces) -> list[Chosen]:
    """The objects of a shard that jobs are to copy, in key order."""
    journal = ShardJournal(context.state, plan.id, entry.shard)
    tried = set() if entry.state is ShardState.PENDING else {*journal.last_rows()}
    candidates: list[Chosen] = []
    for row in planned_objects(read_shard(context, plan, entry.shard)):
        if row.key in tried:
            chooser.left_out[_TRIED] += 1
            continue
        storage_class = chooser.storage_class(row)
        if storage_class is not None:
            candidates.append(Chosen(row.key, storage_class))
    found: set[str] = set()
    works = (_found(places.store, batch) for batch in batches(candidates))
    with naming_bucket(places.store.place):
        run_in_flight(works, places.window, found.update, at_once=BATCHES_IN_FLIGHT)
    chooser.left_out[_IN_STORE] += len(found)
    return [candidate for candidate in candidates if candidate.key not in found]


def batches(rows: Sequence[Chosen]) -> Iterator[list[Chosen]]:
    """The rows, as many at a time as are looked for at once."""
    left = iter(rows)
    while batch := list(islice(left, BATCH_KEYS)):
        yield batch


async def _found(store: Connection, batch: Sequence[Chosen]) -> set[str]:
    """Which of these keys the store has: written since the plan was made."""
    prefix = store.place.prefix
    listed = await Reply(list_batch(store, [prefix + row.key for row in batch]))
    found = {row.key for row in batch if listed.knows(prefix + row.key) and prefix + row.key in listed.etags}
    unknown = [row.key for row in batch if not listed.knows(prefix + row.key)]
    are_there = await Together([_is_there(store, key) for key in unknown])
    return found | {key for key, is_there in zip(unknown, are_there, strict=True) if is_there}


async def _is_there(store: Connection, key: str) -> bool:
    whole = store.place.key_of(key)
    return await Tries().answer(lambda: head_object(store, whole)) is not None
