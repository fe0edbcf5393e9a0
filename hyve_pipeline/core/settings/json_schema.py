"""The JSON Schema of ``hyve.toml``, by which editors complete and check it.

Fields, types, bounds, patterns, examples and descriptions come from the settings' models.
"""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from hyve_pipeline.core.settings.batch import BatchSettings
from hyve_pipeline.core.settings.events import EventSettings
from hyve_pipeline.core.settings.filter import FilterSettings
from hyve_pipeline.core.settings.home import HomeSettings
from hyve_pipeline.core.settings.limits import Limit
from hyve_pipeline.core.settings.mapping import InverseRule, MappingRule
from hyve_pipeline.core.settings.mistakes import settings_names
from hyve_pipeline.core.settings.model import Automation, Settings, SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.core.settings.restore import RestoreSettings

Schema = dict[str, Any]

# The newest draft that editors of TOML know.
_DRAFT = "http://json-schema.org/draft-07/schema#"

_TABLES: tuple[type[BaseModel], ...] = (
    *(Settings, HomeSettings, SyncSettings, BucketSettings, Options, Automation, RestoreSettings, FilterSettings),
    BatchSettings,
    EventSettings,
    MappingRule,
    InverseRule,
)

# Pydantic's names for the bounds of a number that may be written as text.
BOUNDS = {"ge": "minimum", "le": "maximum"}


class SettingsSchema(GenerateJsonSchema):
    """Writes the defaults of limits in the form of the file."""

    def encode_default(self, dft: Any) -> Any:
        """A default as JSON."""
        return str(dft) if isinstance(dft, Limit) else super().encode_default(dft)


def settings_schema() -> Schema:
    """The schema of the whole file."""
    written = Settings.model_json_schema(schema_generator=SettingsSchema, ref_template="#/definitions/{model}")
    definitions = written.pop("$defs")
    models = {model.__name__: model for model in _TABLES}
    tables = {name: _table(models[name], schema) for name, schema in definitions.items()}
    whole = _table(Settings, written)
    sync = whole["properties"]["sync"]
    name = definitions["SyncSettings"]["properties"]["name"]
    whole["properties"]["sync"] = {
        "type": "object",
        "description": sync["description"],
        "propertyNames": {"pattern": name["pattern"]},
        "additionalProperties": sync["additionalProperties"],
    }
    return {"$schema": _DRAFT, "title": "hyve.toml", **whole, "definitions": tables}


def _table(model: type[BaseModel], written: Schema) -> Schema:
    names = settings_names(model)
    properties = {name: _value(written["properties"][name]) for name in names}
    required = [name for name in names if name in written.get("required", ())]
    summary = written["description"].partition("\n")[0].replace("``", "`")
    table = {"type": "object", "description": summary, "properties": properties, "additionalProperties": False}
    return table | ({"required": required} if required else {})


def _value(written: Schema) -> Schema:
    """The schema of one value, of which TOML has no null."""
    written = dict(written)
    about = {"description": one_line(written.pop("description"))}
    default = written.pop("default", None)
    written.pop("title", None)
    options = [option for option in written.pop("anyOf", []) if option != {"type": "null"}]
    for option in options:
        written |= option
    if "$ref" in written:
        # What stands beside a reference is not read in this draft.
        return {"allOf": [{"$ref": written["$ref"]}]} | about
    value = {BOUNDS.get(key, key): each for key, each in written.items() if key != "title"}
    return value | ({} if default is None else {"default": default}) | about


def one_line(text: str) -> str:
    """A description as the schemas have it."""
    return " ".join(text.split())
