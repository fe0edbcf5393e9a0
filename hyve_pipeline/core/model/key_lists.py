r"""The lists for users and scripts: ``new.txt``, ``modified.txt`` and ``duplicate_stores.txt`` (to delete).

One key per line in UTF-8, as `core.base.keys.list_line` writes it, each line ended by a newline; an empty
list is an empty file. Only ``\n`` ends a line: keys may contain every other character at which
`str.splitlines` would split.
"""

from collections.abc import Iterable
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from hyve_pipeline.core.base.keys import QUOTED_KEY_PATTERN, list_line

# A key has at most 1,024 bytes, so this many lines stay far below Arrow's limit of 2 GiB for a string.
_LINES_AT_ONCE = 65_536


def write_list(stream: IO[bytes], keys: Iterable[pa.Array | pa.ChunkedArray]) -> int:
    """Write keys as a list, in the given order.

    Args:
        stream: the output; it is not closed.
        keys: the keys in batches of any size, sorted by the caller.

    Returns:
        How many lines were written.
    """
    lines = 0
    for batch in keys:
        for chunk in batch.chunks if isinstance(batch, pa.ChunkedArray) else [batch]:
            for start in range(0, len(chunk), _LINES_AT_ONCE):
                part = chunk.slice(start, _LINES_AT_ONCE)
                stream.write(_as_lines(part))
                lines += len(part)
    return lines


def _as_lines(keys: pa.Array) -> bytes:
    # By `call_function`, since type checkers do not see the functions of `pyarrow.compute`.
    keys = keys.cast(pa.string())
    quoted = pc.call_function("match_substring_regex", [keys], pc.MatchSubstringOptions(QUOTED_KEY_PATTERN))
    if quoted.true_count:
        lines = pa.array([list_line(key) for key in keys.filter(quoted).to_pylist()], pa.string())
        keys = pc.call_function("replace_with_mask", [keys, quoted, lines])
    one_list = pa.ListArray.from_arrays(pa.array([0, len(keys)], pa.int32()), keys)
    joined = pc.call_function("binary_join", [one_list, pa.scalar("\n")])
    return joined[0].as_buffer().to_pybytes() + b"\n"
