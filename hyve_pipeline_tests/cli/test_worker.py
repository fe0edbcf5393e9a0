"""`hyve work`: what is free of a plan, on machines that share only the state."""

import signal
import threading
from pathlib import Path

import pytest

from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

_KEYS = {f"{number:03d}": b"1" for number in range(40)}
_IN_A_BUCKET = pytest.mark.parametrize("state_kind", ["s3"], indirect=True)


@pytest.fixture
def another_machine(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give commands a home without a configuration, as on a machine that has only the state."""
    home = tmp_path / "other"
    monkeypatch.setenv("HYVE_HOME", str(home))
    return home


@_IN_A_BUCKET
def test_a_worker_needs_only_the_state(pair: Pair, hyve: Hyve, another_machine: Path) -> None:
    pair.source.put(_KEYS)
    pair.store.put({"left": b"1"})
    plan = hyve("dryrun", "--home", str(pair.home), "--json").document["plan"]
    worked = hyve("work", "--json")
    assert (worked.code, worked.document["plan"]) == (0, plan)
    assert (worked.document["copied"], worked.document["deleted"]) == (40, 0)
    assert pair.store.read() == pair.source.read() | {"left": b"1"}
    assert hyve("show", plan).code == 0
    assert not (another_machine / "hyve.toml").exists()


@_IN_A_BUCKET
@pytest.mark.usefixtures("another_machine")
def test_deletes_are_done_where_they_are_asked_for(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1"})
    pair.store.put({"left": b"1"})
    hyve("dryrun", "--home", str(pair.home))
    assert hyve("work", "--json").document["deleted"] == 0
    assert hyve("work", "--deletes", "--until-done", "--json").document["deleted"] == 1
    assert pair.store.read() == {"a": b"1"}


@_IN_A_BUCKET
@pytest.mark.usefixtures("another_machine")
def test_a_refused_plan_is_refused_to_workers_too(pair: Pair, hyve: Hyve) -> None:
    pair.configure(shard_objects=5, max_overwrites=0)
    pair.store.put({"a": b"before"})
    pair.source.put({"a": b"1"})
    hyve("dryrun", "--home", str(pair.home))
    worked = hyve("work", "--until-done")
    assert worked.code == 3
    assert "max_overwrites" in worked.err
    assert pair.store.read() == {"a": b"before"}


@_IN_A_BUCKET
@pytest.mark.usefixtures("another_machine", "pair")
def test_without_a_plan_there_is_nothing_to_know_buckets_from(hyve: Hyve) -> None:
    worked = hyve("work")
    assert worked.code == 2
    assert "run 'hyve dryrun' first" in worked.only_line


def test_a_worker_has_a_configuration_or_a_state_in_a_bucket(hyve: Hyve, tmp_path: Path) -> None:
    worked = hyve("work", "--home", str(tmp_path / "none"))
    assert worked.code == 2
    assert "hyve.toml: is missing" in worked.only_line


@pytest.mark.both_states
def test_several_workers_do_each_object_once(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(shard_objects=5)
    pair.source.put(_KEYS)
    hyve("dryrun")
    with started(["work", "--until-done"]) as one, started(["work", "--until-done"]) as other:
        assert [process.wait(90) for process in (one, other)] == [0, 0]
    assert pair.store.read() == pair.source.read()
    ended = [event for event in pair.events() if event.shard is not None]
    assert sorted(event.shard or 0 for event in ended) == list(range(1, 9))


@pytest.mark.both_states
def test_a_worker_that_is_asked_to_end_gives_its_shard_back(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve
) -> None:
    pair = make_pair(through=faulty, shard_objects=20, concurrency=1)
    pair.source.put(_KEYS)
    hyve("dryrun")
    copied = threading.Event()
    go_on = threading.Event()

    def hold(received: Received) -> Answer | None:
        if received.method == "PUT" and received.path.endswith("/010"):
            copied.set()
            go_on.wait(60)
        return None

    faulty.fault = hold
    with started(["work", "--until-done"]) as worker:
        assert copied.wait(60)
        worker.send_signal(signal.SIGTERM)
        go_on.set()
        assert worker.wait(15) == 130
    # Nothing has to become stale first.
    assert hyve("work", "--json").document["copied"] == 40
    assert pair.store.read() == pair.source.read()
