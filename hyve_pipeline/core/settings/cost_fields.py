"""The types of the settings about what a plan costs."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from hyve_pipeline.core.base.money import parse_dollars
from hyve_pipeline.core.settings.field_checks import JsonSchema
from hyve_pipeline.core.settings.fields import SecretFile

_DOLLARS = re.compile(r"\s*\$?\s*[0-9]{1,12}(\.[0-9]{1,6})?\s*")

# Text where it is JSON: a binary number would not be the amount.
Dollars = Annotated[
    Decimal,
    PlainValidator(parse_dollars),
    PlainSerializer(str, when_used="json"),
    JsonSchema(_DOLLARS, type=["number", "string"], minimum=0, examples=[25, "25.50"]),
]
PriceFile = Annotated[SecretFile, JsonSchema(examples=["/etc/hyve/prices.toml"])]
