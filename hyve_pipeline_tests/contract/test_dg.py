"""A project of somebody else's, worked on with `dg`, Dagster's command for that."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

# What the tests look at is made once, in some seconds, for all of them.
pytestmark = pytest.mark.xdist_group("dg")

_PYPROJECT = """
[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "shop"
"""

_DEFINITIONS = """
from pathlib import Path
from dagster import definitions, load_from_defs_folder

@definitions
def defs():
    return load_from_defs_folder(path_within_project=Path(__file__).parent)
"""

# To begin a process for each command takes most of its time.
_SEVERAL_COMMANDS = """
import json, sys
from click.testing import CliRunner
from dagster_dg_cli.cli import create_dg_cli
results = [CliRunner().invoke(create_dg_cli(), command) for command in json.loads(sys.argv[1])]
print("RESULTS", json.dumps([(result.exit_code, result.output) for result in results]), sep="\\n")
"""

# The mistakes, and what is said at their lines.
_MISTAKES = {
    "source: {bucket: s3://in}": "'s3://in' does not match",
    "store: {bukcet: hyve-store}": "'bucket' is a required property",
    "schedule: daily": "'daily' does not match",
    "timezone: 1": "1 is not of type 'string'",
    "apply: yes": "True is not one of",
    "options: {max_deletes: 200%, concurrency: many, shard_objects: 0, compare: sha}": "'sha' is not one of",
    "tags: [a]": "['a'] is not of type 'object'",
    "colour: red": "'colour' was unexpected",
}

_OVERLAP = """\
type: hyve_pipeline.BucketSync
attributes:
  source:
    bucket: hyve-store
    prefix: a
  store:
    bucket: hyve-store
"""


class Said(NamedTuple):
    code: int
    text: str


def make_project(folder: Path) -> Path:
    module = folder / "shop"
    (module / "defs").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(_PYPROJECT)
    (module / "__init__.py").touch()
    (module / "defs" / "__init__.py").touch()
    (module / "definitions.py").write_text(_DEFINITIONS)
    # Nothing of whoever runs the tests is seen, and nobody is told.
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return folder


def run(project: Path, command: Sequence[str]) -> Said:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HYVE_", "DAGSTER_"))}
    home = str(project / "home")
    finished = subprocess.run(
        command,
        cwd=project,
        env=kept | {"HOME": home, "DAGSTER_HOME": home, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return Said(finished.returncode, finished.stdout)


def dg_all(project: Path, *commands: str) -> list[Said]:
    """What some commands say that are given one after the other."""
    split = json.dumps([command.split() for command in commands])
    said = run(project, [sys.executable, "-c", _SEVERAL_COMMANDS, split])
    assert said.code == 0, said.text
    return [Said(*result) for result in json.loads(said.text.partition("RESULTS\n")[2])]


class Worked(NamedTuple):
    """A project with two scaffolded syncs, and what was said of it."""

    project: Path
    scaffolded: list[Said]
    components: Said
    definitions: Said
    checked: Said


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Worked:
    project = make_project(tmp_path_factory.mktemp("shop"))
    *scaffolded, components, definitions, checked = dg_all(
        project,
        "scaffold defs hyve_pipeline.BucketSync images",
        "scaffold defs hyve_pipeline.BucketSync films --source film-in --store film-store",
        "scaffold defs hyve_pipeline.BucketSync sounds --format python",
        "list components --json",
        "list defs --json",
        "check defs",
    )
    return Worked(project, scaffolded, components, definitions, checked)


def test_a_component_is_scaffolded_with_what_it_needs(worked: Worked) -> None:
    assert [said.code for said in worked.scaffolded] == [0, 0, 0], worked.scaffolded
    defs = worked.project / "shop" / "defs"
    document = yaml.safe_load((defs / "images" / "defs.yaml").read_text())
    assert document == {
        "type": "hyve_pipeline.BucketSync",
        "attributes": {
            "source": {"bucket": "my-source-bucket"},
            "store": {"bucket": "my-store-bucket"},
            "options": {"max_deletes": "10%"},
            "home": ".hyve",
            "schedule": "0 2 * * *",
            "timezone": "UTC",
        },
    }
    films = yaml.safe_load((defs / "films" / "defs.yaml").read_text())["attributes"]
    assert (films["source"], films["store"]) == ({"bucket": "film-in"}, {"bucket": "film-store"})
    assert "BucketSync" in (defs / "sounds" / "component.py").read_text()
    # The state is the project's own, and no part of its repository.
    assert (worked.project / ".hyve" / ".gitignore").read_text() == "*\n"


def test_the_component_is_listed_with_what_it_is_for(worked: Worked) -> None:
    listed = {entry["key"]: entry["summary"] for entry in json.loads(worked.components.text)["items"]}
    assert listed["hyve_pipeline.BucketSync"].startswith("Keeps one S3 bucket, the store, an exact, provable copy")


def test_several_syncs_of_one_project_are_listed(worked: Worked) -> None:
    assert worked.definitions.code == 0, worked.definitions.text
    listed: dict[str, Any] = json.loads(worked.definitions.text)
    assets = {entry["asset_key"] for entry in listed["assets"]}
    jobs, schedules = ({entry["name"] for entry in listed[kind]} for kind in ("jobs", "schedules"))
    for name in ("images", "films", "sounds"):
        assert {f"{name}/source_inventory", f"{name}/plan", f"{name}/store", f"{name}/verification"} <= assets
        assert {f"{name}_dryrun", f"{name}_copy", f"{name}_delete", f"{name}_verify"} <= jobs
        assert f"{name}_dryrun_schedule" in schedules


def test_what_was_scaffolded_is_right_as_it_is(worked: Worked) -> None:
    assert worked.checked.code == 0, worked.checked.text
    assert "All component YAML validated successfully." in worked.checked.text
    assert "All definitions loaded successfully." in worked.checked.text


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> list[Said]:
    """What is said of a file with mistakes, and of one whose buckets overlap."""
    mistaken = "type: hyve_pipeline.BucketSync\nattributes:\n" + "".join(f"  {line}\n" for line in _MISTAKES)
    folder = tmp_path_factory.mktemp("wrong")
    for name, text in {"mistaken": mistaken, "overlapping": _OVERLAP}.items():
        images = make_project(folder / name) / "shop" / "defs" / "images"
        images.mkdir()
        (images / "defs.yaml").write_text(text)
    return dg_all(
        folder / "mistaken",
        f"check yaml --target-path {folder / 'mistaken'}",
        f"check defs --target-path {folder / 'overlapping'}",
    )


def test_mistakes_are_told_with_their_lines(wrong: list[Said]) -> None:
    said, _ = wrong
    assert said.code == 1
    heads = [line.partition("/images/defs.yaml:")[2] for line in said.text.splitlines() if "defs.yaml:" in line]
    for number, (line, problem) in enumerate(_MISTAKES.items(), start=3):
        key = line.partition(":")[0]
        assert [head for head in heads if head.startswith(f"{number} - hyve_pipeline.BucketSync attributes.{key}")]
        assert [head for head in heads if head.startswith(f"{number} - ") and problem in head], (problem, said.text)
    options = [head for head in heads if head.startswith("8 - ")]
    assert len(options) == 4


def test_buckets_that_overlap_are_told_with_their_line(wrong: list[Said]) -> None:
    _, said = wrong
    assert said.code == 1
    assert (
        "/overlapping/shop/defs/images/defs.yaml:6 - attributes.store: overlaps the source: s3://hyve-store/ and s3://hyve-store/a/"
        in said.text
    )
