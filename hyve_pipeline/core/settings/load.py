"""Reads ``hyve.toml``. Every mistake in it is one line that names the file, the table and the key."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.keys import displayed, shortened
from hyve_pipeline.core.base.suggestions import hint_for
from hyve_pipeline.core.runtime.named_files import read_named
from hyve_pipeline.core.settings.fields import SYNC_NAME_RULE, is_sync_name
from hyve_pipeline.core.settings.home import HomeSettings
from hyve_pipeline.core.settings.mistakes import HOME_TABLE, Mistake, from_pydantic, shown_value, unknown_key
from hyve_pipeline.core.settings.model import Settings, SyncSettings

_TOML_PLACE = re.compile(
    r"(?P<problem>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL
)
_NO_RESOURCE = "only the component BucketSync, in a Dagster project, can name a resource: name a profile instead"


def load_settings(path: Path) -> Settings:
    """Read and check the configuration.

    Raises:
        ConfigurationError: the file is missing or can't be read, is not valid TOML, or has mistakes; the message
            has the first of them and the number of the others.
    """
    return parse_settings(read_text(path), path)


def read_text(path: Path) -> str:
    """The text of the configuration file.

    Raises:
        ConfigurationError: it is missing, can't be read, or is not UTF-8.
    """
    try:
        # Some editors write a byte order mark, which TOML does not allow.
        return read_named(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise _error(path, "is missing; `hyve configure` writes it") from None
    except OSError as error:
        raise _error(path, f"can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _error(path, f"line {line}: is not UTF-8") from None


def parse_settings(text: str, path: Path) -> Settings:
    """Check the text of a configuration.

    Args:
        text: the text of the whole file.
        path: the file's name for messages.

    Raises:
        ConfigurationError: it is not valid TOML or has mistakes.
    """
    document = parse_toml(text, path)
    settings, mistakes = find_mistakes(document)
    if mistakes:
        raise _error(path, _first_of(mistakes, document))
    return settings


def find_mistakes(document: Mapping[str, Any]) -> tuple[Settings, list[Mistake]]:
    """What of a configuration is right, and all that is wrong with the rest, in the order of the file.

    Args:
        document: its tables, as `parse_toml` gives them.
    """
    syncs: dict[str, SyncSettings] = {}
    known = ["sync", "home"]
    mistakes = [unknown_key((), key, known) for key in document if key not in known]
    home = _parse_home(document.get("home", {}))
    if not isinstance(home, HomeSettings):
        mistakes += home
        home = HomeSettings()
    tables = document.get("sync", {})
    if not isinstance(tables, Mapping):
        mistakes.append(Mistake((), "sync", f"must be tables [sync.NAME], not {shown_value(tables)}"))
        tables = {}
    for name, table in tables.items():
        found = parse_sync(name, table)
        if isinstance(found, SyncSettings):
            syncs[name] = found
        else:
            mistakes += found
    mistakes.sort(key=lambda mistake: mistake.position(document))
    return Settings(sync=syncs, home=home), mistakes


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        ConfigurationError: it is not valid TOML; the message has line and column.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _error(path, "is nested too deeply") from None
    except ValueError as error:
        problem = str(error)
    place = _TOML_PLACE.fullmatch(problem)
    if place is None:
        raise _error(path, f"is not valid TOML: {problem}")
    # For a file that ends too early the parser gives no line: the last one is named.
    line = place["line"] or max(1, len(text.rstrip("\n").split("\n")))
    column = f", column {place['column']}" if place["column"] else ""
    raise _error(path, f"line {line}{column}: is not valid TOML: {place['problem']}")


def select_sync(settings: Settings, name: str | None, path: Path) -> SyncSettings:
    """The sync that a command works on; `name` is required only when there are several.

    Args:
        settings: the whole configuration.
        name: the value of ``--sync``, or None.
        path: the configuration file's name for messages.

    Raises:
        ConfigurationError: there is no sync, there are several and no name, or the name is unknown.
    """
    names = ", ".join(settings.sync)
    if not settings.sync:
        raise _error(path, "has no sync yet; `hyve configure` adds one")
    if name is None:
        if len(settings.sync) > 1:
            raise _error(path, f"has several syncs, choose one by --sync: {names}")
        return next(iter(settings.sync.values()))
    if name not in settings.sync:
        raise _error(path, f"has no sync {shortened(name)} (known: {names}{hint_for(name, settings.sync)})")
    return settings.sync[name]


def _parse_home(table: object) -> HomeSettings | list[Mistake]:
    if not isinstance(table, Mapping):
        return [Mistake((), "home", f"must be a table [home], not {shown_value(table)}")]
    try:
        return HomeSettings.model_validate(dict(table))
    except ValidationError as error:
        return from_pydantic(HOME_TABLE, error.errors(include_url=False))


def parse_sync(name: str, table: object) -> SyncSettings | list[Mistake]:
    """The sync of a table ``[sync.NAME]``, or all mistakes in it."""
    if not is_sync_name(name):
        return [Mistake(("sync", name), None, f"{name!r} is not a sync name: {SYNC_NAME_RULE}")]
    if not isinstance(table, Mapping):
        return [Mistake(("sync",), name, f"must be a table [sync.{name}], not {shown_value(table)}")]
    if "name" in table:
        # The model has this field; the table must not, as it could contradict the table's own name.
        others = parse_sync(name, {key: value for key, value in table.items() if key != "name"})
        mistake = Mistake(("sync", name), "name", "unknown key: the name of the table is the sync's name")
        return [mistake, *(others if isinstance(others, list) else [])]
    try:
        sync = SyncSettings.model_validate({"name": name, **table})
    except ValidationError as error:
        return from_pydantic(("sync", name), error.errors(include_url=False))
    borrowing = [side for side in ("source", "store") if "resource" in getattr(sync, side).model_fields_set]
    return [Mistake(("sync", name, side), "resource", _NO_RESOURCE) for side in borrowing] or sync


def _first_of(mistakes: list[Mistake], document: Mapping[str, Any]) -> str:
    first = min(mistakes, key=lambda mistake: mistake.position(document))
    more = len(mistakes) - 1
    others = f"{counted(more, 'more mistake')}, 'hyve config check' says all"
    return f"{first} (and {others})" if more else str(first)


def _error(path: Path, problem: str) -> ConfigurationError:
    # Hyve's own parts of the problem are safe for terminals already; those of the TOML parser are escaped here.
    return ConfigurationError(f"{displayed(str(path))}: {problem if problem.isprintable() else displayed(problem)}")
