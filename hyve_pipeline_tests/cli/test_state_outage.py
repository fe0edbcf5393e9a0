"""A state in a bucket that can't be reached or written, from the start or in the midst of a command."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.places import MakeBucket, MakePlace
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

_DENIED = Answer(b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>", 403)

# Each is the first write that is refused: to begin to apply, take a shard, journal it, delete, and verify.
_PARTS = [
    "/epoch.json",
    "/0001/0001/claim.json",
    "/0002/0001/claim.json",
    "/0002/0001/000001.parquet",
    "/0002/0001/summary.json",
    "/0002/0001/ended.json",
    "/0004/0001/claim.json",
    "/verifications/",
]


@pytest.fixture
def away(
    make_pair: MakePair,
    make_place: MakePlace,
    make_bucket: MakeBucket,
    faulty: FaultyServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Pair:
    """A sync of three shards to copy and one to delete, whose state is in a bucket behind the faulty server."""
    pair = make_pair(shard_objects=4, max_deletes="100%", trash=f"s3://{make_bucket('trash')}/")
    place = make_place("state", prefix="home/")
    monkeypatch.setenv("HYVE_STATE", f"{place.uri}?endpoint_url={quote(faulty.endpoint_url)}&profile={place.profile}")
    monkeypatch.setenv("HYVE_CACHE", str(tmp_path / "cache"))
    pair.source.put({f"{number:02d}": b"1" for number in range(12)})
    pair.store.put({"gone": b"1"})
    return pair


def _run(*arguments: str) -> tuple[int, str]:
    """A command in a process of its own, which has ended afterwards; its exit code and the last line of its errors."""
    with started(arguments) as child:
        _, err = child.communicate(timeout=100)
    assert "Traceback" not in err
    return child.returncode, err.splitlines()[-1]


def _refusing_from(part: str) -> Callable[[Received], Answer | None]:
    """Refuses the first write to a path with this part, and all requests that come later."""
    refused: list[Received] = []

    def fault(received: Received) -> Answer | None:
        if refused or (received.method == "PUT" and re.search(part, received.path)):
            refused.append(received)
            return _DENIED
        return None

    return fault


def test_nothing_is_done_where_the_state_can_not_be_written(away: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    assert hyve("dryrun").code == 0
    before = faulty.fault
    faulty.fault = lambda received: _DENIED if received.method in ("PUT", "POST") else None
    for command in ("copy", "sync", "verify"):
        code, said = _run(command)
        assert code == 4
        assert said.startswith("hyve: s3://state-")
        assert "allow s3:PutObject" in said
    assert away.store.keys() == ["gone"]
    assert hyve("show").code == 0
    faulty.fault = before
    assert hyve("sync").code == 0
    assert away.store.read() == away.source.read()


@pytest.mark.parametrize("part", _PARTS)
def test_a_plan_goes_on_after_its_state_was_away(part: str, away: Pair, faulty: FaultyServer, hyve: Hyve) -> None:
    before, fault = away.store.listing(), faulty.fault
    faulty.fault = _refusing_from(part)
    code, said = _run("sync")
    faulty.fault = fault
    found = away.store.listing()
    # 4 means that nothing was changed.
    assert code == (4 if found == before else 1), said
    assert said.startswith("hyve: s3://state-")
    (entry,) = hyve("plans", "--json").document["plans"]
    assert entry["copy"]["done"] <= len(found.keys() - before.keys())
    assert entry["delete"]["done"] <= len(before.keys() - found.keys())
    assert hyve("copy", "--json").document["copied"] == 12
    # What was copied before is not copied again, whether it could be journaled or not.
    after = away.store.listing()
    assert {key: after[key] for key in found} == found
    assert hyve("delete", "--json").document["deleted"] == 1
    assert hyve("verify").code == 0
    assert away.store.read() == away.source.read()


@pytest.mark.parametrize("arguments", [[], ["--since"]], ids=["one", "range"])
def test_an_undo_goes_on_after_its_state_was_away(
    arguments: list[str], away: Pair, faulty: FaultyServer, hyve: Hyve
) -> None:
    plan = hyve("sync", "--json").document["plan"]
    fault = faulty.fault
    faulty.fault = _refusing_from(r"/undone/.*\.parquet")
    code, said = _run("undo", *arguments, plan)
    faulty.fault = fault
    assert "gone" in away.store.listing()
    assert code == 1, said
    assert said.startswith("hyve: s3://state-")
    assert hyve("undo", *arguments, plan).code == 0
    assert "gone" in away.store.listing()
