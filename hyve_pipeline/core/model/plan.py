"""The frozen result of a comparison, and its shards.

A plan never changes. Its id is a number that orders plans, the time, and a short hash over both inventories' proofs,
the options and the rows; no id is used twice. Shards are numbered through the plan, copies first, so a partition key
``<plan id>-<nnnn>`` is unique.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Literal

import pyarrow as pa
from pydantic import AliasChoices, Field, PrivateAttr

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.ids import make_id, number_of
from hyve_pipeline.core.base.keys import shortened
from hyve_pipeline.core.base.manifest import Count, Frozen, InventoryId, StateName, StateNames
from hyve_pipeline.core.model.diff import ChangeSet, Diff, FutureDates
from hyve_pipeline.core.model.estimate import Estimate
from hyve_pipeline.core.model.inventory import AsOf, Side, Versioning
from hyve_pipeline.core.model.inventory_report import ReportOrigin
from hyve_pipeline.core.model.named_keys import NamedKeys
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action, Figures, Refusal, judge
from hyve_pipeline.core.model.shards import Shard, ShardTotals, StoredShards
from hyve_pipeline.core.settings.limits import Limit
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import Place

# What a plan of all versions does.
ALL_VERSIONS = "of all versions: what the store lacks of a key is added in its order; nothing is overwritten or deleted"

_NO_OBJECTS = "and that can be done only for plans of current objects"


class Approval(Frozen):
    """The user's approval of a plan that the limits refused; it is kept beside the plan, which never changes.

    Attributes:
        given: when.
        max_deletes, max_overwrites, max_cost, max_duration: the limits that apply instead; None keeps the plan's own.
    """

    given: datetime
    max_deletes: Limit | None = None
    max_overwrites: Limit | None = None
    max_cost: Decimal | None = None
    max_duration: int | None = None


class Transfer(Frozen):
    """Who moves the bytes of a plan's copies.

    Attributes:
        by: ``server``, which copies from bucket to bucket, or ``stream``: this process reads and writes.
        reason: why.
    """

    by: Literal["server", "stream"] = "server"
    reason: str = "both buckets are on one server"

    @property
    def cost(self) -> int:
        """The approximate cost of a copy, in copies by the server; measured with small objects."""
        return 1 if self.by == "server" else 4

    @property
    def described(self) -> str:
        """One line for messages."""
        who = "by the server" if self.by == "server" else "through this process"
        return f"{who}: {self.reason}"


class Plan(Frozen):
    """The manifest of a plan.

    Attributes:
        id: ``<number>-<UTC time>-<short hash>``, see `core.base.ids`.
        sync: the sync's name.
        created: when it was frozen.
        source, store: the places compared, with their servers; the plan is applied to no other store.
        options: the options in force, overrides included.
        source_inventory, store_inventory: the ids of the inventories compared.
        figures: the input of the safety rules.
        counts: objects and bytes by set.
        uncompared: how many unchanged objects had properties that could not be compared, by reason.
        unpinned, newer, skipped_examples: as in `core.model.diff.Diff`.
        future: the source's objects that are dated in the future: their copies are older.
        versioning: whether the store's bucket keeps versions; None where the server does not say.
        reports: of each side whose inventory is from a report of S3 Inventory, that report.
        as_of: the earlier time at which the source was as the plan copies it; None if that is when it was listed.
        named: the keys that it is restricted to; None if it is of all keys.
        changes: the Parquet files of all listed sets, those that a plan does not act on included; columns as in
            `core.diff.CHANGE_SCHEMA`. Empty in a plan of an earlier version.
        files: the Parquet files of copies and of deletes, whose rows follow each other; one row group a shard. Columns
            as in `core.diff.CHANGE_SCHEMA`.
        moves: the Parquet file of new objects that are copied within the store, columns as in `core.move.MOVE_SCHEMA`.
        moved: how many these are, and their bytes.
        totals: the numbers of shards of each action, with their objects and bytes.
        shard_file: the Parquet file of the shards, with the columns of `core.shards.SHARD_SCHEMA`; None in a plan of an
            earlier version.
        own_shards: the shards of a plan of an earlier version, which has them in its manifest.
        refusals: what the safety rules refused when the plan was made.
        transfer: who moves the bytes of its copies.
        estimate: what it will cost; None in a plan of an earlier version.
    """

    id: str
    sync: str
    created: datetime
    source: Place
    store: Place
    options: Options
    source_inventory: InventoryId
    store_inventory: InventoryId
    figures: Figures
    counts: dict[ChangeSet, Count]
    uncompared: dict[str, int] = Field(default_factory=dict)
    unpinned: int = 0
    newer: int = 0
    skipped_examples: tuple[tuple[str, str], ...] = ()
    future: FutureDates | None = None
    versioning: Versioning | None = None
    reports: dict[Side, ReportOrigin] = Field(default_factory=dict)
    as_of: AsOf | None = None
    named: NamedKeys | None = None
    changes: StateNames = ()
    files: dict[Action, StateNames] = Field(validation_alias=AliasChoices("files", "uris"))
    moves: StateNames = ()
    moved: Count = Count()
    totals: dict[Action, ShardTotals] = Field(default_factory=dict)
    shard_file: StateName | None = None
    own_shards: tuple[Shard, ...] = Field(default=(), validation_alias=AliasChoices("own_shards", "shards"))
    refusals: tuple[Refusal, ...]
    transfer: Transfer = Transfer()
    estimate: Estimate | None = None
    _stored: StoredShards = PrivateAttr(default_factory=StoredShards)

    def read_shards_by(self, read: Callable[[], pa.Table]) -> None:
        """Set how the table of its shards is read, which is done when they are first needed."""
        self._stored = StoredShards(read)

    @property
    def origins(self) -> dict[Side, str]:
        """The reports that inventories are from, by side, in one line each, and what that means for the plan."""
        left = {"source": "; what was written since is left to the next report", "store": ""}
        return {side: f"{report.described}{left[side]}" for side, report in self.reports.items()}

    @property
    def has_histories(self) -> bool:
        """Whether it is of all versions: each row is a key with its history."""
        return self.options.versions == "all"

    def require_objects(self, what: str) -> None:
        """Refuse what can't be done with a plan of all versions.

        Raises:
            ConfigurationError: it is one; the message begins with `what`.
        """
        if self.has_histories:
            raise ConfigurationError(f'{what}: plan {self.id} is of all versions (versions = "all"), {_NO_OBJECTS}')

    def count(self, name: ChangeSet) -> Count:
        """Objects and bytes of one set."""
        return self.counts.get(name, Count())

    @property
    def all_files(self) -> tuple[str, ...]:
        """The files of both actions."""
        return tuple(name for names in self.files.values() for name in names)

    def total(self, action: Action) -> ShardTotals:
        """The number of shards of one action, with their objects and bytes; no file is read for it."""
        if self.shard_file is None:
            return ShardTotals.of(shard for shard in self.own_shards if shard.action == action)
        return self.totals.get(action, ShardTotals())

    def keeps(self, name: ChangeSet) -> bool | None:
        """Whether the store's objects of a set are kept, in the trash or as versions; None where that is not known."""
        if self.has_histories:
            return True
        # A repair leaves the content, and what it changes is not put into the trash.
        if self.options.trash is not None and name is not ChangeSet.DRIFTED:
            return True
        return None if self.versioning is None else self.versioning == "enabled"

    @property
    def nowhere(self) -> int:
        """How many of the keys that the plan is restricted to are in neither bucket."""
        return 0 if self.named is None else self.named.keys - sum(count.objects for count in self.counts.values())

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not any(self.total(action).shards for action in ACTIONS)

    @property
    def shards(self) -> tuple[Shard, ...]:
        """All shards, copies first.

        Raises:
            StateError: their file is missing or damaged.
        """
        return self.own_shards if self.shard_file is None else self._stored.all()

    def shard(self, number: int) -> Shard | None:
        """The shard of a number; None where there is none.

        Raises:
            StateError: their file is missing or damaged.
        """
        if self.shard_file is not None:
            return self._stored.one(number)
        return next((shard for shard in self.own_shards if shard.number == number), None)

    def shards_of(self, action: Action) -> tuple[Shard, ...]:
        """The shards of one action, in key order.

        Raises:
            StateError: their file is missing or damaged.
        """
        return tuple(shard for shard in self.shards if shard.action == action)

    def partition_key(self, shard: Shard) -> str:
        """The shard's key among Dagster's dynamic partitions."""
        return f"{self.id}-{shard.number:04d}"

    def partition_keys(self, action: Action) -> list[str]:
        """The partition keys of one action's shards, in order."""
        return [self.partition_key(shard) for shard in self.shards_of(action)]

    def judged(self, approval: Approval | None) -> tuple[Refusal, ...]:
        """What the safety rules refuse under `approval`."""
        if approval is None:
            return self.refusals
        given = {name: getattr(approval, name) for name in Approval.model_fields if name != "given"}
        overrides = {name: limit for name, limit in given.items() if limit is not None}
        return judge(self.figures, self.options.model_copy(update=overrides))


def plan_id(diff: Diff) -> str:
    """The id of the plan made from `diff`, with the diff's number."""
    digest = hashlib.sha256()
    for inventory in (diff.source, diff.store):
        digest.update(inventory.model_dump_json(include={"id", "place", "started", "proof"}).encode())
    digest.update(diff.options.model_dump_json().encode())
    digest.update(diff.digest.encode())
    return make_id(number_of(diff.id), diff.created, digest.hexdigest()[:8])


def split_partition_key(partition_key: str) -> tuple[str, int]:
    """The plan's id and the shard's number of a partition key.

    Raises:
        ValueError: it is not a partition key of a plan.
    """
    plan, separator, number = partition_key.rpartition("-")
    if not separator or not number.isdecimal():
        example = "000042-20260131T020000000Z-1a2b3c4d-0001"
        raise ValueError(f"{shortened(partition_key)} is not a shard of a plan such as {example}")
    return plan, int(number)


def plan_of_partition(partition_key: str) -> str | None:
    """The plan's id of a partition key; None for a partition that is not a shard, such as one added in the UI."""
    try:
        return split_partition_key(partition_key)[0]
    except ValueError:
        return None
