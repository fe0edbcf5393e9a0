"""How much a command says: with --verbose, with --quiet, and whether it asks."""

import logging
import re

import pytest

from hyve_pipeline.core.runtime.log import shown_level
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.scripted import error_answer
from hyve_pipeline_tests.servers import SECRET_ACCESS_KEY
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair


def _logged(err: str) -> list[str]:
    return [line[9:] for line in err.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]


def test_verbose_says_what_is_chosen_and_once_more_each_request(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1", "b\n": b"2"})
    silent = hyve("dryrun")
    assert _logged(silent.err) == []
    chosen = _logged(hyve("dryrun", "-v").err)
    assert any(line.startswith("sync images of ") for line in chosen)
    assert any(line.startswith(f"s3://{pair.source.name}/: requests go to http://127.0.0.1:") for line in chosen)
    assert any(line.startswith("copies by the server: ") for line in chosen)
    assert not any(line.startswith(("ListObjects", "CopyObject")) for line in chosen)
    finished = hyve("-vv", "copy", "--json")
    assert finished.document["copied"] == 2
    requests = _logged(finished.err)
    assert any(re.match(rf"CopyObject {pair.store.name} key 'a': 200, \d+ bytes", line) for line in requests)
    assert any("b\\n" in line for line in requests)
    for secret in (SECRET_ACCESS_KEY, "Authorization", "AWS4-HMAC"):
        assert secret not in finished.err
    assert shown_level() is None
    assert logging.getLogger("hyve_pipeline").handlers == []


def test_verbose_says_what_is_sent_again_and_why(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    pair = make_pair(through=faulty, patience_seconds=20, transport="botocore")
    pair.source.put({"a": b"1"})
    refused = iter([error_answer(503, "SlowDown")])
    faulty.fault = lambda _: next(refused, None)
    logged = _logged(hyve("dryrun", "-v").err)
    assert any("503" in line and "; sent again in " in line for line in logged)


def test_worker_processes_log_too(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(shard_objects=1, processes=2)
    pair.source.put({f"{number}": b"1" for number in range(4)})
    finished = hyve("sync", "-vv")
    assert finished.code == 0
    copies = [line for line in _logged(finished.err) if line.startswith("CopyObject")]
    assert len(copies) == 4


def test_a_quiet_command_prints_nothing_but_what_was_asked_for(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"a": b"1"})
    finished = hyve("dryrun", "-q")
    assert (finished.code, finished.out, finished.err) == (0, "", "")
    finished = hyve("--quiet", "copy", "--json")
    assert (finished.code, finished.err) == (0, "")
    assert finished.document["copied"] == 1
    assert finished.document["plan"] in hyve("plans", "-q").out
    assert hyve("show", "nothing", "-q").only_line


@pytest.mark.parametrize("arguments", [("plans", "-q", "-v"), ("-v", "plans", "-q")], ids=" ".join)
def test_quiet_and_verbose_exclude_each_other(arguments: tuple[str, ...], hyve: Hyve) -> None:
    finished = hyve(*arguments)
    assert finished.code == 2
    assert "exclude" in finished.only_line
