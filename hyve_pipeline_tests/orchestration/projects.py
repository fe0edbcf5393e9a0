"""Users' own Dagster projects, in which a sync is a component."""

import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from hyve_pipeline.orchestration.definitions.resources import SyncResource

SYNC = """
    type: hyve_pipeline.BucketSync
    attributes:
      source: {bucket: hyve-rootwork}
      store: {bucket: hyve-store}
"""


@contextmanager
def loaded(files: Mapping[str, str], location: str | None = "shop") -> Iterator[dg.Definitions]:
    """The definitions of a project whose `defs` folder has these files."""
    with create_defs_folder_sandbox() as project:
        for name, text in files.items():
            path = project.defs_folder_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        with project.build_component_tree(location) as tree:
            yield tree.build_defs()


def resource_of(definitions: dg.Definitions, name: str = "images") -> SyncResource:
    """The resource of a sync as the project has it, outside of any run."""
    resource = (definitions.resources or {})[f"{name}_sync"]
    assert isinstance(resource, SyncResource)
    return resource


def refusal(text: str, folder: str = "images") -> str:
    """What Dagster says of a project with a wrong `defs.yaml`."""
    with pytest.raises(Exception, match=folder) as caught, loaded({f"{folder}/defs.yaml": text}):
        pass
    error: BaseException | None = caught.value
    while error is not None and not isinstance(error, dg.DagsterInvalidDefinitionError):
        error = error.__cause__
    assert error is not None, caught.value
    return str(error)
