"""Merkle trees are those of RFC 6962, however the leaves come."""

import hashlib
from itertools import pairwise

import pytest

from hyve_pipeline.core.model.merkle import MerkleTree, hash_leaves

# The leaves and roots that Certificate Transparency's own implementations are tested with.
_LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
_LEAVES.append(bytes(range(0x60, 0x70)))
_ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def _defined(leaves: list[bytes]) -> bytes:
    """As section 2.1 of the RFC defines it."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return hashlib.sha256(b"\x01" + _defined(leaves[:left]) + _defined(leaves[left:])).digest()


@pytest.mark.parametrize("count", _ROOTS)
def test_known_roots(count: int) -> None:
    tree = MerkleTree()
    tree.add(hash_leaves(_LEAVES[:count]))
    assert tree.root().hex() == _ROOTS[count]


@pytest.mark.parametrize("cuts", [(), (1,), (7, 8, 20), tuple(range(70))])
def test_the_root_does_not_depend_on_how_leaves_are_added(cuts: tuple[int, ...]) -> None:
    for count in range(70):
        leaves = [f"leaf {number}".encode() for number in range(count)]
        tree = MerkleTree()
        bounds = sorted({0, *(cut for cut in cuts if cut < count), count})
        for begin, end in pairwise(bounds):
            tree.add(hash_leaves(leaves[begin:end]))
        assert tree.leaves == count
        assert tree.root() == _defined(leaves)
