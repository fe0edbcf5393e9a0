"""``--output`` of the commands that write a file: where it goes, and what is said if it can't be written."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyve_pipeline.cli.options import Command, is_given
from hyve_pipeline.core.base.errors import naming_file
from hyve_pipeline.core.runtime.atomic_write import FILE_MODE, make_folder, replace_file

if TYPE_CHECKING:
    from hyve_pipeline.operations.context import SyncContext


def output_option(what: str, name: str) -> Callable[[Command], Command]:
    """The option of a command that writes `what`, by default to this file beside the lists."""
    return click.option(
        "--output",
        type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
        metavar="FILE",
        help=f"Where to write the {what}, instead of out/NAME/{name} in the home; - is standard output.",
    )


def is_standard_output(output: Path | None, *, as_json: bool) -> bool:
    """Whether the output goes to standard output, as ``-`` says.

    Raises:
        UsageError: the JSON document of ``--json`` goes there too.
    """
    to_standard_output = output is not None and str(output) == "-"
    # With HYVE_JSON alone, the option decides.
    if to_standard_output and as_json and is_given("as_json"):
        raise click.UsageError("--output - and --json both want standard output")
    return to_standard_output


def write_beside_lists(sync: "SyncContext", name: str, output: Path | None, content: bytes) -> Path:
    """Write a file to `output`, or under this name beside the lists of a sync, and return its path.

    Raises:
        ConfigurationError: it can't be written.
    """
    if output is not None:
        return write_output(output, content)
    path = Path(sync.lists.uri_of(name))
    return write_output(path, content, folder=path.parent)


def write_output(output: Path, content: bytes, mode: int = FILE_MODE, *, folder: Path | None = None) -> Path:
    """Replace a file, and return its path.

    Args:
        output: the file; it may begin with ``~``.
        content: its bytes.
        mode: its mode.
        folder: a folder to make first.

    Raises:
        ConfigurationError: it can't be written.
    """
    path = output.expanduser().absolute()
    with naming_file(path, "written"):
        if folder is not None:
            make_folder(folder)
        replace_file(path, content, mode)
    return path
