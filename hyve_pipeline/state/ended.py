"""Markers of attempts at shards that have ended: small files whose names say what came of them.

    journals/<plan>/ended/<shard>-<attempt>-<done>-<failed>-<skipped>-<bytes>, and -more at the end where the summary
    says more: why objects failed or were skipped, what copies lack, and what servers lack

One listing of this folder is the progress of a whole plan. A marker is written after the summary of its attempt, and
only repeats it: where one is missing, the summary says the same.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hyve_pipeline.core.model.journal import AttemptSummary, Tally
from hyve_pipeline.state.files import Folder

_MORE = "more"
_NAME = re.compile(rf"([0-9]+)-([0-9]+)-([0-9]+)-([0-9]+)-([0-9]+)-([0-9]+)(-{_MORE})?")

# An empty file would not count as a change of the journal, see `Folder.last_change`.
_CONTENT = "ended\n"


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """What the name of a marker says.

    Attributes:
        shard, attempt: their numbers.
        tally: numbers of all objects of the shard by outcome, earlier attempts included.
        has_more: whether the summary says more.
        at: when the marker was written.
    """

    shard: int
    attempt: int
    tally: Tally
    has_more: bool
    at: datetime


def mark_ended(state: Folder, plan_id: str, shard: int, summary: AttemptSummary) -> None:
    """Write the marker of an attempt, whose summary must be written already.

    Raises:
        StateError: it can't be written.
    """
    tally = summary.tally
    numbers = [tally.done, tally.failed, tally.skipped, tally.bytes]
    more = [_MORE] if summary.failures or summary.skips or summary.without or summary.lacks else []
    name = "-".join([f"{shard:04d}", f"{summary.attempt:04d}", *map(str, numbers), *more])
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
            shard, attempt, done, failed, skipped, size = map(int, match.groups()[:-1])
            tally = Tally(done=done, failed=failed, skipped=skipped, bytes=size)
            at = now - timedelta(seconds=entry.age)
            found.setdefault(shard, []).append(EndedAttempt(shard, attempt, tally, match[7] is not None, at))
    return found
