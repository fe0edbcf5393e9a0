"""Mistakes of a configuration, each one line that names table and key and says what is expected.

Text from the configuration is escaped by `repr` or `displayed`, so that no character can control a terminal.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.suggestions import closest, hint_for
from hyve_pipeline.core.settings.batch import BatchSettings
from hyve_pipeline.core.settings.events import EventSettings
from hyve_pipeline.core.settings.filter import FilterSettings
from hyve_pipeline.core.settings.home import HomeSettings
from hyve_pipeline.core.settings.mapping import InverseRule, MappingRule
from hyve_pipeline.core.settings.model import Automation, SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.core.settings.restore import RestoreSettings

Models = Mapping[tuple[str, ...], type[BaseModel]]

# The tables of [sync.NAME], by the path below it, and [home].
_SYNC_MODELS: Models = {
    (): SyncSettings,
    ("source",): BucketSettings,
    ("store",): BucketSettings,
    ("options",): Options,
    ("options", "restore"): RestoreSettings,
    ("options", "filter"): FilterSettings,
    ("automation",): Automation,
    ("batch",): BatchSettings,
    ("events",): EventSettings,
    ("mapping",): MappingRule,
    ("mapping", "inverse"): InverseRule,
}
_HOME_MODELS: Models = {(): HomeSettings}
# A sync's name is the name of its table, and only a component of a Dagster project can name a resource.
_NOT_IN_TOML = ((SyncSettings, "name"), (BucketSettings, "resource"))
HOME_TABLE = ("home",)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# The words in pydantic's "'a', 'b' or 'c'".
_QUOTED = re.compile(r"'([^']*)'")
_WANTED_TYPES = {
    "string_type": "must be a string in quotes",
    "int_type": "must be a whole number",
    "tuple_type": "must be a list of strings in brackets, such as ['*.jpg']",
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "model_type": "must be a table",
}


@dataclass(frozen=True)
class Mistake:
    """One mistake of a configuration.

    Attributes:
        table: the path of the table, such as ``("sync", "images", "source")``; empty for the top.
        key: the key in that table; None when the table itself is wrong.
        problem: what is wrong with it and what is expected.
        meant: for an unknown key, the closest known one.
    """

    table: tuple[str, ...]
    key: str | None
    problem: str
    meant: str | None = None

    def __str__(self) -> str:
        place = [f"[{_dotted(self.table)}]"] if self.table else []
        place += [_shown_key(self.key)] if self.key is not None else []
        return f"{' '.join(place)}: {self.problem}"

    def position(self, document: Mapping[str, Any]) -> tuple[int, ...]:
        """The sort key of mistakes in the order of the file; missing keys come last."""
        numbers = []
        value: object = document
        for name in (*self.table, *([] if self.key is None else [self.key])):
            names = list(value) if isinstance(value, Mapping) else []
            numbers.append(names.index(name) if name in names else len(names))
            value = value.get(name) if isinstance(value, Mapping) else None
        return tuple(numbers)


def from_pydantic(table: tuple[str, ...], errors: Iterable[ErrorDetails]) -> list[Mistake]:
    """The mistakes that pydantic found in the table ``[sync.NAME]`` or ``[home]``, which `table` is the path of."""
    models = _HOME_MODELS if table == HOME_TABLE else _SYNC_MODELS
    mistakes = [_mistake(table, models, error) for error in errors]
    # A misspelt required key is one mistake, not an unknown key and a missing one.
    meant = {(mistake.table, mistake.meant) for mistake in mistakes if mistake.meant}
    return [mistake for mistake in mistakes if (mistake.table, mistake.key) not in meant]


def unknown_key(table: tuple[str, ...], key: str, known: Sequence[str], hint: str = "") -> Mistake:
    """The mistake of an unknown key, with the known keys and the closest one."""
    meant = closest(key, known)
    end = hint_for(key, known) or hint
    return Mistake(table, key, f"unknown key (known: {', '.join(known)}{end})", meant)


def shown_value(value: object) -> str:
    """A value of a TOML file with its type, for messages."""
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the string {value!r}"
    if isinstance(value, Mapping):
        return "a table"
    return "a list" if isinstance(value, list | tuple) else "a date or time"


def _mistake(base: tuple[str, ...], models: Models, error: ErrorDetails) -> Mistake:
    context = error.get("ctx", {})
    path = [str(part) for part in error["loc"] if not isinstance(part, int)]
    items = "".join(f"[{part}]" for part in error["loc"] if isinstance(part, int))
    if error["type"] in ("overlap", "contradiction"):
        path += context["setting"].split(".")
    table, key = (*base, *path[:-1]), path[-1] if path else None
    if error["type"] == "extra_forbidden" and key is not None:
        return _unknown_setting(base, models, table, key)
    problem = problem_of(error, _WANTED_TYPES)
    if error["type"] == "missing" and (key,) in models:
        problem = f"is missing: add a table [{_dotted((*table, str(key)))}] with at least a bucket"
    elif error["type"] == "tuple_type" and (key,) in models:
        begun = f"[[{_dotted((*table, str(key)))}]]"
        problem = f"must be a list of tables, each begun by {begun}, not {shown_value(error['input'])}"
    return Mistake(table, key, f"item {items} {problem}" if items else problem)


def problem_of(error: ErrorDetails, wanted_types: Mapping[str, str]) -> str:
    """What is wrong with one value, and what is expected.

    Args:
        error: pydantic's error.
        wanted_types: the expected type by pydantic's name of the error, in the terms of the file's format.
    """
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        meant = hint_for(value, _QUOTED.findall(context["expected"])) if isinstance(value, str) else ""
        return f"must be {context['expected']}, not {shown_value(value)}{meant}"
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']}, not {value}"
    if kind == "less_than_equal":
        return f"must be at most {context['le']}, not {value}"
    if kind in wanted_types:
        return f"{wanted_types[kind]}, not {shown_value(value)}"
    return displayed(error["msg"])


def _unknown_setting(base: tuple[str, ...], models: Models, table: tuple[str, ...], key: str) -> Mistake:
    known = settings_names(models[table[len(base) :]])
    homes = [path for path, model in models.items() if key in settings_names(model)]
    tables = " or ".join(f"[{_dotted((*base, *home))}]" for home in homes)
    hint = f"; it belongs in {tables}" if homes else ""
    return unknown_key(table, key, known, hint)


def settings_names(model: type[BaseModel]) -> list[str]:
    """The keys that a table of ``hyve.toml`` may have, in their order."""
    return [field for field in model.model_fields if (model, field) not in _NOT_IN_TOML]


def _dotted(path: Iterable[str]) -> str:
    return ".".join(_shown_key(part) for part in path)


def _shown_key(key: str) -> str:
    """A key as TOML writes it. JSON's quotes and escapes are also valid TOML."""
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=not key.isprintable())
