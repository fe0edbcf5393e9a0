"""The order in which the UI shows metadata: what the user reads first, and what is only for plots and tools last."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from hyve_pipeline.core.base.sizes import readable_bytes

Metadata = Mapping[str, Any]

# Numbers of bytes, and the name and end of the same in words.
_IN_WORDS = {
    "bytes": ("size", ""),
    "bytes to copy": ("size to copy", ""),
    "bytes to delete": ("size to delete", ""),
    "bytes freed": ("size freed", ""),
    "bytes per second": ("speed", "/s"),
    "content compared (bytes)": ("content compared (size)", ""),
}

_LAST = ("source inventory", "store inventory")


def in_reading_order(metadata: Metadata) -> Metadata:
    """Metadata with sizes in words in their place; their numbers, which Dagster plots, and long names come last."""
    first: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for name, value in metadata.items():
        if name in _IN_WORDS:
            words, end = _IN_WORDS[name]
            first[words] = f"{readable_bytes(value)}{end}"
            numbers[name] = value
        elif name in _LAST or isinstance(value, dg.PathMetadataValue):
            last[name] = value
        else:
            first[name] = value
    return first | numbers | last
