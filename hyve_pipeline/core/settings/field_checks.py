"""What the types of the settings' values are made of: checks of texts, and their JSON Schema."""

import re
from typing import Any
from urllib.parse import SplitResult

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic_core import CoreSchema

_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


def names_host(url: SplitResult) -> bool:
    """Whether a URL names a host, perhaps with a port, and no user.

    Raises:
        ValueError: its port is no number.
    """
    return _HOST.fullmatch(url.netloc.removesuffix(f":{url.port}")) is not None


def matching(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    """Checks that the whole text matches a pattern; `expected` completes the message "'x' is …"."""

    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} is {expected}")
        return text

    return AfterValidator(check)


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
