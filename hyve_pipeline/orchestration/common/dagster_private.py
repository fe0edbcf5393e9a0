"""The private API of Dagster that is used here. `setup.cfg` restricts Dagster to the releases that have it.

The web server and its workspace: the web server must run in our own process, behind the gate. The command
`dagster-webserver` can only listen on a port of its own, which any web page can send requests to.

`UnresolvedAssetJobDefinition`: what `define_asset_job` returns has no public type, and annotations require one.

`DefinitionsLoadContext`: it alone gives a component that `dg` loads the name of its code location.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

if TYPE_CHECKING:
    from starlette.types import ASGIApp

# What `define_asset_job` returns.
AssetJob = UnresolvedAssetJobDefinition

# The settings of the command `dagster-webserver`, for long-lived connections to a shared database.
_STATEMENT_MILLISECONDS = 15_000
_RECYCLE_SECONDS = 3_600
_MOST_OVERFLOWING = 20


@contextmanager
def web_application(workspace: Path) -> "Iterator[ASGIApp]":
    """Dagster's web server, without a listening socket.

    Args:
        workspace: the ``workspace.yaml`` of what it shows. The instance is that of ``DAGSTER_HOME``.
    """
    # Imported late: the base installation has no web server.
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster_webserver.app import create_app_from_workspace_process_context

    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(_STATEMENT_MILLISECONDS, _RECYCLE_SECONDS, _MOST_OVERFLOWING)
        with WorkspaceProcessContext(
            instance, WorkspaceFileTarget([str(workspace)]), version=dg.__version__, code_server_log_level="WARNING"
        ) as context:
            yield create_app_from_workspace_process_context(context)


def loading_location() -> str | None:
    """The name of the code location whose definitions are being loaded, if it is known."""
    return DefinitionsLoadContext.get().code_location_name
