"""The manual page: all that the help has, in a form that `man` reads without a warning."""

import re
import shutil
import subprocess

import click
import pytest

from hyve_pipeline.cli.commands import COMMANDS, SECTIONS
from hyve_pipeline.cli.main import hyve as group
from hyve_pipeline.core.base.errors import EXIT_CODES
from hyve_pipeline_tests.syncs import Hyve


@pytest.fixture
def page(hyve: Hyve) -> str:
    finished = hyve("help", "--man")
    assert (finished.code, finished.err) == (0, "")
    return finished.out


def _plain(page: str) -> str:
    return page.replace(r"\-", "-").replace(r"\fB", "").replace(r"\fR", "").replace(r"\&", "")


def test_the_page_has_every_command_option_and_example(page: str) -> None:
    text = _plain(page)
    assert re.findall(r"^\.SS \"hyve (.*)\"$", text, re.MULTILINE) == list(COMMANDS)
    assert [section.upper() for section in SECTIONS] == [
        title for title in re.findall(r"^\.SH \"?([A-Z ]+?)\"?$", text, re.MULTILINE) if title.capitalize() in SECTIONS
    ]
    context = click.Context(group, info_name="hyve", **group.context_settings)
    for name, entry in COMMANDS.items():
        command = group.get_command(context, name)
        assert command is not None
        part = text.partition(f'.SS "hyve {name}"\n')[2].partition("\n.SS ")[0]
        shown = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        missing = [option.opts for option in shown if not option.hidden and option.opts[-1] not in part]
        assert missing == []
        assert [example for example in entry.examples if example not in part] == []
    for code, meaning in EXIT_CODES.items():
        assert f".TP\n{code}\n{meaning}" in text


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_reads_the_page_without_a_warning(page: str) -> None:
    read = subprocess.run(
        ["groff", "-man", "-Tascii", "-ww", "-z"], input=page, capture_output=True, text=True, timeout=60, check=True
    )
    assert read.stderr == ""


def test_the_page_is_of_all_commands(hyve: Hyve) -> None:
    finished = hyve("help", "copy", "--man")
    assert finished.code == 2
    assert "--man" in finished.only_line
