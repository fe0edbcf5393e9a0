"""Inventories by the keys of a mapping: sorted anew, without what no rule is about, and never with one key of two."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hyve_pipeline.core.base.errors import RefusedError
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.inventory import Inventory, RangeEnd
from hyve_pipeline.core.settings.mapping import MappingRule
from hyve_pipeline.operations.inventory.mapped import map_inventory
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory

SWAP = ({"match": r"(\d+)/(.*)", "replace": r"\2/\1"},)


def mapped(home: Path, keys: list[str], *rules: dict[str, Any], side: str = "source", **more: Any) -> Inventory:
    context = context_at(home, prefixes=("in/", "out/"))
    prefix = "in/" if side == "source" else "out/"
    listed = written_inventory(
        context,
        side,  # type: ignore[arg-type]
        {prefix + key: Entry(size=number, time=number) for number, key in enumerate(keys, start=1)},
        **more,
    )
    found = map_inventory(context, listed, tuple(MappingRule.model_validate(rule) for rule in rules))
    assert context.inventories(listed.side).newest() == listed
    assert context.inventories(listed.side).load(found.id) == found
    return found


def rows(home: Path, inventory: Inventory) -> dict[str, int]:
    table = pq.read_table(context_at(home).state.local_path / inventory.files[0])  # type: ignore[operator]
    return dict(zip(table.column("key").to_pylist(), table.column("size").to_pylist(), strict=True))


def test_keys_are_sorted_by_their_new_names(tmp_path: Path) -> None:
    keys = [f"{number}/{name}" for number in range(25) for name in ("ü", "a", "\U0001f600")]
    found = mapped(tmp_path, [*keys, "none"], *SWAP, row_group_rows=7)
    new = {f"in/{key.partition('/')[2]}/{key.partition('/')[0]}": size for size, key in enumerate(keys, start=1)}
    assert list(rows(tmp_path, found).items()) == sorted(new.items(), key=lambda pair: pair[0].encode())
    assert (found.objects, found.bytes) == (75, sum(new.values()))
    assert found.mapped is not None
    assert found.mapped.left_out == Count(objects=1, bytes=76)
    assert found.place.mapping == found.rules
    (proof,) = found.proof
    assert (proof.keys, proof.end) == (75, RangeEnd.ALL_MAPPED)
    assert found.place.key_of("a/3") == "in/3/a"


def test_a_store_keeps_what_a_source_could_become(tmp_path: Path) -> None:
    found = mapped(tmp_path, ["a/1", "b/x", "c/7/8", "readme"], *SWAP, side="store")
    assert rows(tmp_path, found) == {"out/a/1": 1, "out/c/7/8": 3}
    assert found.mapped is not None
    assert found.mapped.left_out == Count(objects=2, bytes=6)
    assert found.place.key_of("a/1") == "out/a/1"


def test_without_rules_nothing_is_made(tmp_path: Path) -> None:
    assert mapped(tmp_path, ["a"]).mapped is None


@pytest.mark.parametrize(
    ("keys", "rules", "problem"),
    [
        (
            ["archive/x", "raw/x"],
            ({"from": "raw/", "to": "archive/"}, {"from": "", "to": ""}),
            "s3://source-bucket/in/archive/x would become s3://store-bucket/out/archive/x, as would "
            "s3://source-bucket/in/raw/x",
        ),
        (
            ["a/1/b", "a-1-b"],
            ({"match": "(a)[/-](1)[/-](b)", "replace": r"\1\2\3", "inverse": {"match": "a1b", "replace": "a/1/b"}},),
            "s3://source-bucket/in/a-1-b would become s3://store-bucket/out/a1b, as would s3://source-bucket/in/a/1/b",
        ),
        (
            ["a1"],
            ({"match": "a(.)", "replace": r"b\1", "inverse": {"match": "c", "replace": "a"}},),
            "s3://source-bucket/in/a1 would become s3://store-bucket/out/b1, which the inverse of its rule does not",
        ),
        (["a" * 1000], ({"from": "", "to": "ü" * 12},), "which has 1,028 bytes, a key has 1 to 1,024"),
        (["a\nb/x"], ({"from": "", "to": "x"}, {"match": "q", "replace": "q"}), None),
    ],
)
def test_what_can_not_be_is_refused(
    tmp_path: Path, keys: list[str], rules: tuple[dict[str, Any], ...], problem: str | None
) -> None:
    if problem is None:
        assert mapped(tmp_path, keys, *rules).objects == 1
        return
    with pytest.raises(RefusedError) as caught:
        mapped(tmp_path, keys, *rules)
    message = str(caught.value)
    assert message.startswith("refused by mapping (two keys would become one): ")
    assert problem in message
    assert "\n" not in message
    # Nothing is left of it.
    assert context_at(tmp_path).state.names("mapped_inventories") == []


def test_an_empty_key_is_refused(tmp_path: Path) -> None:
    context = context_at(tmp_path)
    listed = written_inventory(context, "source", {"raw/": Entry()})
    with pytest.raises(RefusedError, match="would become s3://store-bucket/, which has 0 bytes"):
        map_inventory(context, listed, (MappingRule.model_validate({"from": "raw/", "to": ""}),))
