"""Limits such as ``max_deletes``: a number of objects, or a share of the store's objects."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import core_schema

# Up to this many objects no share is exceeded: in a small bucket a few ordinary deletes are already a large
# percentage.
SHARE_FLOOR = 100

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)\s*%")
# The same, at most 100, for the JSON Schema.
_SHARE_TO_100 = r"(100(\.0{1,9})?|0?[0-9]{1,2}(\.[0-9]{1,9})?)\s*%"
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class Limit:
    """At most `amount` objects, or at most `amount` percent of the store's objects.

    Attributes:
        amount: a number of objects, or a percentage from 0 to 100.
        is_share: whether `amount` is a percentage.
    """

    amount: Decimal
    is_share: bool

    @classmethod
    def parse(cls, text: str | int) -> "Limit":
        """Read ``500``, ``"500"`` or ``"10%"``.

        Raises:
            ValueError: it is neither, or the share is over 100 %.
        """
        written = str(text).strip()
        if not isinstance(text, bool) and _NUMBER.fullmatch(written):
            return cls(Decimal(written), is_share=False)
        share = _SHARE.fullmatch(written)
        if share is None or Decimal(share[1]) > 100:
            raise ValueError(f"{text!r} is neither a number of objects such as 500 nor a share such as '10%'")
        return cls(Decimal(share[1]), is_share=True)

    def is_exceeded_by(self, objects: int, store_objects: int) -> bool:
        """Whether `objects` out of `store_objects` are too many.

        A share applies only above 100 objects; a number means exactly that number.
        """
        return objects > self.most(store_objects)

    def most(self, store_objects: int) -> Decimal:
        """The most objects that the limit allows, out of `store_objects`."""
        if not self.is_share:
            return self.amount
        return max(Decimal(SHARE_FLOOR), self.amount * store_objects / 100)

    def __str__(self) -> str:
        return f"{self.amount.normalize():f}%" if self.is_share else str(self.amount)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: "GetCoreSchemaHandler") -> "core_schema.CoreSchema":
        """Let settings and manifests contain limits as text, such as ``10%``."""
        # A command checks the limits among its arguments before it loads anything.
        from pydantic_core import core_schema

        def read(value: Any) -> "Limit":
            return value if isinstance(value, Limit) else cls.parse(value)

        return core_schema.no_info_plain_validator_function(read, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: "core_schema.CoreSchema", _handler: "GetJsonSchemaHandler"
    ) -> dict[str, Any]:
        """The JSON Schema of a limit."""
        return {
            "type": ["integer", "string"],
            "minimum": 0,
            "pattern": rf"^\s*({_NUMBER.pattern}|{_SHARE_TO_100})\s*$",
            "examples": ["10%", 500],
        }
