"""What Dagster does not promise to keep, named here: a release without one of these fails this test, and not a user."""

import ast
from importlib import import_module
from pathlib import Path

from hyve_pipeline.orchestration.common import dagster_private

_USED = {
    "dagster._core.definitions.definitions_load_context": {"DefinitionsLoadContext"},
    "dagster._core.definitions.unresolved_asset_job_definition": {"UnresolvedAssetJobDefinition"},
    "dagster._core.workspace.context": {"WorkspaceProcessContext"},
    "dagster._core.workspace.load_target": {"WorkspaceFileTarget"},
    # Without an underscore, but in no documentation.
    "dagster_webserver.app": {"create_app_from_workspace_process_context"},
}


def test_what_is_used_is_named_and_there() -> None:
    tree = ast.parse(Path(dagster_private.__file__).read_text(encoding="utf-8"))
    found = {
        node.module: {alias.name for alias in node.names}
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dagster")
    }
    assert found == _USED
    for module, names in _USED.items():
        assert names <= set(dir(import_module(module)))
