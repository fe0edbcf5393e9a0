"""The base of all tables of the settings, and the error of settings that contradict each other."""

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class SettingsTable(BaseModel):
    """Base of all tables of the settings: frozen, strict, without unknown keys.

    The description of a field is also in the JSON schemas.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


def contradiction(setting: str, problem: str) -> PydanticCustomError:
    """The error of settings that contradict each other; the context names the one to correct."""
    return PydanticCustomError("contradiction", "{problem}", {"setting": setting, "problem": problem})
