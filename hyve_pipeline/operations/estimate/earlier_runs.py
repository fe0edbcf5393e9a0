"""What earlier runs of a sync have shown: how fast they were, and what the servers lack."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.s3.connection.server_abilities import Ability
from hyve_pipeline.state.ended import EndedAttempt, ended_attempts
from hyve_pipeline.state.journals import ShardJournal

# The newest plans that count.
_PLANS = 5

# The most summaries that are read for what a server lacks: each of a shard says nearly the same.
_SUMMARIES = 3


@dataclass(frozen=True)
class Rate:
    """How fast an action was.

    Attributes:
        requests, bytes: how many.
        seconds: the time in which any process worked at it.
    """

    requests: int
    bytes: int
    seconds: float

    def seconds_for(self, requests: int, size: int = 0) -> int:
        """How long so many requests take, or so many bytes if they take longer."""
        times = [requests / self.requests if self.requests else 0.0, size / self.bytes if self.bytes else 0.0]
        return round(max(times) * self.seconds)


class KnownServer:
    """What earlier runs have shown of the server of a bucket; the same questions as for `ServerAbilities`.

    Args:
        lacks: what it was found to lack, see `ServerLack.lack`; None where no run has shown anything.
    """

    def __init__(self, lacks: Iterable[str] | None) -> None:
        self._lacks = None if lacks is None else frozenset(lacks)

    def lacks(self, ability: Ability) -> bool:
        """Whether it was found to lack something."""
        return self._lacks is not None and ability.lack in self._lacks

    def has_proved(self, ability: Ability) -> bool:
        """Whether runs have shown that it has something, as they did not find that it lacks it."""
        return self._lacks is not None and ability.lack not in self._lacks


class EarlierRuns:
    """The newest plans of a sync that were applied to the same buckets by the same transfer.

    Args:
        context: the sync.
        source, store: the buckets.
        by: who moves the bytes, see `Transfer.by`.
    """

    def __init__(self, context: SyncContext, source: Place, store: Place, by: str) -> None:
        self._context = context
        self._plans = list(islice(self._applied(source, store, by), _PLANS))

    def _applied(self, source: Place, store: Place, by: str) -> Iterator[tuple[Plan, list[EndedAttempt]]]:
        plans = self._context.plans
        for plan_id in islice(plans.newest_ids(), 4 * _PLANS):
            try:
                ended = [one for found in ended_attempts(self._context.state, plan_id).values() for one in found]
                plan = plans.load(plan_id) if ended else None
            except HyveError:
                continue  # only a hint is missing
            if plan is None or plan.transfer.by != by:
                continue
            if plan.source.is_same_place(source) and plan.store.is_same_place(store):
                yield plan, ended

    def rate(self, action: Action) -> Rate | None:
        """How fast an action was; None where no plan shows it."""
        requests = size = 0
        seconds = 0.0
        for plan, ended in self._plans:
            attempts = [one for one in ended if (one.shard <= plan.total("copy").shards) == (action == "copy")]
            requests += sum(one.requests for one in attempts)
            # The newest attempt counts the bytes of those before.
            size += sum({one.shard: one.tally.bytes for one in sorted(attempts, key=_attempt)}.values())
            seconds += _busy_seconds(attempts)
        return Rate(requests, size, seconds) if requests and seconds else None

    def server(self, place: Place) -> KnownServer:
        """What the newest of these plans showed of the server of a bucket."""
        for plan, ended in self._plans:
            copies = [one for one in ended if one.shard <= plan.total("copy").shards and one.tally.done]
            if copies:
                return KnownServer(self._lacks_of(plan, copies, f"s3://{place.bucket}"))
        return KnownServer(None)

    def _lacks_of(self, plan: Plan, attempts: list[EndedAttempt], place: str) -> list[str]:
        telling = [one for one in sorted(attempts, key=_attempt, reverse=True) if one.has_more]
        found: list[str] = []
        for one in telling[:_SUMMARIES]:
            try:
                shard = plan.shard(one.shard)
                if shard is not None:
                    summary = ShardJournal(self._context.state, plan.id, shard).summary(one.attempt)
                    found += [lack.lack for lack in summary.lacks if lack.place == place]
            except HyveError:
                continue  # only a hint is missing
        return found


def _attempt(one: EndedAttempt) -> tuple[int, int]:
    return one.attempt, one.shard


def _busy_seconds(attempts: Iterable[EndedAttempt]) -> float:
    """The seconds in which at least one of these attempts was running."""
    seconds, until = 0.0, 0.0
    spans = sorted((one.at.timestamp() - one.seconds, one.at.timestamp()) for one in attempts)
    for begin, end in spans:
        seconds += max(end - max(begin, until), 0.0)
        until = max(until, end)
    return seconds
