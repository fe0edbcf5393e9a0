"""Commands that can't go on after changes: exit code 1, the document, one line of why, and a retry that finishes."""

import json
import os
import signal
from itertools import count

import pytest

from hyve_pipeline_tests.children import started
from hyve_pipeline_tests.cli.test_processes import Stall
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.processes import descendants
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

_PATIENCE = 60

_OBJECTS = 12


def _filled(make_pair: MakePair, faulty: FaultyServer, processes: int) -> Pair:
    """A sync behind the proxy, with three copy shards and one delete shard."""
    pair = make_pair(through=faulty, shard_objects=4, concurrency=2, processes=processes)
    pair.source.put({f"{number:02d}": b"new" for number in range(_OBJECTS)})
    pair.store.put({"06": b"older", "gone": b"1"})
    return pair


def _retry(pair: Pair, hyve: Hyve) -> None:
    """Let a retry finish the copies, and compare."""
    retried = hyve("retry", "--json")
    assert (retried.code, retried.document["copied"], retried.document["copy_failed"]) == (0, _OBJECTS, 0)
    assert hyve("delete").code == 0
    assert pair.store.read() == pair.source.read()


@pytest.mark.parametrize(
    "answer",
    [Answer(b"<html>welcome to this network</html>"), Answer(hang_up=True)],
    ids=["junk", "no answer"],
)
def test_a_server_that_is_none_any_more_after_half_of_the_copies(
    answer: Answer, make_pair: MakePair, faulty: FaultyServer, hyve: Hyve
) -> None:
    pair = _filled(make_pair, faulty, processes=1)
    copies = count(1)
    gone: list[bool] = []

    def turn(received: Received) -> Answer | None:
        if "x-amz-copy-source" in received.headers and next(copies) > _OBJECTS // 2:
            gone.append(True)
        return answer if gone else None

    faulty.fault = turn
    synced = hyve("sync", "--json")
    assert synced.code == 1
    document = synced.document
    assert document["copied"] >= _OBJECTS // 2 - 1  # the answer to one in flight may be lost
    assert document["copy_failed"] > 0
    assert (document["deleted"], document["verified"], document["refused"]) == (0, None, None)
    failed, last = synced.err.splitlines()[-2:]
    assert failed.startswith(f"failed: {document['copy_failed']} objects")
    # The last shard was not begun.
    assert last.startswith(f"hyve: s3://{pair.source.name}/: ")
    assert last.endswith("what was done before is in the journal, run it again")
    assert "Traceback" not in synced.err
    faulty.fault = lambda _: None
    assert "gone" in pair.store.listing()
    _retry(pair, hyve)


def test_a_worker_process_that_is_killed(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    pair = _filled(make_pair, faulty, processes=2)
    stall = faulty.fault = Stall("PUT", f"/{pair.store.name}/", after=2, held=2)
    with started(["copy", "--json"]) as child:
        assert stall.reached.wait(_PATIENCE)
        workers = descendants(child.pid)
        assert len(workers) == 2
        killed = min(workers)
        os.kill(killed, signal.SIGKILL)
        stall.release.set()
        out, err = child.communicate(timeout=_PATIENCE)
    assert child.returncode == 1, err
    document = json.loads(out)
    assert document["plan"]
    assert document["copied"] < _OBJECTS
    last = err.splitlines()[-1]
    assert last.startswith(f"hyve: worker process {killed} was killed by SIGKILL; its outcomes are in the journal")
    assert "Traceback" not in err
    faulty.fault = lambda _: None
    _retry(pair, hyve)
