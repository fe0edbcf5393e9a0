"""Markers of attempts at shards that have ended: small files whose names say what came of them.

    journals/<plan>/ended/<shard>-<attempt>-<done>-<failed>-<skipped>-<bytes>-q<requests>-r<retries>-t<milliseconds>,
    and -more at the end where the summary says more: why objects failed or were skipped, what copies lack, and what
    servers lack. Markers of earlier versions have no requests, retries and milliseconds

One listing of this folder is the progress of a whole plan. A marker is written after the summary of its attempt and
after the event of its end, and only repeats them: where one is missing, the summary says the same, and the event may be
missing too.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hyve_pipeline.core.model.journal import AttemptSummary, Tally
from hyve_pipeline.state.files import Folder

_MORE = "more"
_NAME = re.compile(
    rf"([0-9]+)-([0-9]+)-([0-9]+)-([0-9]+)-([0-9]+)-([0-9]+)(?:-q([0-9]+)-r([0-9]+)-t([0-9]+))?(-{_MORE})?"
)

# An empty file would not count as a change of the journal, see `Folder.last_change`.
_CONTENT = "ended\n"


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """What the name of a marker says.

    Attributes:
        shard, attempt: their numbers.
        tally: numbers of all objects of the shard by outcome, earlier attempts included.
        requests, retries: how many requests this attempt made, and how often it sent one again.
        seconds: how long this attempt took.
        has_more: whether the summary says more.
        at: when the marker was written.
    """

    shard: int
    attempt: int
    tally: Tally
    has_more: bool
    at: datetime
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0


def mark_ended(state: Folder, plan_id: str, shard: int, summary: AttemptSummary) -> None:
    """Write the marker of an attempt, whose summary must be written already.

    Raises:
        StateError: it can't be written.
    """
    tally = summary.tally
    numbers = [tally.done, tally.failed, tally.skipped, tally.bytes]
    more = [_MORE] if summary.failures or summary.skips or summary.without or summary.lacks else []
    # A clock that was set back must not make the name wrong.
    milliseconds = max(round((summary.ended - summary.started).total_seconds() * 1000), 0)
    effort = [f"q{summary.requests}", f"r{summary.retries}", f"t{milliseconds}"]
    name = "-".join([f"{shard:04d}", f"{summary.attempt:04d}", *map(str, numbers), *effort, *more])
    state.write_text(f"journals/{plan_id}/ended/{name}", _CONTENT)


def ended_attempts(state: Folder, plan_id: str) -> dict[int, list[EndedAttempt]]:
    """The markers of a plan by the number of the shard, in no order.

    Raises:
        StateError: they can't be listed.
    """
    now = datetime.now(UTC)
    found: dict[int, list[EndedAttempt]] = {}
    for entry in state.entries(f"journals/{plan_id}/ended"):
        match = _NAME.fullmatch(entry.name)
        if match is not None:
            shard, attempt, done, failed, skipped, size, requests, retries, milliseconds = (
                int(group or 0) for group in match.groups()[:-1]
            )
            tally = Tally(done=done, failed=failed, skipped=skipped, bytes=size)
            at = now - timedelta(seconds=entry.age)
            found.setdefault(shard, []).append(
                EndedAttempt(shard, attempt, tally, match[10] is not None, at, requests, retries, milliseconds / 1000)
            )
    return found
