"""What a plan of all versions is estimated to take, against what is counted when it is applied."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.histories import put_in_a_part
from hyve_pipeline_tests.operations.estimate.counted import agreeing_estimate
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

pytestmark = pytest.mark.xdist_group("versions")

_MIB = 1024**2
_KEYS = [f"k/{number:03d}" for number in range(30)]


def _new(pair: Pair) -> None:
    for content in (b"1", b"2"):
        pair.source.put(dict.fromkeys(_KEYS, content))
    pair.source.delete(*_KEYS[::2])


def _continued(pair: Pair) -> None:
    # The store has the first version of each, of half of them with another ETag.
    for key in _KEYS[:15]:
        put_in_a_part(pair.store, key, b"1")
    pair.store.put(dict.fromkeys(_KEYS[15:], b"1"))
    _new(pair)


def _large(pair: Pair) -> None:
    for content in (b"l" * 13 * _MIB, b"small"):
        pair.source.put(dict.fromkeys(_KEYS[:2], content))


_PLANS: dict[str, tuple[Callable[[Pair], None], dict[str, Any]]] = {
    "new": (_new, {}),
    "continued": (_continued, {"max_deletes": "100%"}),
    "streamed": (_new, {"transfer": "stream"}),
    "parts": (_large, {"multipart_threshold": 12 * _MIB, "multipart_part_size": 5 * _MIB}),
}


@pytest.mark.parametrize("kind", _PLANS)
def test_estimated_requests_are_those_that_are_counted(
    kind: str, make_pair: MakePair, version_endpoint: str, through: FaultyServer, hyve: Hyve
) -> None:
    prepare, options = _PLANS[kind]
    pair = make_pair(endpoint_url=version_endpoint, through=through, versioned=True, versions="all", **options)
    # What the server lacks is known from an earlier run.
    pair.source.put({"first": b"1"})
    assert hyve("sync").code == 0
    prepare(pair)
    estimate = agreeing_estimate(hyve, through, "copy", "verify")
    assert estimate["seconds"] is not None


def test_a_plan_of_versions_that_costs_too_much_is_refused(
    make_pair: MakePair, version_endpoint: str, hyve: Hyve, tmp_path: Path
) -> None:
    pair = make_pair(endpoint_url=version_endpoint, versioned=True)
    prices = tmp_path / "prices.toml"
    table = {"date": "2026-11-29", "source": "'a test'", "servers": [pair.context().located("store").server]}
    lines = [f"{name} = {value}" for name, value in (table | {"delete": 1000}).items()]
    prices.write_text("\n".join([*lines, "[classes.STANDARD]\n"]))
    pair.configure(versions="all", prices=str(prices), max_cost=1.5)
    pair.source.put({"a": b"1"})
    pair.source.delete("a", "a")
    refused = hyve("sync", "--json")
    assert (refused.code, refused.document["refused"]["rule"]) == (3, "max_cost")
    assert refused.document["copied"] == 0
    # Two delete markers at a dollar each.
    assert hyve("copy", "--max-cost", "2").code == 0
