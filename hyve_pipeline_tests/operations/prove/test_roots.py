"""Roots by range and by prefix agree with the root of all."""

import hashlib

import pyarrow as pa

from hyve_pipeline.core.model.merkle import MerkleTree, hash_leaves
from hyve_pipeline.operations.prove.roots import RootsBuilder


def _table(keys: list[str]) -> pa.Table:
    return pa.table(
        {
            "key": keys,
            "size": pa.array([len(key) for key in keys], pa.int64()),
            "prefix": [key.partition("/")[0] + "/" if "/" in key else "" for key in keys],
            "leaf": [key.encode() for key in keys],
        }
    )


def _root(keys: list[str]) -> str:
    tree = MerkleTree()
    tree.add(hash_leaves(key.encode() for key in keys))
    return tree.root().hex()


def test_prefixes_and_ranges() -> None:
    keys = sorted([*(f"{name}/{number}" for name in "bdfh" for number in range(5)), "a", "c", "e", "z"])
    builder = RootsBuilder(range_leaves=8, most_prefixes=3)
    for begin in range(0, len(keys), 7):
        builder.add(_table(keys[begin : begin + 7]))
    builder.add(_table([]))
    found = builder.roots()
    assert (found.objects, found.bytes, found.root) == (24, sum(map(len, keys)), _root(keys))
    assert [(one.prefix, one.objects, one.root) for one in found.prefixes] == [
        ("", 4, _root(["a", "c", "e", "z"])),
        *((f"{name}/", 5, _root([key for key in keys if key.startswith(f"{name}/")])) for name in "bd"),
    ]
    assert found.other_prefixes is not None
    assert (found.other_prefixes.objects, found.other_prefixes.root) == (
        10,
        _root([key for key in keys if key[:2] in ("f/", "h/")]),
    )
    assert [(one.first_key, one.last_key, one.objects, one.root) for one in found.ranges] == [
        (part[0], part[-1], 8, _root(part)) for part in (keys[:8], keys[8:16], keys[16:])
    ]
    # The roots of ranges are nodes of the whole tree.
    left, middle, right = (bytes.fromhex(one.root) for one in found.ranges)
    joined = hashlib.sha256(b"\x01" + left + middle).digest()
    assert hashlib.sha256(b"\x01" + joined + right).hexdigest() == found.root


def test_no_leaves() -> None:
    found = RootsBuilder().roots()
    assert (found.objects, found.root, found.prefixes, found.ranges) == (0, hashlib.sha256().hexdigest(), (), ())
