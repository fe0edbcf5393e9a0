"""What the pages show can be typed and loads: command lines, settings, run configurations, messages, tables."""

import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hyve_pipeline.cli.main import COMMANDS, hyve
from hyve_pipeline.core.base.durations import parse_duration
from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.sizes import parse_size
from hyve_pipeline.core.model.diff import CHANGE_SCHEMA
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA
from hyve_pipeline.core.model.journal import JOURNAL_SCHEMA
from hyve_pipeline.core.model.verification import DIFFERENCE_SCHEMA, PROVED_SCHEMA
from hyve_pipeline.core.settings.batch import BatchSettings
from hyve_pipeline.core.settings.events import EventSettings
from hyve_pipeline.core.settings.home import HomeSettings
from hyve_pipeline.core.settings.limits import Limit
from hyve_pipeline.core.settings.load import load_settings, select_sync
from hyve_pipeline.core.settings.model import Automation, SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline_tests.docs.markdown import PAGES, ROOT, blocks, inline_code, name_of, tables

CONFIGURATION = ROOT / "docs" / "configuration.md"
COMMANDS_PAGE = ROOT / "docs" / "commands.md"

# What the pages write where a reader puts something of their own.
_PLACEHOLDERS = {
    "COMMAND": "dryrun",
    "DOLLARS": "25",
    "FILE": "-",
    "keys.txt": "-",
    "DURATION": "8h",
    "N|P%": "10%",
    "N": "10",
    "P%": "10%",
    "SAMPLE%": "5%",
    "…": "",
}
_HYVE = re.compile(r"(?:^|(?<=[\s/]))(?:hyve|python -m hyve_pipeline) (?![(/])(.*)")
_ENDS = {"|", ">", ">>", "2>>", "&&"}


def _command_of(line: str) -> list[str]:
    """What follows `hyve` in a line, up to a pipe or a file; empty where the line has none."""
    # An error message begins with the program's name as well, and a colon; a drawing has a bracket behind it.
    found = _HYVE.search(line)
    if found is None:
        return []
    words: list[str] = []
    for word in shlex.split(found[1], comments=True):
        if word in _ENDS:
            break
        words.append(_PLACEHOLDERS.get(word, word))
    return [word for word in words if word]


def _typed(page: Path) -> list[list[str]]:
    """The command lines in a page's blocks of code."""
    shown = [block.text for block in blocks(page) if block.language in ("", "console", "cron")]
    return [words for text in shown for line in text.split("\n") if (words := _command_of(line))]


def _named(page: Path) -> list[list[str]]:
    """The command lines in a page's text, whose arguments may be left out."""
    return [words for code in inline_code(page) if (words := _command_of(code))]


def _group() -> click.Context:
    """As `hyve` begins itself: the first context of a command decides which options ask for its help."""
    return click.Context(hyve, info_name="hyve", **hyve.context_settings)


def _problem(words: list[str]) -> click.ClickException | None:
    """Why a command line can't be typed; None when it can. Nothing is run."""
    try:
        with _group() as group:
            if words[0].startswith("-"):
                hyve.make_context("hyve", list(words))
            else:
                _, command, rest = hyve.resolve_command(group, list(words))
                assert command is not None
                command.make_context(words[0], rest, parent=group)
    except click.exceptions.Exit:
        return None  # --help and --version end at once
    except click.ClickException as error:
        return error
    return None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_line_can_be_typed(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # --profile begins its file at once
    wrong = {" ".join(words): error.format_message() for words in _typed(page) if (error := _problem(words))}
    for words in _named(page):
        error = _problem(words)
        is_cut_short = isinstance(error, click.MissingParameter | click.BadOptionUsage)
        if error is not None and not is_cut_short:
            wrong[" ".join(words)] = error.format_message()
    assert wrong == {}


def test_command_lines_are_found() -> None:
    found = [tuple(words) for page in PAGES for words in [*_typed(page), *_named(page)]]
    assert len(found) > 100
    assert {words[0] for words in found} >= set(COMMANDS)
    assert ("sync", "--json") in found


def test_every_command_and_option_is_on_the_page_of_commands() -> None:
    text = COMMANDS_PAGE.read_text(encoding="utf-8")
    missing: set[str] = set()
    for name in COMMANDS:
        if f"`{name}`" not in text:
            missing.add(name)
        command = hyve.get_command(_group(), name)
        assert command is not None
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        missing |= {f"{name} {option}" for option in options if not re.search(rf"[` ]{option}\b", text)}
    assert missing == set()


def _is_settings(text: str) -> bool:
    return re.match(r"\[sync\.|\[home\]|\w+ = ", text.lstrip()) is not None


_SETTINGS = [
    pytest.param(block.text, id=f"{name_of(page)}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page))
    if block.language == "toml" or (not block.language and _is_settings(block.text))
]


def _completed(text: str) -> str:
    """A page's settings as a whole file: options alone get their table, and a sync its two sides."""
    if not text.lstrip().startswith("["):
        text = "[sync.images.options]\n" + text
    sides = (side for side in ("source", "store") if f"[sync.images.{side}]" not in text)
    return text + "".join(f'\n[sync.images.{side}]\nbucket = "hyve-{side}"\n' for side in sides)


@pytest.mark.parametrize("text", _SETTINGS)
def test_every_example_of_settings_loads(text: str, tmp_path: Path) -> None:
    file = tmp_path / "hyve.toml"
    file.write_text(_completed(text))
    (sync,) = load_settings(file).sync.values()
    assert tomllib.loads(text)
    assert sync.name == "images"


def test_examples_of_settings_are_found() -> None:
    pages = {str(parameter.id).rpartition("-")[0] for parameter in _SETTINGS}
    assert pages >= {"README.md", "docs/configuration.md", "docs/copies.md", "docs/cookbook.md"}


def _default(field: FieldInfo) -> object:
    return field.get_default(call_default_factory=True)


def _is_default(shown: str, value: object) -> bool:
    """Whether a table's cell says a setting's default; where there is none, words say what then happens."""
    plain = shown.split(":")[0].strip("`")
    if value is None:
        return "`" not in shown and plain != ""
    if isinstance(value, bool):
        return plain == str(value).lower()
    if isinstance(value, int):
        text = plain.strip('"')
        return text.replace(",", "") == str(value) or value in (_read(parse_size, text), _read(parse_duration, text))
    if isinstance(value, Limit):
        return plain.strip('"') == str(value)
    if isinstance(value, (tuple, dict)):
        return plain == ("{}" if isinstance(value, dict) else "[]")
    if isinstance(value, BaseModel):
        return plain == "all defaults"
    return plain == f'"{value}"'


def _read(parse: Callable[[str], int], text: str) -> int | None:
    try:
        return parse(text)
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("heading", "model", "elsewhere"),
    [
        ("`[sync.NAME]`", SyncSettings, {"name"}),
        ("`[home]`", HomeSettings, set[str]()),
        ("`[sync.NAME.source]` and `[sync.NAME.store]`", BucketSettings, {"resource"}),
        ("`[sync.NAME.options]`", Options, set[str]()),
        ("`[sync.NAME.automation]`", Automation, set[str]()),
        ("`[sync.NAME.batch]`", BatchSettings, set[str]()),
        ("`[sync.NAME.events]`", EventSettings, set[str]()),
    ],
)
def test_the_tables_have_every_setting_and_its_default(
    heading: str, model: type[BaseModel], elsewhere: set[str]
) -> None:
    rows = {row[0].strip("`"): row[2] for row in tables(CONFIGURATION, heading) if len(row) == 4 and row[0] != "key"}
    fields = {name: field for name, field in model.model_fields.items() if name not in elsewhere}
    assert list(rows) == list(fields)
    needed = {name for name, field in fields.items() if field.is_required()}
    assert {name for name, shown in rows.items() if shown == "needed"} == needed
    wrong = {
        name: shown
        for name, shown in rows.items()
        if name not in needed and not _is_default(shown, _default(fields[name]))
    }
    # Of an endpoint the table refers to the text: the environment and the profile come first.
    assert wrong == {}


_SIDES = '[sync.images.source]\nbucket = "hyve-source"\n[sync.images.store]\nbucket = "hyve-store"\n'

# In the order of the page, what each of its messages is about.
_MISTAKES = [
    None,
    "[sync.images\n",
    _SIDES.replace("bucket =", 'buckett = "a"\nregio = "b"\nbucket =', 1),
    '[sync.images]\nregion = "eu-central-1"\n' + _SIDES,
    _SIDES.replace('"hyve-source"', '"my.pictures"\naccelerate = true'),
    _SIDES + 'endpoint_url = "http://127.0.0.1:9000"\ndual_stack = true\n',
    '[sync.images.source]\nbucket = "hyve-source"\n',
    _SIDES.replace('"hyve-source"', '"hyve-store"\nprefix = "a"'),
    _SIDES + '[sync.images.options]\ntrash = "s3://hyve-store/trash/"\n',
    _SIDES + '[sync.images.options]\nmax_deletes = "200%"\n',
    _SIDES + '[sync.images.options]\nconcurrency = "many"\n',
    _SIDES + '[sync.images.options]\ninclude = "*.jpg"\n',
    '[sync.images]\nschedule = "0 2 * *"\n' + _SIDES,
    _SIDES.replace('"hyve-source"\n', '"hyve-source"\nprofile = "hyv"\n'),
    _SIDES + _SIDES.replace("images", "videos"),
]


def _shown_mistakes() -> list[str]:
    lines = [line for block in blocks(CONFIGURATION) for line in block.text.split("\n")]
    return [line for line in lines if line.startswith("hyve: ")]


@pytest.mark.parametrize(("number", "text"), list(enumerate(_MISTAKES)))
def test_every_mistake_is_said_as_the_page_shows(
    number: int, text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = _shown_mistakes()
    assert len(shown) == len(_MISTAKES)
    for name, file in (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config")):
        (tmp_path / file).write_text("[hyve]\naws_access_key_id = A\naws_secret_access_key = B\n" * (file != "config"))
        monkeypatch.setenv(name, str(tmp_path / file))
    home = Home(tmp_path / "home")
    home.path.mkdir()
    if text is not None:
        home.settings_file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        SyncContext.choose(home, None)
    said = f"hyve: {caught.value}".replace(str(home.settings_file), "FILE").replace(str(tmp_path), "/home/me/.aws")
    assert said == shown[number].replace("/home/me/.hyve/hyve.toml", "FILE").replace("…/hyve.toml", "FILE")


@pytest.mark.parametrize(
    ("heading", "schema"),
    [
        ("# Inventory", INVENTORY_SCHEMA),
        ("# Changes: diffs and plans", CHANGE_SCHEMA),
        ("# Journal", JOURNAL_SCHEMA),
        ("# Differences: verifications", DIFFERENCE_SCHEMA),
        ("# Proved contents: verifications", PROVED_SCHEMA),
    ],
)
def test_the_tables_of_columns_are_the_schemas(heading: str, schema: pa.Schema) -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    section = text.partition(f"##{heading}\n")[2].partition("\n#")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == schema.names


def _run_configurations() -> list[Any]:
    """The documents in the block of run configurations, each below a comment that names its job."""
    (block,) = [
        block.text for block in blocks(ROOT / "docs" / "dagster.md") if block.text.startswith("# images_dryrun")
    ]
    return re.findall(r"^# (?:images_(\w+)|and)\b.*\n(ops: .*)$", block, re.MULTILINE)


def test_run_configurations_are_those_of_their_jobs(tmp_path: Path) -> None:
    import dagster as dg

    from hyve_pipeline.orchestration.definitions.build import load_definitions

    home = Home(tmp_path)
    home.settings_file.write_text(_SIDES)
    select_sync(load_settings(home.settings_file), None, home.settings_file)
    definitions = load_definitions(home)
    found = _run_configurations()
    assert len(found) == 7
    job = ""
    for name, text in found:
        job = name or job
        dg.validate_run_config(definitions.resolve_job_def(f"images_{job}"), yaml.safe_load(text))


# Words that are not those of S3, Dagster or plain technical English, and what some of them would say too vaguely.
_AVOIDED = re.compile(
    r"\btold\b|whoever|whomever|can be had|a person's word|coming too fast|how manyth|"
    r"(?:goes|go|gone) on with|(?:held|holds?) \S+ ?\S* ?against|between two looks|each look\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_are_in_plain_technical_english(page: Path) -> None:
    assert _AVOIDED.findall(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_in_plain_technical_english(name: str) -> None:
    context = _group()
    command = hyve.get_command(context, name)
    assert command is not None
    text = command.get_help(click.Context(command, info_name=name, parent=context))
    assert _AVOIDED.findall(text + COMMANDS[name][1]) == []
