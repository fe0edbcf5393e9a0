"""Shares of the limits a second: of the processes of a command, and of commands and runs beside each other."""

import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path

from hyve_pipeline.core.model.event import Actor
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.s3.connection.rate_limit import RateLimits
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.rate_shares import RateShares

_LIMITED = Options(requests_per_second=8, bandwidth=800_000)

# Ages have whole seconds on moto's server, so that less is too little.
_BEAT = 0.7


def _rates(limits: RateLimits | None) -> tuple[int, float]:
    """Requests and bytes a second."""
    assert limits is not None
    head = Request("HeadObject", "HEAD", "key")
    waits = [limits.take(head) for _ in range(3)]
    rate = limits.reading(Request("GetObject", "GET", "key", expected=10**9))
    assert rate is not None
    # The clock goes on between two of them.
    return round(1 / (waits[2] - waits[1])), rate.per_second


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _bytes(shares: RateShares) -> float:
    return _rates(shares.limits(_LIMITED))[1]


def test_without_limits_there_is_nothing_to_share(state: Folder) -> None:
    shares = RateShares()
    assert shares.limits(Options()) is None
    with shares.sharing(Options(), state, Actor.of_command("copy")):
        assert state.entries() == []


def test_all_connections_of_a_process_have_the_same_limits() -> None:
    shares = RateShares()
    assert shares.limits(_LIMITED) is shares.limits(_LIMITED)
    assert _rates(shares.limits(_LIMITED)) == (8, 800_000)


def test_each_process_of_a_command_has_its_share() -> None:
    beside = pickle.loads(pickle.dumps(RateShares().divided(2)))
    assert _rates(beside.limits(_LIMITED)) == (4, 400_000)
    assert _bytes(beside.divided(2)) == 200_000


def test_a_command_notices_others_that_come_and_go(state: Folder) -> None:
    one, other = RateShares(beat=_BEAT), RateShares(beat=_BEAT)
    with one.sharing(_LIMITED, state, Actor.of_command("copy")):
        assert _bytes(one) == 800_000
        with other.sharing(_LIMITED, state, Actor.of_command("work")):
            assert _bytes(other) == 400_000
            _wait_for(lambda: _bytes(one) == 400_000)
        assert _bytes(other) == 800_000
        _wait_for(lambda: _bytes(one) == 800_000)
    assert state.entries("sharing") == []


def test_processes_of_one_command_do_not_count_each_other(state: Folder) -> None:
    actor = Actor.of_command("copy")
    parent = RateShares(beat=_BEAT)
    with parent.sharing(_LIMITED, state, actor), parent.sharing(_LIMITED, state, actor):
        beside = parent.divided(2)
        with beside.sharing(_LIMITED, state, actor):
            assert _bytes(beside) == 400_000


def test_files_of_processes_that_died_long_ago_are_removed(tmp_path: Path) -> None:
    state = Folder.local(tmp_path)
    state.below("sharing").write_text("dead.1", "elsewhere")
    os.utime(tmp_path / "sharing" / "dead.1", (0, 0))
    shares = RateShares()
    with shares.sharing(_LIMITED, state, actor := Actor.of_command("copy")):
        assert state.names("sharing") == [f"{actor.id}.{os.getpid()}"]
        assert _bytes(shares) == 800_000


def test_a_process_that_died_counts_no_longer(state: Folder) -> None:
    state.below("sharing").write_text("dead.1", "elsewhere")
    shares = RateShares(beat=_BEAT)
    with shares.sharing(_LIMITED, state, Actor.of_command("copy")):
        assert _bytes(shares) == 400_000
        _wait_for(lambda: _bytes(shares) == 800_000)
