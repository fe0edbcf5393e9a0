"""Freezes a diff into a plan: judged as a whole, cut into shards, never changed again."""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import rows_with, total
from hyve_pipeline.core.base.errors import ConfigurationError, StateError
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.batch import obstacle
from hyve_pipeline.core.model.diff import ACTION_OF, CHANGE_SCHEMA, PLANNED_SETS, ChangeSet, Diff
from hyve_pipeline.core.model.estimate import Estimate
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.inventory import SIDES, Inventory
from hyve_pipeline.core.model.plan import Approval, Plan, Transfer, plan_id
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action, Figures, Refusal, judge
from hyve_pipeline.core.model.shards import Shard, ShardTotals, cut_shards
from hyve_pipeline.core.runtime.progress import end, expect, report
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.plan.moves import find_moves
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.journals import begun_shards
from hyve_pipeline.state.parquet import ParquetReader, writing_parquet
from hyve_pipeline.state.plans import moves_file, plan_file

if TYPE_CHECKING:
    from hyve_pipeline.operations.estimate.estimate import PlanEstimate

_logger = logging.getLogger(__name__)

# The most shards of a plan: each is a partition in Dagster.
MOST_SHARDS = 2_000

# The objects of a shard by default, unless the plan would have too many shards.
_USUAL_OBJECTS = 10_000

# The most row groups, and so shards, of a file. To read one of them takes the file's footer, which describes all.
_FILE_ROW_GROUPS = 256

# Of so many plans of some keys it is looked up what was begun; the figures of the oldest of them tell of those before.
_BEGUN_LATE = 8

# The activity, for progress reports.
_WRITE_PLAN = "write plan"

_SETS_OF: dict[Action, list[ChangeSet]] = {
    action: [name for name in PLANNED_SETS if ACTION_OF[name] == action] for action in ACTIONS
}


def figures_of(context: SyncContext, diff: Diff, estimate: Estimate | None) -> Figures:
    """The input of the safety rules for a diff, with what it costs where that is known."""
    modified_before, duplicate_before = (0, 0) if diff.source.named is None else _done_before(context)
    return Figures(
        source_objects=_bucket_objects(diff.source),
        store_objects=_bucket_objects(diff.store),
        modified=diff.counts[ChangeSet.MODIFIED].objects,
        duplicate=diff.counts[ChangeSet.DUPLICATE].objects,
        modified_before=modified_before,
        duplicate_before=duplicate_before,
        shared=diff.shared,
        hidden=diff.hidden,
        is_earlier=diff.source.as_of is not None,
        cost=None if estimate is None else estimate.cost,
        seconds=None if estimate is None else estimate.seconds,
    )


def _done_before(context: SyncContext) -> tuple[int, int]:
    """The overwrites and deletes that were begun by plans of some keys since the last plan of all keys.

    The figures of each such plan have in them those of the ones before it. A plan may be begun after later ones were
    made, so some of the newest are looked at.
    """
    modified = duplicate = 0
    for number, name in enumerate(context.plans.newest_ids(), start=1):
        plan = context.plans.load(name)
        if plan.named is None:
            break
        begun, copies = begun_shards(context.state, plan.id), plan.total("copy").shards
        modified += plan.figures.modified if any(shard <= copies for shard in begun) else 0
        duplicate += plan.figures.duplicate if any(shard > copies for shard in begun) else 0
        if number == _BEGUN_LATE:
            return modified + plan.figures.modified_before, duplicate + plan.figures.duplicate_before
    return modified, duplicate


def _bucket_objects(inventory: Inventory) -> int:
    return inventory.objects if inventory.bucket_objects is None else inventory.bucket_objects


def judge_diff(context: SyncContext, diff: Diff) -> tuple[Refusal, ...]:
    """What the safety rules refuse of a diff under its options.

    Raises:
        ConfigurationError, BucketError, StateError: as `freeze_plan`, where a limit is on what the plan costs.
    """
    estimate = None
    if diff.options.max_cost is not None or diff.options.max_duration is not None:
        transfer = _choose_transfer(context, diff)
        limits = shard_limits(diff.options, planned_total(diff), transfer.cost, MOST_SHARDS)
        moves = find_moves(context, diff, moves_file(plan_id(diff)))
        with _estimating(context, diff, transfer, moves.files) as costs:
            for action in ACTIONS:
                with closing(_rows_of(context.state, diff, action)) as tables:
                    for rows in cut_shards(tables, limits[action].objects, limits[action].bytes):
                        costs.add(action, rows)
            estimate = costs.result()
    return judge(figures_of(context, diff, estimate), diff.options)


def _estimating(context: SyncContext, diff: Diff, transfer: Transfer, moves: Sequence[str]) -> "PlanEstimate":
    # Imported late, as below.
    from hyve_pipeline.operations.estimate.estimate import PlanEstimate

    return PlanEstimate(context, diff, transfer, moves)


def freeze_plan(context: SyncContext, diff: Diff, *, most_shards: int = MOST_SHARDS) -> Plan:
    """Make the plan of a diff, or find it when it has been made already.

    Args:
        context: the sync.
        diff: the diff.
        most_shards: the most shards; those of larger plans are larger.

    Raises:
        ConfigurationError: the options require a transfer that is impossible, or the state belongs to other buckets.
        BucketError: the source can't be reached.
        StateError: the diff's file is damaged or can't be read.
    """
    identity = plan_id(diff)
    if context.plans.exists(identity):
        return context.plans.load(identity)
    context.check_pair()
    planned = planned_total(diff)
    expect(
        _WRITE_PLAN, sum(count.objects for count in planned.values()), sum(count.bytes for count in planned.values())
    )
    transfer = _choose_transfer(context, diff)
    files: dict[Action, tuple[str, ...]] = {}
    shards: list[Shard] = []
    limits = shard_limits(diff.options, planned, transfer.cost, most_shards)
    moves = find_moves(context, diff, moves_file(identity))
    with _estimating(context, diff, transfer, moves.files) as costs:
        for action in ACTIONS:
            add = partial(costs.add, action)
            first = len(shards) + 1
            found, files[action] = _write_shards(context.state, identity, diff, action, limits[action], first, add)
            shards += found
        estimate = costs.result()
    figures = figures_of(context, diff, estimate)
    plan = Plan(
        id=identity,
        sync=context.name,
        created=datetime.now(UTC),
        source=diff.source.place,
        store=diff.store.place,
        options=diff.options,
        source_inventory=diff.source.id,
        store_inventory=diff.store.id,
        figures=figures,
        counts=diff.counts,
        uncompared=diff.uncompared,
        unpinned=diff.unpinned,
        newer=diff.newer,
        skipped_examples=diff.skipped_examples,
        future=diff.future,
        versioning=diff.store.versioning,
        reports={one.side: one.report for one in (diff.source, diff.store) if one.report is not None},
        as_of=diff.source.as_of,
        named=diff.source.named,
        changes=diff.changes,
        files=files,
        moves=moves.files,
        moved=moves.moved,
        totals={action: ShardTotals.of(shard for shard in shards if shard.action == action) for action in ACTIONS},
        shard_file=context.plans.save_shards(identity, shards),
        refusals=judge(figures, diff.options),
        transfer=transfer,
        estimate=estimate,
    )
    if context.settings.batch is not None and estimate.batch is not None and obstacle(plan, context.settings.batch):
        plan = plan.model_copy(update={"estimate": estimate.model_copy(update={"batch": None})})
    saved = context.plans.save(plan)
    end(_WRITE_PLAN)
    context.note(EventKind.PLAN_FROZEN, plan=plan.id, diff=diff.id)
    return saved


def _choose_transfer(context: SyncContext, diff: Diff) -> Transfer:
    # Imported late: commands that only read plans need no S3 library.
    from hyve_pipeline.operations.inventory.as_of import version_pins
    from hyve_pipeline.operations.plan.transfer import choose_transfer

    with closing(_rows_of(context.state, diff, "copy")) as tables:
        first = next(tables, None)
    example = None if first is None else diff.source.place.key_of(first.column("key")[0].as_py())
    with ExitStack() as stack:
        transfer = choose_transfer(context, example, version_pins(context, diff.source, stack))
    _logger.info("copies %s", transfer.described)
    return transfer


def choose_plan(context: SyncContext, plan_id: str | None) -> Plan:
    """The plan of that id, see `PlanShelf.find`.

    Raises:
        ConfigurationError: there is none, or it was made for other buckets than those of the configuration.
    """
    plan = context.plans.find(plan_id)
    _logger.info("plan %s of sync %s, made at %s", plan.id, context.name, plan.created.isoformat(" ", "seconds"))
    check_places(context, plan)
    return plan


def check_places(context: SyncContext, plan: Plan) -> None:
    """Check the buckets that a plan was made for, and their servers, against those that requests go to now.

    Raises:
        ConfigurationError: they differ.
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
            f"plan {plan.id} was made for the {side} {was}, requests now go to {now}: a sync has the state of one pair "
            "of buckets, give the new pair another name or another home"
        )


def approve_plan(context: SyncContext, plan: Plan, **limits: str | None) -> None:
    """Record the user's approval of a plan under other limits, by the names of the options. None keeps a limit.

    Raises:
        ConfigurationError: a limit is not one that the option may have.
    """
    given = {name: limit for name, limit in limits.items() if limit is not None}
    if not given:
        return
    options = context.overridden(**given).settings.options
    now = datetime.now(UTC)
    before = context.plans.approval(plan.id) or Approval(given=now)
    approval = before.model_copy(update={"given": now, **{name: getattr(options, name) for name in given}})
    context.plans.approve(plan.id, approval)
    context.note(EventKind.PLAN_APPROVED, plan=plan.id)


def read_shard(context: SyncContext, plan: Plan, shard: Shard) -> pa.Table:
    """The rows of one shard, columns as in `core.diff.CHANGE_SCHEMA`.

    Raises:
        StateError: the plan's file is damaged or can't be read.
    """
    name = plan.files[shard.action][shard.file]
    with ParquetReader(context.state, name) as reader:
        rows = reader.read([shard.row_group])
    # A file can be intact and still belong to another plan.
    keys = rows.column("key")
    found = (len(keys), keys[0].as_py(), keys[-1].as_py()) if len(keys) else (0, "", "")
    if found != (shard.objects, shard.first_key, shard.last_key):
        raise StateError(
            f"{context.state.uri_of(name)}: damaged: shard {plan.partition_key(shard)} has {shard.objects} objects "
            f"from {shard.first_key!r} to {shard.last_key!r} in the plan, here are {found[0]}"
        )
    return rows


def planned_total(diff: Diff) -> dict[Action, Count]:
    """The objects and bytes that a plan copies and deletes."""
    return {
        action: sum((diff.counts[name] for name in names if name in diff.counts), start=Count())
        for action, names in _SETS_OF.items()
    }


@dataclass(frozen=True)
class ShardLimits:
    """The most objects and the most bytes of a shard; a larger object is a shard of its own."""

    objects: int
    bytes: int


def shard_limits(
    options: Options, planned: dict[Action, Count], copy_cost: int, most_shards: int
) -> dict[Action, ShardLimits]:
    """The size of the shards of each action.

    A shard is the unit of claims, so slow work is cut smaller. But a plan has a bounded number of shards.

    Args:
        options: those of the plan, with the configured sizes.
        planned: the objects and bytes of each action.
        copy_cost: the cost of a copy, in copies by the server.
        most_shards: the most shards of the plan.
    """
    objects = sum(count.objects for count in planned.values())
    size = sum(count.bytes for count in planned.values())
    # Each action ends with a shard that is not full.
    most = most_shards - sum(count.objects > 0 for count in planned.values())
    wanted = _USUAL_OBJECTS if options.shard_objects == "auto" else options.shard_objects
    least_objects, least_bytes = max(1, wanted // copy_cost), max(1, options.shard_bytes // copy_cost)
    # A shard that ends because of its bytes exceeds them together with the next object. So two such shards in a row
    # have more bytes than the limit, and there are at most twice as many as full ones.
    shards = Fraction(objects, least_objects) + (Fraction(2 * size, least_bytes) if size > least_bytes else 0)
    if objects > most and shards > most:  # there can't be more shards than objects
        least_objects, least_bytes = ceil(least_objects * shards / most), ceil(least_bytes * shards / most)
    costs: dict[Action, int] = {"copy": copy_cost, "delete": 1}
    return {
        action: ShardLimits(max(least_objects, wanted // cost), max(least_bytes, options.shard_bytes // cost))
        for action, cost in costs.items()
    }


def _write_shards(
    state: Folder,
    identity: str,
    diff: Diff,
    action: Action,
    limits: ShardLimits,
    first_number: int,
    on_shard: Callable[[pa.Table], object],
) -> tuple[list[Shard], tuple[str, ...]]:
    """Write the files of one action; returns its shards, and the files' names. `on_shard` gets the rows of each."""
    shards: list[Shard] = []
    files: list[str] = []
    with closing(_rows_of(state, diff, action)) as tables:
        cut = cut_shards(tables, limits.objects, limits.bytes)
        following = next(cut, None)
        # Without anything to do there is a file too.
        while not files or following is not None:
            files.append(plan_file(identity, action, len(files)))
            with writing_parquet(state, files[-1], CHANGE_SCHEMA) as writer:
                for row_group in range(_FILE_ROW_GROUPS):
                    if following is None:
                        break
                    writer.write_table(following, row_group_size=following.num_rows)
                    on_shard(following)
                    keys = following.column("key")
                    shards.append(
                        Shard(
                            number=first_number + len(shards),
                            action=action,
                            row_group=row_group,
                            objects=following.num_rows,
                            bytes=total(following.column("size")),
                            first_key=keys[0].as_py(),
                            last_key=keys[-1].as_py(),
                            file=len(files) - 1,
                        )
                    )
                    report(_WRITE_PLAN, shards[-1].objects, shards[-1].bytes)
                    following = next(cut, None)
    return shards, tuple(files)


def _rows_of(state: Folder, diff: Diff, action: Action) -> Generator[pa.Table]:
    wanted = [name.value for name in _SETS_OF[action]]
    for file in diff.changes:
        with ParquetReader(state, file) as reader:
            for table in reader.tables():
                rows = rows_with(table, "set", wanted)
                if rows.num_rows:
                    yield rows
