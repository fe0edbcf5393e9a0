"""Inventories, diffs and plans as they lie on disk: a Parquet file and a JSON manifest each.

    inventories/<side>/<id>.parquet, <id>.json
    diffs/<id>/changes.parquet, new.parquet, modified.parquet, duplicate_stores.parquet, drifted.parquet, diff.json
    plans/<id>/copies.parquet, deletes.parquet, plan.json, approval.json

A manifest is written last, so whatever has a manifest is whole.
"""

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.model.diff import Diff
from hyve_pipeline.core.model.inventory import Inventory, Side
from hyve_pipeline.core.model.plan import Approval, Plan
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.state.files import Folder

PLAN_FILES: dict[Action, str] = {"copy": "copies.parquet", "delete": "deletes.parquet"}


class InventoryShelf:
    """The inventories of one side of a sync."""

    def __init__(self, state: Folder, side: Side) -> None:
        self.folder = state.below(f"inventories/{side}")

    def parquet_name(self, inventory_id: str) -> str:
        """The name of the file that holds an inventory's rows."""
        return f"{inventory_id}.parquet"

    def save(self, inventory: Inventory) -> None:
        """Keep the manifest; the rows must be written already."""
        self.folder.write_manifest(f"{inventory.id}.json", inventory)

    def load(self, inventory_id: str) -> Inventory:
        """Read a manifest back.

        Raises:
            StateError: it is missing or damaged.
        """
        return self.folder.read_manifest(f"{inventory_id}.json", Inventory)

    def load_from(self, uri: str) -> Inventory:
        """Read the manifest of the inventory whose rows are at `uri` back.

        Raises:
            StateError: it is missing or damaged.
        """
        return self.load(uri.rpartition("/")[2].removesuffix(".parquet"))

    def newest(self) -> Inventory | None:
        """The newest inventory, None when there is none yet.

        Raises:
            StateError: its manifest is damaged.
        """
        names = [name for name in self.folder.names() if name.endswith(".json")]
        return self.load(names[-1].removesuffix(".json")) if names else None


class DiffShelf:
    """The diffs of a sync."""

    def __init__(self, state: Folder) -> None:
        self._folder = state.below("diffs")

    def folder_of(self, diff_id: str) -> Folder:
        """The folder of one diff's files."""
        return self._folder.below(diff_id)

    def save(self, diff: Diff) -> None:
        """Keep the manifest; the rows must be written already."""
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
        """Keep the manifest; the rows must be written already."""
        self._folder.write_manifest(f"{plan.id}/plan.json", plan)

    def ids(self) -> list[str]:
        """The ids of all plans, oldest first."""
        return [name for name in self._folder.names() if self.exists(name)]

    def exists(self, plan_id: str) -> bool:
        """Whether there is a plan of that id."""
        return "/" not in plan_id and self._folder.exists(f"{plan_id}/plan.json")

    def load(self, plan_id: str) -> Plan:
        """Read a plan's manifest.

        Raises:
            ConfigurationError: there is no such plan.
            StateError: the manifest is damaged.
        """
        if not self.exists(plan_id):
            raise ConfigurationError(f"sync {self._sync} has no plan {plan_id!r}; 'hyve plans' lists them")
        return self._folder.read_manifest(f"{plan_id}/plan.json", Plan)

    def newest(self) -> Plan | None:
        """The newest plan, None when there is none yet."""
        ids = self.ids()
        return self.load(ids[-1]) if ids else None

    def approve(self, plan_id: str, approval: Approval) -> None:
        """Keep a person's word on a refused plan."""
        self._folder.write_manifest(f"{plan_id}/approval.json", approval)

    def approval(self, plan_id: str) -> Approval | None:
        """A person's word on the plan, None when there is none."""
        if not self._folder.exists(f"{plan_id}/approval.json"):
            return None
        return self._folder.read_manifest(f"{plan_id}/approval.json", Approval)
