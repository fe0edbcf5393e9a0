"""The JSON Schema of ``attributes`` in a `defs.yaml`: for ``dg check yaml``, editors and the UI.

Fields, types, bounds, patterns, examples and descriptions come from the settings' models.
"""

from collections.abc import Collection
from typing import Any

from dagster.components.resolved.core_models import AssetAttributesModel
from pydantic import BaseModel

from hyve_pipeline.core.settings.events import EventSettings
from hyve_pipeline.core.settings.filter import FilterSettings
from hyve_pipeline.core.settings.json_schema import BOUNDS, Schema, SettingsSchema, one_line
from hyve_pipeline.core.settings.mapping import InverseRule, MappingRule
from hyve_pipeline.core.settings.model import Automation, SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.core.settings.restore import RestoreSettings
from hyve_pipeline.orchestration.common.steps import OpSettings

# The fields that are mappings of their own.
MODELS: dict[str, type[BaseModel]] = {
    "source": BucketSettings,
    "store": BucketSettings,
    "options": Options,
    "automation": Automation,
    "events": EventSettings,
    "op": OpSettings,
}

# Those with the mappings that are in one of them.
ALL_MODELS: dict[str, type[BaseModel]] = {
    **MODELS,
    "restore": RestoreSettings,
    "filter": FilterSettings,
    "mapping": MappingRule,
    "inverse": InverseRule,
}

# Those of them that a file has a list of, with an example.
_LISTS = {"mapping": [{"from": "raw/2025/", "to": "archive/2025/"}]}

# Dagster resolves these when it loads the component, to any value.
_TEMPLATE: Schema = {"type": "string", "pattern": r"\{\{"}


def attributes_schema(model: type[BaseModel], own: Collection[str]) -> Schema:
    """The schema of the attributes of the component.

    Args:
        model: the component or a subclass.
        own: the fields of the component. Another one, of a subclass, may have any value here: it is checked when the
            component is loaded.
    """
    return _mapping(model, own, {name: field.description for name, field in SyncSettings.model_fields.items()})


def _mapping(model: type[BaseModel], own: Collection[str], inherited: dict[str, str | None]) -> Schema:
    written = model.model_json_schema(schema_generator=SettingsSchema)["properties"]
    properties = {}
    for name, field in model.model_fields.items():
        inner = ALL_MODELS.get(name)
        if inner is not None:
            value = _mapping(inner, inner.model_fields, {})
            if name in _LISTS:
                value = _or_template({"type": "array", "items": value}) | {"examples": [_LISTS[name]]}
        elif name == "translation":
            value = _translation_schema()
        else:
            value = _value(written[name]) if name in own else {}
        description = one_line(field.description or inherited.get(name) or "")
        properties[name] = value | {"title": name, "description": description}
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _translation_schema() -> Schema:
    """The JSON Schema of a translation: that of Dagster's, without the partitions, which are those of the sync."""
    written = AssetAttributesModel.model_json_schema()
    properties = {name: schema for name, schema in written["properties"].items() if name != "partitions_def"}
    for name, schema in properties.items():
        schema["title"] = name
        if schema.get("default") is None or not isinstance(schema["default"], dict | list | bool):
            schema.pop("default", None)
    return {"type": ["object", "string", "null"], "properties": properties, "additionalProperties": False}


def _value(written: Schema) -> Schema:
    """The schema of one value: a template, or a value of the settings."""
    alternatives: list[Schema] = written.get("anyOf", [written])
    wanted: Schema = {}
    for option in reversed(alternatives):
        for key, value in option.items():
            wanted[BOUNDS.get(key, key)] = value
    about: Schema = {"examples": _examples(wanted)}
    if written.get("default") is not None:
        about["default"] = written["default"]
    types = [wanted["type"]] if isinstance(wanted["type"], str) else list(wanted["type"])
    if {"type": "null"} in alternatives:
        types.append("null")
        if "enum" in wanted:
            wanted["enum"] = [*wanted["enum"], None]
    wanted["type"] = types if len(types) > 1 else types[0]
    if "items" in wanted:
        wanted["items"] = _or_template({key: wanted["items"][key] for key in wanted["items"] if key != "examples"})
    for needless in ("title", "default", "description", "examples", "propertyNames"):
        wanted.pop(needless, None)
    return _or_template(wanted) | about


def _examples(wanted: Schema) -> list[Any]:
    """The examples of a type or of the items of a list, or self-explanatory values."""
    if "examples" in wanted:
        return wanted["examples"]
    if "items" in wanted:
        return [wanted["items"]["examples"]]
    if "enum" in wanted:
        return wanted["enum"][-1:]
    return [not wanted.get("default")] if wanted["type"] == "boolean" else [wanted.get("default") or wanted["maximum"]]


def _or_template(wanted: Schema) -> Schema:
    """Not `anyOf`: its messages say neither what is wrong nor what is required."""
    if "enum" in wanted:
        return {"if": _TEMPLATE, "else": {"enum": wanted["enum"]}}
    if "string" not in wanted["type"]:
        return {"if": _TEMPLATE, "else": wanted}
    # The type applies to both and is written once: otherwise a failure is reported twice.
    return {"type": wanted["type"], "if": _TEMPLATE, "else": {key: wanted[key] for key in wanted if key != "type"}}
