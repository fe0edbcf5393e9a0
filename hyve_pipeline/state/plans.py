"""Inventories, diffs and plans on disk: a Parquet file and a JSON manifest each.

    inventories/<side>/<id>.parquet, <id>.json
    diffs/<id>/changes.parquet, new.parquet, modified.parquet, duplicate_stores.parquet, drifted.parquet, diff.json
    plans/<id>/copies.parquet, deletes.parquet, plan.json, approval.json

A manifest is written last, so everything with a manifest is complete. The newest is the one whose id begins with the
highest number; clocks do not count.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.ids import is_id, make_id, number_of, order_of
from hyve_pipeline.core.base.keys import shortened
from hyve_pipeline.core.model.diff import Diff
from hyve_pipeline.core.model.inventory import SIDES, Inventory, Side
from hyve_pipeline.core.model.plan import Approval, Plan
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.state.files import Folder

PLAN_FILES: dict[Action, str] = {"copy": "copies.parquet", "delete": "deletes.parquet"}

UNDONE_FOLDER = "undone_keys"

# The name of the newest plan, instead of an id.
LATEST = "latest"

# The folders in which names begin with numbers.
_NUMBERED = (*(f"inventories/{side}" for side in SIDES), "diffs", "plans", UNDONE_FOLDER)


def next_number(state: Folder) -> int:
    """A number that is greater than those of all inventories, diffs, plans and undos of a sync.

    Processes that call this at the same time may get the same number: neither is newer than the other.

    Raises:
        StateError: the state can't be listed.
    """
    return 1 + max((number_of(name) for folder in _NUMBERED for name in state.names(folder)), default=0)


def next_id(state: Folder, time: datetime) -> str:
    """A new id of an inventory or diff, newer than all that the sync has.

    Args:
        state: the sync's state.
        time: the time, for the reader.

    Raises:
        StateError: the state can't be listed.
    """
    return make_id(next_number(state), time, uuid.uuid4().hex[:8], "microseconds")


def newest_manifests(names: Iterable[str]) -> list[str]:
    """Those names in a folder that are manifests named by ids, newest first."""
    return sorted((name for name in names if name.endswith(".json")), key=order_of, reverse=True)


class InventoryShelf:
    """The inventories of one side of a sync."""

    def __init__(self, state: Folder, side: Side) -> None:
        self.folder = state.below(f"inventories/{side}")
        self._side = side

    def file_name(self, inventory_id: str) -> str:
        """The name of the file with an inventory's rows, below the sync's state."""
        return f"inventories/{self._side}/{inventory_id}.parquet"

    def save(self, inventory: Inventory) -> None:
        """Write the manifest; the rows must be written already."""
        self.folder.write_manifest(f"{inventory.id}.json", inventory)

    def load(self, inventory_id: str) -> Inventory:
        """Read a manifest back.

        Raises:
            StateError: it is missing or damaged.
        """
        return self.folder.read_manifest(f"{inventory_id}.json", Inventory)

    def exists(self, inventory_id: str) -> bool:
        """Whether the manifest of an inventory is still there."""
        return self.folder.exists(f"{inventory_id}.json")

    def newest(self) -> Inventory | None:
        """The newest inventory; None when there is none yet.

        Raises:
            StateError: its manifest is damaged.
        """
        names = newest_manifests(self.folder.names())
        return self.load(names[0].removesuffix(".json")) if names else None


class DiffShelf:
    """The diffs of a sync."""

    def __init__(self, state: Folder) -> None:
        self._folder = state.below("diffs")

    def folder_of(self, diff_id: str) -> Folder:
        """The folder of one diff's files."""
        return self._folder.below(diff_id)

    def save(self, diff: Diff) -> None:
        """Write the manifest; the rows must be written already."""
        self._folder.write_manifest(f"{diff.id}/diff.json", diff)

    def load(self, diff_id: str) -> Diff:
        """Read a manifest back.

        Raises:
            StateError: it is missing or damaged.
        """
        return self._folder.read_manifest(f"{diff_id}/diff.json", Diff)


class PlanShelf:
    """The plans of a sync."""

    def __init__(self, state: Folder, sync: str) -> None:
        self._folder = state.below("plans")
        self._sync = sync

    def folder_of(self, plan_id: str) -> Folder:
        """The folder of one plan's files."""
        return self._folder.below(plan_id)

    def save(self, plan: Plan) -> None:
        """Write the manifest; the rows must be written already."""
        self._folder.write_manifest(f"{plan.id}/plan.json", plan)

    def ids(self) -> list[str]:
        """The ids of all plans, oldest first."""
        return [name for name in self._names() if self.exists(name)]

    def _names(self) -> list[str]:
        return sorted(self._folder.names(), key=order_of)

    def exists(self, plan_id: str) -> bool:
        """Whether there is a plan of that id."""
        return is_id(plan_id) and self._folder.exists(f"{plan_id}/plan.json")

    def load(self, plan_id: str) -> Plan:
        """Read a plan's manifest.

        Raises:
            ConfigurationError: there is no such plan.
            StateError: the manifest is damaged.
        """
        if not self.exists(plan_id):
            raise ConfigurationError(f"sync {self._sync} has no plan {shortened(plan_id)}; 'hyve plans' lists them")
        return self._folder.read_manifest(f"{plan_id}/plan.json", Plan)

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
        meant = [] if self.exists(name) else [plan_id for plan_id in self.ids() if name and plan_id.startswith(name)]
        if len(meant) > 1:
            raise ConfigurationError(
                f"{shortened(name)} is the beginning of {len(meant)} plans of sync {self._sync}, such as {meant[-1]}: "
                "give more of the id"
            )
        return self.load(meant[0] if meant else name)

    def newest(self) -> Plan | None:
        """The newest plan; None when there is none yet."""
        newest = next(filter(self.exists, reversed(self._names())), None)
        return None if newest is None else self.load(newest)

    def approve(self, plan_id: str, approval: Approval) -> None:
        """Write the user's approval of a refused plan."""
        self._folder.write_manifest(f"{plan_id}/approval.json", approval)

    def approval(self, plan_id: str) -> Approval | None:
        """The user's approval of the plan; None when there is none."""
        if not self._folder.exists(f"{plan_id}/approval.json"):
            return None
        return self._folder.read_manifest(f"{plan_id}/approval.json", Approval)
