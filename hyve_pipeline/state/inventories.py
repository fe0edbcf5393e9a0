"""Inventories on disk: a Parquet file and a JSON manifest each.

    inventories/<side>/<id>.parquet, <id>.json
    named_keys/<id>-<side>.parquet, <id>-<side>.json              those that are restricted to some keys
    mapped_inventories/<id>-<side>.parquet, <id>-<side>.json      those with the keys of a mapping

A manifest is written last, so everything with a manifest is complete.
"""

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.inventory import Inventory, Side
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.plans import MAPPED_FOLDER, NAMED_FOLDER, newest_manifests


class InventoryShelf:
    """The inventories of one side of a sync.

    Those that are restricted to some keys, or whose keys were mapped, are in folders of their own: none of them is the
    newest of the bucket.
    """

    def __init__(self, state: Folder, side: Side) -> None:
        self._state = state
        self.folder = state.below(f"inventories/{side}")
        self._named = state.below(NAMED_FOLDER)
        self._mapped = state.below(MAPPED_FOLDER)
        self._side = side

    def file_name(self, inventory_id: str) -> str:
        """The name of the file with an inventory's rows, below the sync's state."""
        return f"inventories/{self._side}/{inventory_id}.parquet"

    def named_file_name(self, inventory_id: str) -> str:
        """Likewise of one that is restricted to some keys."""
        return f"{NAMED_FOLDER}/{inventory_id}-{self._side}.parquet"

    def mapped_file_name(self, inventory_id: str) -> str:
        """Likewise of one whose keys were mapped."""
        return f"{MAPPED_FOLDER}/{inventory_id}-{self._side}.parquet"

    def manifest_name(self, inventory: Inventory) -> str:
        """The name of an inventory's manifest, below the sync's state."""
        if inventory.named is None and inventory.mapped is None:
            return f"inventories/{self._side}/{inventory.id}.json"
        folder = NAMED_FOLDER if inventory.named is not None else MAPPED_FOLDER
        return f"{folder}/{self._derived_manifest(inventory.id)}"

    def save(self, inventory: Inventory) -> None:
        """Write the manifest; the rows must be written already."""
        self._state.write_manifest(self.manifest_name(inventory), inventory)

    def drop_named(self, inventory_id: str) -> None:
        """Remove the manifest of an inventory that is restricted to some keys."""
        self._named.remove(self._derived_manifest(inventory_id))

    def _derived_manifest(self, inventory_id: str) -> str:
        return f"{inventory_id}-{self._side}.json"

    def load(self, inventory_id: str) -> Inventory:
        """Read a manifest back.

        Raises:
            StateError: it is missing or damaged.
        """
        try:
            return self.folder.read_manifest(f"{inventory_id}.json", Inventory)
        except StateError:
            folder = self._folder_of_derived(inventory_id)
            if folder is None:
                raise
            return folder.read_manifest(self._derived_manifest(inventory_id), Inventory)

    def _folder_of_derived(self, inventory_id: str) -> Folder | None:
        """Where an inventory is that was made from another one; None if there is none of that id."""
        name = self._derived_manifest(inventory_id)
        return next((folder for folder in (self._named, self._mapped) if folder.exists(name)), None)

    def exists(self, inventory_id: str) -> bool:
        """Whether the manifest of an inventory is still there."""
        return self.folder.exists(f"{inventory_id}.json") or self._folder_of_derived(inventory_id) is not None

    def newest(self) -> Inventory | None:
        """The newest inventory of the whole bucket; None when there is none yet.

        Raises:
            StateError: its manifest is damaged.
        """
        names = newest_manifests(self.folder.names())
        return self.load(names[0].removesuffix(".json")) if names else None

    def newest_mapped(self) -> Inventory | None:
        """The newest one of the whole bucket whose keys were mapped; None when there is none yet.

        Raises:
            StateError: its manifest is damaged.
        """
        suffix = self._derived_manifest("")
        names = newest_manifests(name for name in self._mapped.names() if name.endswith(suffix))
        return self._mapped.read_manifest(names[0], Inventory) if names else None
