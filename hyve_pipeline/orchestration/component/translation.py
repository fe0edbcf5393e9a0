"""The attribute `translation` of the component: from the file, or a function, to the specs of assets."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
from dagster.components.resolved.core_models import AssetAttributesModel
from dagster.components.utils.translation import TranslatorResolvingInfo

from hyve_pipeline.orchestration.common.steps import SyncAsset

# Gives an asset of the sync its spec; the first argument is the default one.
Translation = Callable[[dg.AssetSpec, SyncAsset], dg.AssetSpec]


def translation_of(context: dg.ResolutionContext, attributes: str | Mapping[str, Any]) -> Translation:
    """The translation that a file describes. In its templates are `spec`, `name` (of the asset) and `sync`.

    Args:
        context: of the attributes of the component.
        attributes: the attributes of assets, or a template that has them as its value.

    Raises:
        pydantic.ValidationError: they are not attributes of assets.
    """
    parsed = attributes if isinstance(attributes, str) else AssetAttributesModel.model_validate(attributes)
    info = TranslatorResolvingInfo(parsed, context, model_key="translation")
    return lambda spec, asset: info.get_asset_spec(spec, {"spec": spec, "name": asset.name, "sync": asset.sync})


def translation_schema() -> dict[str, Any]:
    """The JSON Schema of a translation: that of Dagster's, without the partitions, which are those of the sync."""
    written = AssetAttributesModel.model_json_schema()
    properties = {name: schema for name, schema in written["properties"].items() if name != "partitions_def"}
    for name, schema in properties.items():
        schema["title"] = name
        if schema.get("default") is None or not isinstance(schema["default"], dict | list | bool):
            schema.pop("default", None)
    return {"type": ["object", "string", "null"], "properties": properties, "additionalProperties": False}
