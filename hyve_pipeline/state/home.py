"""The home: the one folder that holds the configuration, the lists and all state."""

import os
from pathlib import Path

from hyve_pipeline.state.files import Folder

HOME_VARIABLE = "HYVE_HOME"


class Home:
    """The layout of ``HYVE_HOME``.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()

    @classmethod
    def from_environment(cls) -> "Home":
        """The home that ``HYVE_HOME`` names, else ``~/.hyve``."""
        return cls(Path(os.environ.get(HOME_VARIABLE) or "~/.hyve"))

    @property
    def settings_file(self) -> Path:
        """The configuration."""
        return self.path / "hyve.toml"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage: ``DAGSTER_HOME`` when that is set, else a folder of the home."""
        return Path(os.environ.get("DAGSTER_HOME") or self.path / "dagster").absolute()

    def lists(self, sync: str) -> Folder:
        """The folder of the newest plan's three text lists."""
        return Folder(str(self.path / "out" / sync))

    def state(self, sync: str) -> Folder:
        """The folder of a sync's inventories, diffs, plans and journals."""
        return Folder(str(self.path / "state" / sync))
