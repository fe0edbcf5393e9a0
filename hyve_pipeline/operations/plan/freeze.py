"""Freezes a diff into a plan: judged as a whole, cut into shards, never changed again."""

from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import rows_with, total
from hyve_pipeline.core.base.errors import ConfigurationError, StateError
from hyve_pipeline.core.model.diff import CHANGE_SCHEMA, ChangeSet, Diff
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.core.model.plan import Approval, Plan, Shard, Transfer, cut_shards, plan_id
from hyve_pipeline.core.model.safety_rules import Action, Figures, Refusal, judge
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import ParquetReader, writing_parquet
from hyve_pipeline.state.plans import PLAN_FILES

# A plan has at most 2,000 shards. One that ends for its number of objects has all of them. One that ends for its bytes
# has, with the object that follows it, more than them; so two such shards in a row hold more than the bytes of one.
_CUTS_BY_OBJECTS = 1_000
_CUTS_BY_BYTES = 490

_SETS_OF: dict[Action, list[ChangeSet]] = {
    "copy": [ChangeSet.NEW, ChangeSet.MODIFIED, ChangeSet.DRIFTED],
    "delete": [ChangeSet.DUPLICATE],
}


def figures_of(diff: Diff) -> Figures:
    """What the safety rules judge of a diff."""
    return Figures(
        source_objects=diff.source.objects,
        store_objects=diff.store.objects,
        modified=diff.counts[ChangeSet.MODIFIED].objects,
        duplicate=diff.counts[ChangeSet.DUPLICATE].objects,
        shared=diff.shared,
    )


def judge_diff(diff: Diff) -> tuple[Refusal, ...]:
    """What the safety rules say of a diff under its options."""
    return judge(figures_of(diff), diff.options)


def freeze_plan(context: SyncContext, diff: Diff) -> Plan:
    """Make the plan of a diff, or find it when it has been made already.

    Raises:
        ConfigurationError: the options ask for a transfer that can't be done.
        BucketError: it can't be found out who can move the bytes, since the source can't be reached.
        StateError: the diff's file is damaged or can't be read.
    """
    identity = plan_id(diff)
    if context.plans.exists(identity):
        return context.plans.load(identity)
    folder = context.plans.folder_of(identity)
    transfer = _choose_transfer(context, diff)
    copies = _write_shards(context.state, folder, diff, "copy", first_number=1, cost=transfer.cost)
    deletes = _write_shards(context.state, folder, diff, "delete", first_number=len(copies) + 1)
    plan = Plan(
        id=identity,
        sync=context.name,
        created=datetime.now(UTC),
        source=diff.source.place,
        store=diff.store.place,
        options=diff.options,
        source_inventory=diff.source.id,
        store_inventory=diff.store.id,
        figures=figures_of(diff),
        counts=diff.counts,
        uncompared=diff.uncompared,
        unpinned=diff.unpinned,
        skipped_examples=diff.skipped_examples,
        future=diff.future,
        files={action: f"plans/{identity}/{name}" for action, name in PLAN_FILES.items()},
        shards=(*copies, *deletes),
        refusals=judge_diff(diff),
        transfer=transfer,
    )
    context.plans.save(plan)
    context.note(EventKind.PLAN_FROZEN, plan=plan.id, diff=diff.id)
    return plan


def _choose_transfer(context: SyncContext, diff: Diff) -> Transfer:
    # Imported late: whoever only reads plans need not load an S3 library.
    from hyve_pipeline.operations.plan.transfer import choose_transfer

    with closing(_rows_of(context.state, diff, "copy")) as tables:
        first = next(tables, None)
    example = None if first is None else context.settings.source.prefix + first.column("key")[0].as_py()
    return choose_transfer(context, example)


def choose_plan(context: SyncContext, plan_id: str | None) -> Plan:
    """The plan of that id, see `PlanShelf.find`.

    Raises:
        ConfigurationError: there is none, or it was made for other buckets than the configuration names now.
    """
    plan = context.plans.find(plan_id)
    check_places(context, plan)
    return plan


def check_places(context: SyncContext, plan: Plan) -> None:
    """Check the buckets that a plan was made for, and their servers, against those that requests would go to now.

    Raises:
        ConfigurationError: they are others.
    """
    for side in SIDES:
        planned = plan.source if side == "source" else plan.store
        if context.is_place(side, planned):
            continue
        place = context.place(side)
        was, now = planned.uri, place.uri
        if was == now and isinstance(place, Place):
            was, now = f"{was} at {planned.shown_server}", f"{now} at {place.shown_server}"
        raise ConfigurationError(
            f"plan {plan.id} was made for the {side} {was}, requests now go to {now}: run 'hyve dryrun' for a new plan"
        )


def approve_plan(context: SyncContext, plan: Plan, max_deletes: str | None, max_overwrites: str | None) -> None:
    """Keep a person's word that a plan is to be judged by other limits. What is None stays as it was.

    Raises:
        ConfigurationError: a limit is neither a number nor a share.
    """
    if max_deletes is None and max_overwrites is None:
        return
    limits = context.overridden(max_deletes=max_deletes, max_overwrites=max_overwrites).settings.options
    before = context.plans.approval(plan.id) or Approval(given=datetime.now(UTC))
    approval = Approval(
        given=datetime.now(UTC),
        max_deletes=before.max_deletes if max_deletes is None else limits.max_deletes,
        max_overwrites=before.max_overwrites if max_overwrites is None else limits.max_overwrites,
    )
    context.plans.approve(plan.id, approval)
    context.note(EventKind.PLAN_APPROVED, plan=plan.id)


def read_shard(context: SyncContext, plan: Plan, shard: Shard) -> pa.Table:
    """The rows of one shard, columns as in `core.diff.CHANGE_SCHEMA`.

    Raises:
        StateError: the plan's file is damaged or can't be read.
    """
    reader = ParquetReader(context.state, plan.files[shard.action])
    try:
        rows = reader.read([shard.row_group])
    finally:
        reader.close()
    # A file can be whole and yet not this plan's.
    keys = rows.column("key")
    found = (len(keys), keys[0].as_py(), keys[-1].as_py()) if len(keys) else (0, "", "")
    if found != (shard.objects, shard.first_key, shard.last_key):
        uri = context.state.uri_of(plan.files[shard.action])
        raise StateError(
            f"{uri}: damaged: shard {plan.partition_key(shard)} has {shard.objects} objects from "
            f"{shard.first_key!r} to {shard.last_key!r} in the plan, here are {found[0]}"
        )
    return rows


def _planned_totals(diff: Diff) -> tuple[int, int]:
    """The objects and bytes of all that a plan acts on."""
    counts = [diff.counts[name] for names in _SETS_OF.values() for name in names if name in diff.counts]
    return sum(count.objects for count in counts), sum(count.bytes for count in counts)


def _write_shards(
    state: Folder, folder: Folder, diff: Diff, action: Action, first_number: int, cost: int = 1
) -> tuple[Shard, ...]:
    # A shard is what is lost when a run ends early, and what processes divide: so what takes long is cut smaller.
    # But a plan has a bounded number of them, since each is a partition in Dagster.
    all_objects, all_bytes = _planned_totals(diff)
    if all_objects <= _CUTS_BY_OBJECTS:
        all_bytes = 0  # there can't be more shards than objects
    most_objects = max(1, diff.options.shard_objects // cost, -(-all_objects // _CUTS_BY_OBJECTS))
    most_bytes = max(1, diff.options.shard_bytes // cost, -(-all_bytes // _CUTS_BY_BYTES))
    shards: list[Shard] = []
    with writing_parquet(folder, PLAN_FILES[action], CHANGE_SCHEMA) as writer:
        tables = _rows_of(state, diff, action)
        for row_group, table in enumerate(cut_shards(tables, most_objects, most_bytes)):
            writer.write_table(table, row_group_size=table.num_rows)
            keys = table.column("key")
            shards.append(
                Shard(
                    number=first_number + row_group,
                    action=action,
                    row_group=row_group,
                    objects=table.num_rows,
                    bytes=total(table.column("size")),
                    first_key=keys[0].as_py(),
                    last_key=keys[-1].as_py(),
                )
            )
    return tuple(shards)


def _rows_of(state: Folder, diff: Diff, action: Action) -> Generator[pa.Table]:
    wanted = [name.value for name in _SETS_OF[action]]
    for file in diff.changes:
        with closing(ParquetReader(state, file)) as reader:
            for table in reader.tables():
                rows = rows_with(table, "set", wanted)
                if rows.num_rows:
                    yield rows
