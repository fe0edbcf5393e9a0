"""The attribute `translation` of the component: from the file, or a function, to the specs of assets."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
from dagster.components.resolved.core_models import AssetAttributesModel
from dagster.components.utils.translation import TranslatorResolvingInfo
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hyve_pipeline.orchestration.common.steps import SyncAsset
from hyve_pipeline.orchestration.component.yaml import wrong_attributes

# Gives an asset of the sync its spec; the first argument is the default one.
Translation = Callable[[dg.AssetSpec, SyncAsset], dg.AssetSpec]


def translation_of(context: dg.ResolutionContext, attributes: str | Mapping[str, Any]) -> Translation:
    """The translation that a file describes. In its templates are `spec`, `name` (of the asset) and `sync`.

    Args:
        context: of the attributes of the component.
        attributes: the attributes of assets, or a template that has them as its value.

    Raises:
        dg.DagsterInvalidDefinitionError: they are not attributes of assets; the message has the line.
    """
    parsed = attributes if isinstance(attributes, str) else _parsed(context.at_path("translation"), attributes)
    info = TranslatorResolvingInfo(parsed, context, model_key="translation")
    return lambda spec, asset: info.get_asset_spec(spec, {"spec": spec, "name": asset.name, "sync": asset.sync})


def _parsed(context: dg.ResolutionContext, attributes: Mapping[str, Any]) -> BaseModel:
    try:
        return AssetAttributesModel.model_validate(attributes)
    except ValidationError as error:
        # Of several possible types of a value, the first.
        errors = {found["loc"][:1]: found for found in reversed(error.errors(include_url=False))}
    found = [ErrorDetails(**{**error, "loc": place}) for place, error in errors.items()]
    raise wrong_attributes(context, AssetAttributesModel, found)
