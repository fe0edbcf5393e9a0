"""What may stand below ``attributes`` in a `defs.yaml`, as JSON Schema: for ``dg check yaml``, editors and the UI.

Fields, types and bounds come from the settings, their descriptions from the settings' docstrings. What the settings
check in Python is said here by patterns, as far as patterns can say it.
"""

import inspect
import re
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from hyve_pipeline.core.settings.limits import Limit
from hyve_pipeline.core.settings.model import Automation, BucketSettings, Options, SyncSettings

Schema = dict[str, Any]

# The fields that are mappings of their own.
MODELS: dict[str, type[BaseModel]] = {
    "source": BucketSettings,
    "store": BucketSettings,
    "options": Options,
    "automation": Automation,
}

# Dagster fills these in when it loads the component, with anything.
_TEMPLATE: Schema = {"type": "string", "pattern": r"\{\{"}

_LIMIT: Schema = {
    "type": ["integer", "string"],
    "minimum": 0,
    "pattern": r"^\s*([0-9]{1,18}|(100(\.0{1,9})?|0?[0-9]{1,2}(\.[0-9]{1,9})?)\s*%)\s*$",
    "examples": ["10%", 500],
}
_SIZE: Schema = {
    "type": ["integer", "string"],
    "pattern": r"^\s*[0-9]{1,18}(\.[0-9]{1,18})?\s*([kmgtpKMGTP][iI]?)?[bB]?\s*$",
    "examples": ["100 GiB", 1_000_000],
}
_NICKNAMES = "hourly|daily|midnight|weekly|monthly|yearly|annually"

# What is to be added to what the settings' types say of a field, by its name.
_RULES: dict[str, Schema] = {
    "name": {"pattern": "^[A-Za-z][A-Za-z0-9_]{0,62}$", "examples": ["images"]},
    "home": {"minLength": 1, "examples": ["/var/lib/hyve"]},
    "bucket": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$", "examples": ["hyve-rootwork"]},
    "prefix": {"examples": ["images/"]},
    "profile": {"minLength": 1, "examples": ["hyve"]},
    "region": {"pattern": "^[A-Za-z0-9][A-Za-z0-9-]*$", "examples": ["eu-central-1"]},
    "endpoint_url": {"pattern": "^https?://[^/?#@ ]+/?$", "examples": ["https://s3.example.org:9000"]},
    "resource": {"pattern": "^[A-Za-z][A-Za-z0-9_]*$", "examples": ["s3"]},
    "requester_pays": {"examples": [True]},
    "accelerate": {"examples": [True]},
    "dual_stack": {"examples": [True]},
    "addressing_style": {"examples": ["virtual"]},
    "compare": {"examples": ["etag"]},
    "compare_properties": {"examples": [True]},
    "include": {"examples": [["*.jpg", "albums/*"]]},
    "exclude": {"examples": [["tmp/*"]]},
    "max_deletes": _LIMIT
    | {
        "description": "More deletes than this are refused: a number, or a share of the store's objects, which is "
        "judged above 100 deletes."
    },
    "max_overwrites": _LIMIT,
    "trash": {"pattern": "^s3://[^/]+(/.*)?$", "examples": ["s3://hyve-trash/images/"]},
    "shard_objects": {"examples": [10_000]},
    "shard_bytes": _SIZE,
    "concurrency": {"examples": [64]},
    "processes": {"examples": [2]},
    "listing_concurrency": {"examples": [32]},
    "patience_seconds": {"examples": [300]},
    "transport": {"examples": ["auto"]},
    "multipart_threshold": _SIZE | {"examples": ["1 GiB"]},
    "multipart_part_size": _SIZE | {"examples": ["256 MiB"]},
    "transfer": {"examples": ["stream"]},
    "stream_memory": _SIZE | {"examples": ["1 GiB"]},
    "keep_parts": {"examples": [False]},
    "website_redirects": {"examples": [True]},
    "acl": {"examples": ["bucket-owner-full-control"]},
    "object_tags": {"examples": ["skip"]},
    "storage_class": {"pattern": "^(source|default|[A-Z][A-Z0-9_-]{0,63})$", "examples": ["default", "STANDARD_IA"]},
    "encryption": {"examples": ["aws:kms"]},
    "kms_key_id": {"pattern": "^[A-Za-z0-9:/_.-]{1,2048}$", "examples": ["alias/hyve"]},
    "bucket_key": {"examples": [True]},
    "schedule": {"pattern": rf"^(@({_NICKNAMES})|\s*\S+(\s+\S+){{4}}\s*)$", "examples": ["0 2 * * *", "@daily"]},
    "timezone": {"minLength": 1, "examples": ["Europe/Berlin"]},
    "apply": {"examples": ["copies"]},
    "running": {"examples": [True]},
    "interval_seconds": {"examples": [60]},
    "runs": {"examples": [4]},
    "shard_attempts": {"examples": [5]},
    "retry_seconds": {"examples": [60]},
    "stalled_minutes": {"examples": [30]},
    "webhook": {"pattern": "^https?://[^@ ]+$", "examples": ["https://alerts.example.org/hyve"]},
    "webhook_variable": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "examples": ["HYVE_WEBHOOK"]},
    "keep_plans": {"examples": [30]},
    "keep_days": {"examples": [90]},
    "owners": {"examples": [["team:archive", "me@example.org"]]},
    "automation": {"description": "What goes on without a person, and how."},
    "tags": {"description": "Tags of the sync's assets, as Dagster shows them.", "examples": [{"domain": "images"}]},
}
_ITEMS: dict[str, Schema] = {
    "include": {"type": "string", "minLength": 1},
    "exclude": {"type": "string", "minLength": 1},
    "owners": {"type": "string", "pattern": r"^(team:\S+|[^@\s]+@[^@\s]+\.[^@\s]+)$"},
}


# How pydantic calls the bounds of a number that may be written as text.
_BOUNDS: dict[str, str] = {"ge": "minimum", "le": "maximum"}


class _Generator(GenerateJsonSchema):
    """Knows the type that is checked in Python alone: limits, which `_RULES` describes."""

    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> Schema:
        return {}

    def encode_default(self, dft: Any) -> Any:
        return str(dft) if isinstance(dft, Limit) else super().encode_default(dft)


@cache
def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What the docstring of a model says of its fields."""
    _, _, section = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")
    entries = re.split(r"^    (?=\S)", section, flags=re.MULTILINE)
    pairs = (" ".join(entry.split()).partition(": ") for entry in entries if entry.strip())
    return {name: re.sub(r"\bNone\b", "null", text[0].upper() + text[1:]).replace("``", "`") for name, _, text in pairs}


def attributes_schema(model: type[BaseModel]) -> Schema:
    """The schema of the attributes of the component.

    Args:
        model: the component; each of its fields is described in its docstring or in that of `SyncSettings`.
    """
    return _mapping(model, descriptions(SyncSettings) | descriptions(model))


def _mapping(model: type[BaseModel], described: dict[str, str]) -> Schema:
    written = model.model_json_schema(schema_generator=_Generator)["properties"]
    properties = {}
    for name in model.model_fields:
        inner = MODELS.get(name)
        own = _value(name, written[name]) if inner is None else _mapping(inner, descriptions(inner))
        description = _RULES.get(name, {}).get("description", described[name])
        properties[name] = own | {"title": name, "description": description}
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _value(name: str, written: Schema) -> Schema:
    """The schema of one value: a template, or what the settings want."""
    rules = _RULES.get(name, {})
    alternatives: list[Schema] = written.get("anyOf", [written])
    wanted: Schema = {}
    for option in reversed(alternatives):
        for key, value in option.items():
            wanted[_BOUNDS.get(key, key)] = value
    wanted |= rules
    types = [wanted["type"]] if isinstance(wanted["type"], str) else list(wanted["type"])
    if {"type": "null"} in alternatives:
        types.append("null")
        if "enum" in wanted:
            wanted["enum"] = [*wanted["enum"], None]
    wanted["type"] = types if len(types) > 1 else types[0]
    if name in _ITEMS:
        wanted["items"] = _or_template(_ITEMS[name])
    for needless in ("title", "default", "description", "examples", "propertyNames"):
        wanted.pop(needless, None)
    about: Schema = {"examples": rules.get("examples", [])}
    if written.get("default") is not None:
        about["default"] = written["default"]
    return _or_template(wanted) | about


def _or_template(wanted: Schema) -> Schema:
    """Not `anyOf`: a failure of that says neither what is wrong nor what is wanted."""
    if "enum" in wanted:
        return {"if": _TEMPLATE, "else": {"enum": wanted["enum"]}}
    if "string" not in wanted["type"]:
        return {"if": _TEMPLATE, "else": wanted}
    # For both alike, and said once: two failures would be told twice.
    return {"type": wanted["type"], "if": _TEMPLATE, "else": {key: wanted[key] for key in wanted if key != "type"}}
