"""Merkle trees, as in RFC 6962: one hash that stands for many rows in their order.

The hash of a leaf is the SHA-256 of a zero byte and its data; that of a node is the SHA-256 of a one byte and the
hashes of its children. A node's left child has the largest power of two of leaves that is less than all of them.
"""

import hashlib
from collections.abc import Iterable, Sequence

# The first byte of what is hashed.
_LEAF = b"\x00"
_NODE = b"\x01"

_EMPTY = hashlib.sha256().digest()


def hash_leaves(leaves: Iterable[bytes]) -> list[bytes]:
    """The hashes of leaves, given by their data."""
    sha256 = hashlib.sha256
    return [sha256(_LEAF + leaf).digest() for leaf in leaves]


class MerkleTree:
    """The root of leaves that are added in order; it takes the memory of one hash for each level.

    Attributes:
        leaves: how many were added.
    """

    def __init__(self) -> None:
        self.leaves = 0
        # Of each level, lowest first, the hash that still has no right sibling.
        self._waiting: list[bytes | None] = []

    def add(self, hashes: Sequence[bytes]) -> None:
        """Add leaves by their hashes."""
        self.leaves += len(hashes)
        sha256 = hashlib.sha256
        level = 0
        while hashes:
            if level == len(self._waiting):
                self._waiting.append(None)
            waiting = self._waiting[level]
            if waiting is not None:
                hashes = [waiting, *hashes]
            self._waiting[level] = hashes[-1] if len(hashes) % 2 else None
            pairs = zip(hashes[::2], hashes[1::2], strict=False)
            hashes = [sha256(_NODE + left + right).digest() for left, right in pairs]
            level += 1

    def root(self) -> bytes:
        """The root of the leaves so far; that of no leaves is the SHA-256 of nothing."""
        root: bytes | None = None
        for left in self._waiting:
            if left is not None:
                root = left if root is None else hashlib.sha256(_NODE + left + root).digest()
        return _EMPTY if root is None else root
