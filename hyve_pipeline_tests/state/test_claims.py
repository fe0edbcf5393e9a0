"""At most one process holds a claim, whatever happens to processes, answers and clocks."""

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.state.claims import Claim, is_claimed, take_claim
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.heartbeat import ClaimLostError, ClaimTimes
from hyve_pipeline.state.storage.bucket_storage import BucketStorage
from hyve_pipeline.state.storage.file_cache import FileCache
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.faults import faulty_server
from hyve_pipeline_tests.s3.scripted import Answer, Received
from hyve_pipeline_tests.state.holders import FAST, go_on, holder

_HOLD = """
from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.state.claims import ClaimLostError, take_claim
with take_claim(state, Actor.of_command("copy"), name="shard", times=times) as claim:
    held()
    try:
        claim.check()
    except ClaimLostError:
        print("lost")
    else:
        print("kept")
"""


def _take(folder: Folder, *, times: ClaimTimes = FAST) -> Claim | None:
    return take_claim(folder, Actor.of_command("copy"), name="shard P-0001", times=times)


def _taken(folder: Folder, seconds: float = 60) -> Claim:
    """The claim as soon as it is free."""
    deadline = time.monotonic() + seconds
    while (claim := _take(folder)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return claim


def _until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_lost(claim: Claim) -> bool:
    try:
        claim.check()
    except ClaimLostError:
        return True
    return False


def test_one_of_six_gets_it_at_a_time(state: Folder) -> None:
    together = threading.Barrier(6, timeout=60)
    holding: list[int] = []
    numbers: list[int] = []

    def work(_: int) -> None:
        together.wait()
        done = 0
        while done < 2:
            claim = _take(state, times=ClaimTimes())
            if claim is None:
                continue
            with claim:
                holding.append(1)
                assert len(holding) == 1
                claim.check()
                state.write_text(f"{claim.number:04d}/row", "1")
                numbers.append(claim.number)
                holding.pop()
            done += 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert numbers == list(range(1, 13))


def test_it_is_not_taken_where_it_is_not_wanted(state: Folder) -> None:
    state.write_text("0001/row", "1")
    state.write_text("0001/ended.json", "")
    seen: list[str] = []

    def is_wanted(entries: object) -> bool:
        assert isinstance(entries, list)
        seen.extend(entry.name for entry in entries)
        return False

    assert take_claim(state, Actor.of_command("copy"), name="shard", is_wanted=is_wanted) is None
    assert "0001/row" in seen
    # It was given back, or never taken.
    claim = take_claim(state, Actor.of_command("copy"), name="shard")
    assert claim is not None
    with claim:
        claim.check()


def test_whether_it_is_claimed_can_be_asked_without_taking_it(state: Folder) -> None:
    assert not is_claimed(state)
    claim = _taken(state)
    with claim:
        assert is_claimed(state)
    before = [entry.name for entry in state.entries(recursive=True)]
    assert not is_claimed(state)
    assert [entry.name for entry in state.entries(recursive=True)] == before
    following = _taken(state)
    with following:
        assert is_claimed(state)


def test_a_killed_holder_of_another_host_is_taken_over(in_bucket: Folder) -> None:
    with holder(_HOLD, in_bucket, is_elsewhere=True) as process:
        time.sleep(FAST.stale + 1)
        assert _take(in_bucket) is None  # its heartbeats keep it
        process.kill()
    with _taken(in_bucket) as claim:
        assert (claim.number, claim.takes_over) == (2, True)
    with _taken(in_bucket) as claim:
        # The owner of the first may still write what it did.
        assert (claim.number, claim.takes_over) == (3, True)


def test_a_killed_holder_of_this_host_is_taken_over_at_once(state: Folder) -> None:
    with holder(_HOLD, state) as process:
        assert _take(state, times=ClaimTimes()) is None
        process.kill()
        process.wait()
        claim = _take(state, times=ClaimTimes())
    assert claim is not None
    with claim:
        assert claim.takes_over == (state.local_path is None)


def test_a_paused_holder_knows_that_it_is_lost(in_bucket: Folder) -> None:
    with holder(_HOLD, in_bucket) as process:
        process.send_signal(signal.SIGSTOP)
        with _taken(in_bucket) as claim:
            process.send_signal(signal.SIGCONT)
            assert go_on(process) == "lost\n"
            claim.check()
            assert _take(in_bucket) is None


def test_a_short_pause_loses_nothing(in_bucket: Folder) -> None:
    with holder(_HOLD, in_bucket) as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        process.send_signal(signal.SIGCONT)
        assert go_on(process) == "kept\n"
    claim = _take(in_bucket)
    assert claim is not None
    with claim:
        assert not claim.takes_over


def test_a_clock_that_is_wrong_does_not_count(in_bucket: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    with holder(_HOLD, in_bucket, seconds_off=-600) as process:
        real = time.time
        for seconds in (600, -600):
            monkeypatch.setattr(time, "time", lambda seconds=seconds: real() + seconds)
            assert _take(in_bucket) is None
        monkeypatch.undo()
        assert go_on(process) == "kept\n"


def test_the_answer_to_its_creation_may_be_lost(moto_endpoint: str, make_place: MakePlace, tmp_path: Path) -> None:
    with faulty_server(moto_endpoint) as server:
        place = make_place("state").model_copy(update={"endpoint_url": server.endpoint_url})
        folder = Folder(BucketStorage(place, FileCache(tmp_path)), "images")
        lost: list[Received] = []

        def lose(received: Received) -> Answer | None:
            if received.method == "PUT" and received.path.endswith("/claim.json") and not lost:
                server.forward(received)
                lost.append(received)
                return Answer(hang_up=True)
            return None

        server.fault = lose
        with _taken(folder) as claim:
            assert (claim.number, len(lost)) == (1, 1)
            assert _take(folder) is None


@pytest.mark.parametrize(("seconds", "is_lost"), [(1.0, False), (5.0, True)])
def test_the_state_may_be_out_of_reach_for_a_while(
    moto_endpoint: str, make_place: MakePlace, tmp_path: Path, seconds: float, *, is_lost: bool
) -> None:
    times = ClaimTimes(beat=0.2, stale=6, give_up=3)
    with faulty_server(moto_endpoint) as server:
        place = make_place("state").model_copy(update={"endpoint_url": server.endpoint_url})
        folder = Folder(BucketStorage(place, FileCache(tmp_path)), "images")
        claim = _take(folder, times=times)
        assert claim is not None
        with claim:
            server.fault = lambda _: Answer(hang_up=True)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                assert is_lost or not _is_lost(claim)
                time.sleep(0.05)
            server.fault = lambda _: None
            sent = len(server.received)
            if is_lost:
                # It is lost for good, and nothing is written any more.
                assert _is_lost(claim)
                with pytest.raises(ClaimLostError, match=r"shard P-0001.*could not reach s3://.*for \d+ seconds"):
                    claim.check()
            else:
                _until(lambda: len(server.received) > sent + 4)
                assert not _is_lost(claim)
        assert folder.exists("0001/ended.json") == (not is_lost)


def test_a_heartbeat_whose_answer_comes_late_does_not_count(
    moto_endpoint: str, make_place: MakePlace, tmp_path: Path
) -> None:
    with faulty_server(moto_endpoint) as server:
        place = make_place("state").model_copy(update={"endpoint_url": server.endpoint_url})
        folder = Folder(BucketStorage(place, FileCache(tmp_path)), "images")

        def slow(received: Received) -> Answer | None:
            if received.path.endswith("/beat"):
                time.sleep(2 * FAST.answer)
            return None

        claim = _take(folder)
        assert claim is not None
        with claim:
            server.fault = slow
            _until(lambda: _is_lost(claim))
            server.fault = lambda _: None


def test_a_greater_number_ends_it(in_bucket: Folder) -> None:
    claim = _take(in_bucket, times=ClaimTimes(beat=0.1))
    assert claim is not None
    with claim:
        in_bucket.create("0002/claim.json", b"")
        _until(lambda: _is_lost(claim))
        with pytest.raises(ClaimLostError, match="another process has taken over"):
            claim.check()
    assert not in_bucket.exists("0001/ended.json")


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match="state/lock: can't be locked"):
        _take(Folder.local(tmp_path / "state"))


def test_processes_race_for_it(in_bucket: Folder) -> None:
    code = """
from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.state.claims import take_claim
held()
claim = take_claim(state, Actor.of_command("copy"), name="shard", times=times)
print("nothing" if claim is None else claim.number, flush=True)
sys.stdin.readline()
"""
    with ExitStack() as stack:
        processes = [stack.enter_context(holder(code, in_bucket)) for _ in range(6)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        answers = [process.stdout.readline() for process in processes if process.stdout is not None]
    assert sorted(answers) == ["1\n"] + ["nothing\n"] * 5
