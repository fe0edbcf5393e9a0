"""What becomes of a step's standard output and error in a run that a command makes.

Dagster redirects both through files that child processes read again: two `tail` and two interpreters a run.
A command has its own standard output and error, where they are of more use, so here they go straight there.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClassData

_NOTE = "Nothing was captured: a command made this run, and whatever the run printed is in the command's own output.\n"


class CommandOutput(LocalComputeLogManager):
    """Captures nothing, and says so where the web UI shows what was captured."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "CommandOutput":
        """Make it as Dagster's configuration says."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Let the output be."""
        note = Path(self.get_captured_local_path(log_key, "err"))
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(_NOTE, encoding="utf-8")
        # The UI shows the file when this one is there; before, it waits for more.
        Path(self.complete_artifact_path(log_key)).touch()
        yield CapturedLogContext(log_key)
