"""The text of a sync that is new in ``hyve.toml``: what is set, and as comments what else many want."""

from collections.abc import Mapping

import tomlkit

from hyve_pipeline.core.settings.hints import (
    OPTION_HINTS,
    PLACE_HINTS,
    SOURCE_TEXT,
    STORE_TEXT,
    SYNC_HINTS,
    Hint,
    commented,
)
from hyve_pipeline.core.settings.places import BucketSettings

# The file beside hyve.toml that its first line names, for editors.
SCHEMA_FILE = "hyve.schema.json"

HEAD = f"""\
#:schema ./{SCHEMA_FILE}
# `hyve config` shows what is in force and where it is from; `hyve config check` finds mistakes.
"""


def sync_text(name: str, values: Mapping[str, object], places: Mapping[str, BucketSettings]) -> str:
    """The tables of a sync.

    Args:
        name: the sync's name.
        values: what is set of the sync, and of its ``options`` as a mapping, as TOML writes them.
        places: source and store.
    """
    options = values.get("options")
    own = {key: value for key, value in values.items() if key != "options"}
    source, store = ({**places[side].model_dump(exclude_defaults=True)} for side in ("source", "store"))
    blocks = [
        _table(f"sync.{name}", own, SYNC_HINTS),
        f"# {SOURCE_TEXT}\n{_table(f'sync.{name}.source', source, PLACE_HINTS)}",
        f"# {STORE_TEXT}\n{_table(f'sync.{name}.store', store, PLACE_HINTS)}",
        _table(f"sync.{name}.options", options if isinstance(options, Mapping) else {}, OPTION_HINTS),
    ]
    return "\n".join(blocks)


def _table(path: str, values: Mapping[str, object], hints: tuple[Hint, ...]) -> str:
    lines = [f"[{path}]", *(f"{key} = {_toml(value)}" for key, value in values.items() if value is not None)]
    return "\n".join([*lines, *commented(hints, " = ", values)]) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update({key: inner for key, inner in value.items() if inner is not None})
        return table.as_string()
    return tomlkit.item(value).as_string()
