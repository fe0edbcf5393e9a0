"""Writes one sync into ``hyve.toml`` and keeps everything else in the file, including comments."""

import tomllib
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import BaseModel, ValidationError
from tomlkit.exceptions import TOMLKitError

from hyve_pipeline.core.base.errors import ConfigurationError, naming_file
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.runtime.atomic_write import make_folder, replace_file
from hyve_pipeline.core.settings.load import parse_settings, parse_toml, read_text
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.new_sync import HEAD, sync_text
from hyve_pipeline.core.settings.options import Options

Table = MutableMapping[str, Any]


def write_sync(path: Path, sync: SyncSettings) -> None:
    """Add a sync to the configuration, or change it there.

    A new sync comes at the end, with comments on what else can be set. Of one that the file has, the tables of source
    and store are replaced by those of `sync`. Of its options, schedule and other settings, those that were set when
    `sync` was made are written; others in the file are kept. The new file is checked before it replaces the old one.

    Args:
        path: the configuration file; it and its folder are created if missing.
        sync: the sync.

    Raises:
        ConfigurationError: the file can't be read or written, is not valid TOML, would have mistakes, or has
            a layout that can't be changed automatically. It is unchanged then.
    """
    text = read_text(path) if path.exists() else ""
    wanted = parse_toml(text, path)
    new_text = _with_new(text, wanted, sync)
    if new_text is None:
        options = _changed_options(wanted, sync)
        _put_sync(wanted, sync, options, dict)
        new_text = _with_changed(text, wanted, sync, options)
    if new_text is None:
        raise ConfigurationError(
            f"{displayed(str(path))}: [sync.{sync.name}]: has a layout that can't be changed "
            f"automatically: write it as tables [sync.{sync.name}.source] and [sync.{sync.name}.store]"
        )
    parse_settings(new_text, path)
    with naming_file(path, "written"):
        make_folder(path.parent)
        replace_file(path, new_text.encode())


def _with_new(text: str, document: Mapping[str, Any], sync: SyncSettings) -> str | None:
    """The text with the sync at its end; None where the file has it already, or can't have it there."""
    syncs = document.get("sync", {})
    if not isinstance(syncs, Mapping) or sync.name in syncs:
        return None
    places = {"source": sync.source, "store": sync.store}
    before = HEAD if not text.strip() else text if text.endswith("\n") else f"{text}\n"
    values = {**_set_values(sync), "options": _set_values(sync.options)}
    new_text = f"{before}\n{sync_text(sync.name, values, places)}"
    wanted = parse_toml(text, Path())
    _put_sync(wanted, sync, _set_values(sync.options), dict)
    # The new text has a table of options where all of them are comments.
    wanted["sync"][sync.name].setdefault("options", {})
    return new_text if _is(new_text, wanted) else None


def _with_changed(
    text: str, wanted: Mapping[str, Any], sync: SyncSettings, options: Mapping[str, object]
) -> str | None:
    """The text with the sync changed in its place; None where that is not possible."""
    try:
        document = tomlkit.parse(text)
        _put_sync(document, sync, options, tomlkit.table)
        new_text = tomlkit.dumps(document)
    except (TOMLKitError, ValueError, TypeError, KeyError):
        return None
    return new_text if _is(new_text, wanted) else None


def _is(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except ValueError:
        return False


def _put_sync(
    document: Table, sync: SyncSettings, options: Mapping[str, object], new_table: Callable[[], Table]
) -> None:
    """Put the sync into a document: one of `tomlkit`, or plain dicts to check that against."""
    table = _table(_table(document, "sync", new_table), sync.name, new_table)
    _put_values(table, _set_values(sync))
    for side, place in (("source", sync.source), ("store", sync.store)):
        values = place.model_dump(exclude_defaults=True)
        side_table = _table(table, side, new_table)
        for key in [key for key in side_table if key not in values]:
            del side_table[key]
        _put_values(side_table, values)
    if options:
        _put_values(_table(table, "options", new_table), options)


def _table(parent: Table, key: str, new_table: Callable[[], Table]) -> Table:
    if not isinstance(parent.get(key), Mapping):
        parent[key] = new_table()
    return parent[key]


def _put_values(table: Table, values: Mapping[str, object]) -> None:
    for key, value in values.items():
        if value is None:
            table.pop(key, None)
        elif table.get(key) != value:
            table[key] = value


def _set_values(model: BaseModel) -> dict[str, object]:
    """The values that were set when the model was made, as TOML writes them."""
    given = model.model_fields_set - {"name", "source", "store", "options"}
    return model.model_dump(mode="json", include=given)


def _changed_options(document: Mapping[str, Any], sync: SyncSettings) -> dict[str, object]:
    """The set options without those that have the same value in the file in another spelling, such as ``"1 GiB"``."""
    values = _set_values(sync.options)
    try:
        current = Options.model_validate(document["sync"][sync.name]["options"])
    except (ValidationError, KeyError, TypeError):
        return values
    same = {key for key in current.model_fields_set if getattr(current, key) == getattr(sync.options, key)}
    return {key: value for key, value in values.items() if key not in same}
