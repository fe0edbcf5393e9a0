"""Computes the Merkle roots of pairs of objects: of all, by range and by top-level prefix."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import run_ends
from hyve_pipeline.core.model.merkle import MerkleTree, hash_leaves
from hyve_pipeline.core.model.proof import MOST_PREFIXES, RANGE_LEAVES, PrefixRoot, RangeRoot, Roots


@dataclass
class _Part:
    """Leaves that have a root of their own."""

    tree: MerkleTree = field(default_factory=MerkleTree)
    size: int = 0

    def add(self, hashes: Sequence[bytes], sizes: Sequence[int]) -> None:
        self.tree.add(hashes)
        self.size += sum(sizes)

    def of_prefix(self, prefix: str) -> PrefixRoot:
        return PrefixRoot(prefix=prefix, objects=self.tree.leaves, bytes=self.size, root=self.tree.root().hex())


class RootsBuilder:
    """Takes the leaves in key order, some at a time.

    Args:
        range_leaves: the leaves of a range, a power of two.
        most_prefixes: how many prefixes have a root of their own.
    """

    def __init__(self, range_leaves: int = RANGE_LEAVES, most_prefixes: int = MOST_PREFIXES) -> None:
        self._range_leaves = range_leaves
        self._most_prefixes = most_prefixes
        self._all = _Part()
        self._prefixes: dict[str, _Part] = {}
        self._other_prefixes = _Part()
        self._ranges: list[RangeRoot] = []
        self._range = _Part()
        self._first_key = self._last_key = ""

    def add(self, pairs: pa.Table) -> None:
        """Add rows with the columns ``key``, ``size``, ``prefix`` and ``leaf``."""
        if not pairs.num_rows:
            return
        pairs = pairs.combine_chunks()
        hashes = hash_leaves(pairs.column("leaf").to_pylist())
        sizes = pairs.column("size").to_pylist()
        self._all.add(hashes, sizes)
        prefixes = pairs.column("prefix")
        for begin, end in pairwise([0, *run_ends(prefixes)]):
            self._of_prefix(prefixes[begin].as_py()).add(hashes[begin:end], sizes[begin:end])
        keys = pairs.column("key")
        begin = 0
        while begin < len(hashes):
            end = min(begin + self._range_leaves - self._range.tree.leaves, len(hashes))
            if not self._range.tree.leaves:
                self._first_key = keys[begin].as_py()
            self._last_key = keys[end - 1].as_py()
            self._range.add(hashes[begin:end], sizes[begin:end])
            if self._range.tree.leaves == self._range_leaves:
                self._end_range()
            begin = end

    def roots(self) -> Roots:
        """The roots of all leaves; nothing can be added after."""
        if self._range.tree.leaves:
            self._end_range()
        others = self._other_prefixes
        return Roots(
            objects=self._all.tree.leaves,
            bytes=self._all.size,
            root=self._all.tree.root().hex(),
            prefixes=tuple(part.of_prefix(prefix) for prefix, part in sorted(self._prefixes.items())),
            other_prefixes=others.of_prefix("") if others.tree.leaves else None,
            ranges=tuple(self._ranges),
        )

    def _of_prefix(self, prefix: str) -> _Part:
        part = self._prefixes.get(prefix)
        if part is not None:
            return part
        if len(self._prefixes) == self._most_prefixes:
            return self._other_prefixes
        return self._prefixes.setdefault(prefix, _Part())

    def _end_range(self) -> None:
        self._ranges.append(
            RangeRoot(
                first_key=self._first_key,
                last_key=self._last_key,
                objects=self._range.tree.leaves,
                bytes=self._range.size,
                root=self._range.tree.root().hex(),
            )
        )
        self._range = _Part()
