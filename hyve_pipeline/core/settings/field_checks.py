"""What the types of the settings' values are made of: checks of texts, and their JSON Schema."""

import re
from typing import Any
from urllib.parse import SplitResult

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


def names_host(url: SplitResult) -> bool:
    """Whether a URL names a host, perhaps with a port, and no user.

    Raises:
        ValueError: its port is no number.
    """
    return _HOST.fullmatch(url.netloc.removesuffix(f":{url.port}")) is not None


class JsonSchema:
    """Adds to the JSON Schema of a type: a pattern for what its validator checks, as far as possible, and examples.

    Args:
        pattern: the pattern of the whole text.
        more: other keywords.
    """

    def __init__(self, pattern: re.Pattern[str] | None = None, **more: Any) -> None:
        self._keywords = more if pattern is None else {"pattern": f"^({pattern.pattern})$", **more}

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), **self._keywords}


class Matching(JsonSchema):
    """Checks that the whole text matches a pattern, which the JSON Schema of the type has too.

    Args:
        pattern: the pattern.
        expected: completes the message "'x' is …".
        more: other keywords of the JSON Schema.
    """

    def __init__(self, pattern: re.Pattern[str], expected: str, **more: Any) -> None:
        super().__init__(pattern, **more)
        self._pattern = pattern
        self._expected = expected

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, text: str) -> str:
        if not self._pattern.fullmatch(text):
            raise ValueError(f"{text!r} is {self._expected}")
        return text
