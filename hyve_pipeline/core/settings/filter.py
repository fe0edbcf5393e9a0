"""The settings by which objects are left out, beside the globs `include` and `exclude`."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, model_validator

from hyve_pipeline.core.base.durations import parse_duration
from hyve_pipeline.core.base.times import parse_time
from hyve_pipeline.core.settings.field_checks import JsonSchema
from hyve_pipeline.core.settings.fields import Size
from hyve_pipeline.core.settings.table import SettingsTable, contradiction

_RULE = re.compile(r"[+-] .+", re.DOTALL)
_CLASS = re.compile(r"[A-Z][A-Z0-9_-]{0,63}")


def _valid_rule(rule: str) -> str:
    if not _RULE.fullmatch(rule):
        raise ValueError(f"{rule!r} is not a rule such as '+ albums/*' or '- *.tmp': the sign, a space, a glob")
    return rule


def _valid_class(name: str) -> str:
    if not _CLASS.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a storage class such as 'STANDARD_IA'")
    return name


def _valid_age(value: object) -> int | datetime:
    """Seconds, or a time.

    Raises:
        ValueError: it is neither a duration nor a time with its zone.
    """
    found = _parsed_age(value) if isinstance(value, str) else value
    if isinstance(found, int) and not isinstance(found, bool) and found > 0:
        return found
    if isinstance(found, datetime) and found.tzinfo is not None:
        return found.astimezone(UTC)
    shown = value.isoformat() if isinstance(value, datetime) else value
    raise ValueError(
        f"{shown!r} is neither a duration such as '30 days' nor a time with its zone such as '2026-11-01T00:00:00Z'"
    )


def _parsed_age(text: str) -> int | datetime | None:
    with suppress(ValueError):
        return parse_duration(text)
    with suppress(ValueError):
        return parse_time(text)
    return None


def _age_in_json(age: int | datetime) -> int | str:
    return age if isinstance(age, int) else age.isoformat().replace("+00:00", "Z")


_Rule = Annotated[str, AfterValidator(_valid_rule), JsonSchema(_RULE, examples=["+ albums/*", "- *"])]
_Class = Annotated[str, AfterValidator(_valid_class), JsonSchema(_CLASS, examples=["STANDARD", "STANDARD_IA"])]
# Seconds before the plan, or a time.
_Age = Annotated[
    int | datetime,
    PlainValidator(_valid_age),
    PlainSerializer(_age_in_json, when_used="json"),
    JsonSchema(type=["integer", "string"], examples=["30 days", "2026-11-01T00:00:00Z"]),
]


class FilterSettings(SettingsTable):
    """Which objects take part, by ordered rules on the key and by properties of the source's object."""

    rules: tuple[_Rule, ...] = Field(
        default=(),
        strict=False,
        description=(
            "Ordered rules on the key below the prefix, `+ GLOB` or `- GLOB`; the first one that matches decides, and "
            "a key that none matches takes part."
        ),
    )
    min_size: Annotated[Size, Field(ge=0)] | None = Field(
        default=None, description="Smaller objects are left out, in bytes."
    )
    max_size: Annotated[Size, Field(ge=0)] | None = Field(
        default=None, description="Larger objects are left out, in bytes."
    )
    newer_than: _Age | None = Field(
        default=None,
        description="Objects last written before this time are left out; a duration counts back from the plan.",
    )
    older_than: _Age | None = Field(
        default=None,
        description="Objects last written at this time or later are left out; a duration counts back from the plan.",
    )
    storage_class: tuple[_Class, ...] = Field(
        default=(),
        strict=False,
        description="Objects of other storage classes are left out; empty means that all take part.",
    )
    tag: Annotated[dict[str, str], JsonSchema(examples=[{"public": "yes"}])] = Field(
        default={}, description="Objects that do not have all these tags are left out."
    )

    @property
    def look_at_objects(self) -> bool:
        """Whether there is more than rules on keys."""
        return self != FilterSettings(rules=self.rules)

    @model_validator(mode="after")
    def _check(self) -> "FilterSettings":
        if self.min_size is not None and self.max_size is not None and self.min_size > self.max_size:
            raise contradiction("min_size", "is more than max_size: no object would take part")
        newer, older = self.newer_than, self.older_than
        both = (isinstance(newer, int) and isinstance(older, int) and newer <= older) or (
            isinstance(newer, datetime) and isinstance(older, datetime) and newer >= older
        )
        if both:
            raise contradiction("newer_than", "is not before older_than: no object would take part")
        if self.rules and all(rule.startswith("+") for rule in self.rules):
            raise contradiction("rules", "has only rules with '+', which leave nothing out: end it with '- *'")
        return self

    def __hash__(self) -> int:
        # Options are keys of caches, and a dict has no hash.
        return hash(tuple(frozenset(value.items()) if isinstance(value, dict) else value for _, value in self))

    def at(self, now: datetime) -> "FilterSettings":
        """The same filters with times for all durations, which end at `now`."""
        ages = {name: getattr(self, name) for name in ("newer_than", "older_than")}
        times = {name: now - timedelta(seconds=age) for name, age in ages.items() if isinstance(age, int)}
        return self.model_copy(update=times) if times else self
