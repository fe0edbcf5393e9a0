"""What is used of Dagster though it does not promise to keep it. `setup.cfg` names the releases that have it.

`DagsterWebserver` and its workspace: a web server that is gated must be run in our own process. The command
`dagster-webserver` only listens on a port of its own, which any web page can send requests to.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.types import ASGIApp

# As the command `dagster-webserver` has them: long-lived connections to a database that others use as well.
_STATEMENT_MILLISECONDS = 15_000
_RECYCLE_SECONDS = 3_600
_MOST_OVERFLOWING = 20


@contextmanager
def web_application(workspace: Path) -> Iterator[ASGIApp]:
    """Dagster's web server, without anything that listens.

    Args:
        workspace: the ``workspace.yaml`` of what it shows. The instance is that of ``DAGSTER_HOME``.
    """
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(_STATEMENT_MILLISECONDS, _RECYCLE_SECONDS, _MOST_OVERFLOWING)
        with WorkspaceProcessContext(
            instance, WorkspaceFileTarget([str(workspace)]), version=dg.__version__, code_server_log_level="WARNING"
        ) as context:
            yield create_app_from_workspace_process_context(context)
