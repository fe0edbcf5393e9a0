"""Diffs and plans on disk: Parquet files and a JSON manifest each. Inventories are in `state.inventories`.

    named_keys/<id>-keys.parquet                                     the keys that inventories are restricted to
    diffs/<id>/changes.parquet, new.parquet, modified.parquet, duplicate_stores.parquet, drifted.parquet, diff.json
    plans/<id>/copies.parquet, copies-0002.parquet, …, deletes.parquet, …, shards.parquet, plan.json, approvals/…
    partial_plans/list/<id>.json, partial_plans/events/<id>.json     the plans of some keys, by who names them

A manifest is written last, so everything with a manifest is complete. The newest is the one whose id begins with the
highest number; clocks do not count.
"""

import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from hyve_pipeline.core.base.errors import ConfigurationError, StateError
from hyve_pipeline.core.base.ids import is_id, make_id, number_of, order_of
from hyve_pipeline.core.base.keys import shortened
from hyve_pipeline.core.base.suggestions import hint_for
from hyve_pipeline.core.model.diff import Diff
from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.core.model.named_keys import NAMED_BY, NamedBy
from hyve_pipeline.core.model.plan import Approval, Plan
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action
from hyve_pipeline.core.model.shards import SHARD_SCHEMA, Shard, shard_table
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import ParquetReader, writing_parquet
from hyve_pipeline.state.storage.storage import MissingFileError

_PLAN_FILES: dict[Action, str] = {"copy": "copies", "delete": "deletes"}

_SHARD_FILE = "shards.parquet"

_MANIFEST = "plan.json"

UNDONE_FOLDER = "undone_keys"

MEMORY_FOLDER = "memory"

NAMED_FOLDER = "named_keys"

MAPPED_FOLDER = "mapped_inventories"

PARTIAL_FOLDER = "partial_plans"

# Numbered, and never replaced: two processes that approve a plan at the same time both leave a record.
_APPROVALS = "approvals"

# The name of the newest plan, instead of an id.
LATEST = "latest"

# How many plans a message names when the beginning of an id is that of several.
_MOST_CANDIDATES = 5

# The folders in which names begin with numbers.
_NUMBERED = (
    *(f"inventories/{side}" for side in SIDES),
    *("diffs", "plans", UNDONE_FOLDER, MEMORY_FOLDER, "restores", NAMED_FOLDER, MAPPED_FOLDER),
)


def next_number(state: Folder) -> int:
    """A number that is greater than those of all inventories, diffs, plans and undos of a sync.

    Processes that call this at the same time may get the same number: neither is newer than the other.

    Raises:
        StateError: the state can't be listed.
    """
    # Most syncs have few of these folders, and each that is listed is a request in a bucket.
    present = set(state.names())
    folders = (folder for folder in _NUMBERED if folder.partition("/")[0] in present)
    return 1 + max((number_of(name) for folder in folders for name in state.names(folder)), default=0)


def next_id(state: Folder, time: datetime, number: int | None = None) -> str:
    """A new id of an inventory or diff, newer than all that the sync has.

    Args:
        state: the sync's state.
        time: the time, for the reader.
        number: what `next_number` gave just now; None asks it.

    Raises:
        StateError: the state can't be listed.
    """
    return make_id(next_number(state) if number is None else number, time, uuid.uuid4().hex[:8], "microseconds")


def newest_manifests(names: Iterable[str]) -> list[str]:
    """Those names in a folder that are manifests named by ids, newest first."""
    return sorted((name for name in names if name.endswith(".json")), key=order_of, reverse=True)


def named_keys_file(named_id: str) -> str:
    """The name of the file with the keys that inventories are restricted to, below the sync's state."""
    return f"{NAMED_FOLDER}/{named_id}-keys.parquet"


class DiffShelf:
    """The diffs of a sync."""

    def __init__(self, state: Folder) -> None:
        self._folder = state.below("diffs")

    def newest_id(self) -> str | None:
        """The id of the newest diff, complete or not; None when there is none."""
        return max(self._folder.names(), key=order_of, default=None)

    def exists(self, diff_id: str) -> bool:
        """Whether a diff is complete."""
        return self._folder.exists(f"{diff_id}/diff.json")

    def save(self, diff: Diff) -> None:
        """Write the manifest; the rows must be written already."""
        self._folder.write_manifest(f"{diff.id}/diff.json", diff)

    def load(self, diff_id: str) -> Diff:
        """Read a manifest back.

        Raises:
            StateError: it is missing or damaged.
        """
        return self._folder.read_manifest(f"{diff_id}/diff.json", Diff)


def plan_file(plan_id: str, action: Action, number: int) -> str:
    """The name below the sync's state of a plan's file of one action, with its number from 0."""
    suffix = f"-{number + 1:04d}" if number else ""
    return f"plans/{plan_id}/{_PLAN_FILES[action]}{suffix}.parquet"


def moves_file(plan_id: str) -> str:
    """The name below the sync's state of a plan's file of objects that have only moved."""
    return f"plans/{plan_id}/moves.parquet"


@dataclass(frozen=True)
class _ShardFile:
    """Reads the shards of a plan, in a way that can be passed to another process."""

    state: Folder
    name: str
    rows: int

    def __call__(self) -> pa.Table:
        with ParquetReader(self.state, self.name) as reader:
            # A file can be whole and yet not this plan's.
            if reader.rows != self.rows:
                uri = self.state.uri_of(self.name)
                raise StateError(f"{uri}: damaged: it has {reader.rows} shards, the plan's manifest says {self.rows}")
            return reader.read(list(range(reader.row_groups)))


class PlanShelf:
    """The plans of a sync."""

    def __init__(self, state: Folder, sync: str) -> None:
        self._state = state
        self._folder = state.below("plans")
        self._sync = sync

    def save_shards(self, plan_id: str, shards: Iterable[Shard]) -> str:
        """Write the shards of a plan, and return the name of their file below the sync's state."""
        name = f"plans/{plan_id}/{_SHARD_FILE}"
        with writing_parquet(self._state, name, SHARD_SCHEMA, repetitive=["action"]) as writer:
            writer.write_table(shard_table(shards))
        return name

    def save(self, plan: Plan) -> Plan:
        """Write the manifest; the rows and shards must be written already.

        Returns:
            The plan, whose shards can be read.
        """
        if plan.named is not None:
            # Before the plan exists: it is never taken for one of all keys.
            self._state.write_manifest(f"{PARTIAL_FOLDER}/{plan.named.by}/{plan.id}.json", plan.named)
        self._folder.write_manifest(f"{plan.id}/{_MANIFEST}", plan)
        return self._with_shards(plan)

    def _with_shards(self, plan: Plan) -> Plan:
        if plan.shard_file is not None:
            rows = sum(plan.total(action).shards for action in ACTIONS)
            plan.read_shards_by(_ShardFile(self._state, plan.shard_file, rows))
        return plan

    def ids(self) -> list[str]:
        """The ids of all plans, oldest first."""
        # One listing: to look for each manifest takes a request for each in a bucket.
        files = (entry.name.partition("/") for entry in self._folder.entries(recursive=True))
        return sorted((folder for folder, _, name in files if name == _MANIFEST and is_id(folder)), key=order_of)

    def exists(self, plan_id: str) -> bool:
        """Whether there is a plan of that id."""
        return is_id(plan_id) and self._folder.exists(f"{plan_id}/{_MANIFEST}")

    def load(self, plan_id: str) -> Plan:
        """Read a plan's manifest.

        Raises:
            ConfigurationError: there is no such plan.
            StateError: the manifest is damaged.
        """
        if is_id(plan_id):
            with suppress(MissingFileError):
                return self._with_shards(self._folder.read_manifest(f"{plan_id}/{_MANIFEST}", Plan))
        raise ConfigurationError(f"sync {self._sync} has no plan {shortened(plan_id)}{self._hint_for(plan_id)}")

    def _hint_for(self, name: str) -> str:
        """What the user may have meant: a plan by its number without all of its zeros, or one of a close name."""
        ids = [*reversed(self.ids())]
        if re.fullmatch("[0-9]{1,18}", name):
            numbered = [plan_id for plan_id in ids if number_of(plan_id) == int(name)]
            if numbered:
                return f"; did you mean {numbered[0]}?"
        return hint_for(name, [LATEST, *ids]) or "; 'hyve plans' lists them"

    def find(self, name: str | None) -> Plan:
        """The plan with this id, or whose id alone begins so, or the newest.

        Args:
            name: an id or its beginning; None or `LATEST` means the newest plan.

        Raises:
            ConfigurationError: no plan matches, or several do.
            StateError: the manifest is damaged.
        """
        if name is None or name == LATEST:
            newest = self.newest()
            if newest is None:
                raise ConfigurationError(f"sync {self._sync} has no plan yet: run 'hyve dryrun' first")
            return newest
        if self.exists(name):
            return self.load(name)
        meant = [plan_id for plan_id in self.ids() if name and plan_id.startswith(name)]
        if len(meant) == 1:
            return self.load(meant[0])
        if meant:
            newest_first = meant[: -_MOST_CANDIDATES - 1 : -1]
            more = len(meant) - len(newest_first)
            raise ConfigurationError(
                f"{shortened(name)} is the beginning of {len(meant)} plans of sync {self._sync}: "
                f"{', '.join(newest_first)}{f' and {more} more' if more else ''}; give more of the id"
            )
        return self.load(name)

    def newest(self) -> Plan | None:
        """The newest plan, see `default_id`; None when there is none yet."""
        newest = self.default_id()
        return None if newest is None else self.load(newest)

    def default_id(self) -> str | None:
        """The id of the plan that commands take where none is named: the newest; None when there is none yet.

        One made by events counts only where there is no other: it is applied by what made it, and none of them takes
        the place of the plan that the user looks at.
        """
        names = self._folder.names()
        # Listed after the plans: what says that one of them is partial was there before it.
        by_events = self.partial_ids("events") if names else set[str]()
        last_wanted_first = sorted(names, key=lambda name: (name not in by_events, order_of(name)))
        return next(filter(self.exists, reversed(last_wanted_first)), None)

    def newest_id(self) -> str | None:
        """The id of the newest plan, also if it was made by events; None when there is none yet."""
        return next(self.newest_ids(), None)

    def newest_ids(self) -> Iterator[str]:
        """The ids of all plans, newest first; each is looked up only when it is taken."""
        return filter(self.exists, sorted(self._folder.names(), key=order_of, reverse=True))

    def partial_ids(self, *by: NamedBy) -> set[str]:
        """The ids of the plans of some keys only, or of those whose keys these named; some may not exist any more."""
        folders = [f"{PARTIAL_FOLDER}/{name}" for name in by or NAMED_BY]
        return {name.removesuffix(".json") for folder in folders for name in self._state.names(folder)}

    def newest_whole(self) -> Plan | None:
        """The newest plan of all keys; None when there is none yet."""
        newest_first = self.newest_ids()
        partial = self.partial_ids()  # after them, as above
        newest = next((plan_id for plan_id in newest_first if plan_id not in partial), None)
        return None if newest is None else self.load(newest)

    def ids_to_apply(self) -> list[str]:
        """The ids of the newest plan of all keys and of the plans of lists since, in their order.

        A plan of all keys takes the place of all before it; one of some keys takes no other's. Those of events are
        applied by what makes them.
        """
        newest_first = self.newest_ids()
        lists, by_events = self.partial_ids("list"), self.partial_ids("events")  # after them, as above
        found: list[str] = []
        for plan_id in newest_first:
            if plan_id not in by_events:
                found.append(plan_id)
                if plan_id not in lists:
                    break
        return found[::-1]

    def approve(self, plan_id: str, approval: Approval) -> None:
        """Write the user's approval of a refused plan; it takes the place of those before."""
        numbers = self._approvals(plan_id)
        number = numbers[-1] if numbers else 0
        while not self._folder.create_manifest(_approval_file(plan_id, number + 1), approval):
            number += 1

    def approval(self, plan_id: str) -> Approval | None:
        """The user's approval of the plan; None when there is none."""
        numbers = self._approvals(plan_id)
        return self._folder.read_manifest(_approval_file(plan_id, numbers[-1]), Approval) if numbers else None

    def _approvals(self, plan_id: str) -> list[int]:
        """The numbers of a plan's approvals, in order."""
        names = (name.removesuffix(".json") for name in self._folder.names(f"{plan_id}/{_APPROVALS}"))
        return sorted(int(name) for name in names if name.isdecimal())


def _approval_file(plan_id: str, number: int) -> str:
    return f"{plan_id}/{_APPROVALS}/{number:04d}.json"
