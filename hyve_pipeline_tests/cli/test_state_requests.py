"""What commands that only read ask of a state in a bucket: no file twice, and nothing of plans that they don't show."""

from collections import Counter
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest

from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.s3.scripted import Received
from hyve_pipeline_tests.syncs import Hyve, MakePair


def _read(requests: list[Received]) -> Counter[str]:
    """How often each object was read or looked for."""
    paths = (unquote(urlsplit(received.target).path) for received in requests if received.method in ("GET", "HEAD"))
    return Counter(path for path in paths if path.count("/") > 1)


def _listings(requests: list[Received]) -> int:
    return sum("list-type=2" in received.target for received in requests)


def test_plans_are_found_by_listings_and_read_once(
    make_pair: MakePair,
    make_place: MakePlace,
    faulty: FaultyServer,
    hyve: Hyve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = make_pair(shard_objects=5)
    place = make_place("state", prefix="home/")
    monkeypatch.setenv("HYVE_STATE", f"{place.uri}?endpoint_url={quote(faulty.endpoint_url)}&profile={place.profile}")
    monkeypatch.setenv("HYVE_CACHE", str(tmp_path / "cache"))
    pair.source.put({f"{number}": b"1" for number in range(12)})
    for command in ("sync", "dryrun"):
        assert hyve(command).code == 0

    def requests_of(command: str) -> list[Received]:
        before = len(faulty.received)
        assert hyve(command).code == 0
        return faulty.received[before:]

    requests = requests_of("plans")
    read = _read(requests)
    # The manifest of each plan, and the file of its shards, of which the cache has a copy.
    assert (max(read.values()), len(read)) == (1, 2 * 2)
    # All plans, and of each the shards that have begun, those that have ended, approvals and undos.
    assert _listings(requests) <= 1 + 4 * 2

    for command in ("show", "report"):
        requests = requests_of(command)
        read = _read(requests)
        # The newest is found by its name, perhaps again for what to do next, and read once.
        assert read.pop(next(path for path in read if path.endswith("plan.json"))) <= 3
        assert max(read.values()) == 1
        assert len({path.split("/plans/")[1].split("/")[0] for path in read if "/plans/" in path}) == 1
        assert _listings(requests) <= 10
