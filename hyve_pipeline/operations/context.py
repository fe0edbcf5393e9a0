"""What every operation needs: the home, and the settings of one sync."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hyve_pipeline.core.base.errors import ConfigurationError, RefusedError
from hyve_pipeline.core.base.keys import shortened
from hyve_pipeline.core.base.suggestions import hint_for
from hyve_pipeline.core.model.event import Actor, EventKind
from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.core.settings.access_keys import AccessKeys
from hyve_pipeline.core.settings.load import load_settings, select_sync
from hyve_pipeline.core.settings.mapping import MappingRule
from hyve_pipeline.core.settings.model import Settings, SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings, Place
from hyve_pipeline.operations.places import check_overlap, locate_sync
from hyve_pipeline.state.batch_rounds import open_round, raise_if_open
from hyve_pipeline.state.credentials import check_profiles
from hyve_pipeline.state.epochs import Epoch, applied_beside, applying
from hyve_pipeline.state.events import EventLog
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.following import await_turn, is_turn_taken
from hyve_pipeline.state.heartbeat import ClaimTimes
from hyve_pipeline.state.home import Home
from hyve_pipeline.state.inventories import InventoryShelf
from hyve_pipeline.state.liveness import RunSign, Sign, last_sign, remove_old_signs
from hyve_pipeline.state.memories import MemoryShelf
from hyve_pipeline.state.plans import LATEST, DiffShelf, PlanShelf
from hyve_pipeline.state.rate_shares import RateShares

if TYPE_CHECKING:
    from hyve_pipeline.s3.connection.connection import Connection

_logger = logging.getLogger(__name__)

# The layers above import these from here.
__all__ = ["LATEST", "Folder", "Home", "RunSign", "Sign", "SyncContext", "load_configuration", "syncs_with_same_store"]


def load_configuration(home: Home) -> Settings:
    """Read the home's configuration.

    Raises:
        ConfigurationError: it is missing or wrong, or it names an AWS profile that does not exist.
    """
    home.make_private()
    settings = load_settings(home.settings_file)
    check_profiles(settings, home.settings_file)
    return settings


@dataclass(frozen=True)
class SyncContext:
    """One sync in one home.

    Attributes:
        home: where all state is.
        settings: the sync's settings. Source and store are `Place`s, with the server that requests go to, if this
            process can determine it.
        keys: the access keys of each known resource of a Dagster project that the settings name; None for a resource
            that names a profile or uses AWS's default chain.
        actor: the command or run that acts, for the events.
        claim_times: the intervals of heartbeats of claims, in a state in a bucket; the same in all processes.
        bounds: how much an operation has in memory, or does, at a time.
        rates: this process's share of `bandwidth` and `requests_per_second`.
        inventory_date: the report of S3 Inventory to read, by the beginning of its name such as ``2026-11-28``; None
            for the newest.
        has_turn: whether this is a round of events, which nobody else has then; all others wait until it has ended
            before they apply or undo a plan.
    """

    home: Home
    settings: SyncSettings
    keys: Mapping[str, AccessKeys | None] = field(default_factory=dict, repr=False, compare=False)
    actor: Actor = field(default_factory=lambda: Actor.of_command("python"), compare=False)
    claim_times: ClaimTimes = field(default_factory=ClaimTimes, compare=False)
    bounds: WorkBounds = field(default_factory=WorkBounds, compare=False)
    rates: RateShares = field(default_factory=RateShares, repr=False, compare=False)
    inventory_date: str | None = None
    has_turn: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        """Determine the servers that requests go to.

        Raises:
            ConfigurationError: source, store and trash overlap there, or one of them overlaps the state.
        """
        located = locate_sync(self.settings, self.keys)
        check_overlap(located, self.home.state_place)
        object.__setattr__(self, "settings", located)

    @classmethod
    def choose(cls, home: Home, sync: str | None) -> "SyncContext":
        """Read the configuration and choose a sync; `sync` may be None when there is only one.

        Raises:
            ConfigurationError: the configuration is not valid, or the sync can't be chosen.
        """
        chosen = select_sync(load_configuration(home), sync, home.settings_file)
        _logger.info("sync %s of %s, its state is in %s", chosen.name, home.settings_file, home.storage.uri)
        return cls(home, chosen)

    @classmethod
    def of_state(cls, home: Home, sync: str | None) -> "SyncContext":
        """Like `choose`, or for a state in a bucket and a home without configuration, a sync by the newest plan.

        For workers that have only the state: buckets, profiles and options are those of the plan.

        Raises:
            ConfigurationError: as `choose`, or the state has no such sync, or no plan of it.
        """
        if home.settings_file.exists() or home.storage.folder is not None:
            return cls.choose(home, sync)
        names = home.syncs()
        if sync is None and len(names) > 1:
            raise ConfigurationError(f"{home.storage.uri} has several syncs, choose one by --sync: {', '.join(names)}")
        name = sync or next(iter(names), None)
        plan = None if name is None else PlanShelf(home.state(name), name).newest()
        if name is None or plan is None:
            of_sync = f"of sync {shortened(name)} " if name else ""
            hint = hint_for(name, names) if name and name not in names else ""
            raise ConfigurationError(f"{home.storage.uri} has no plan {of_sync}yet: run 'hyve dryrun' first{hint}")
        settings = SyncSettings(
            name=name, source=plan.source, store=plan.store, options=plan.options, mapping=plan.source.mapping
        )
        return cls(home, settings)

    def acting_as(self, actor: Actor) -> "SyncContext":
        """The same sync with another actor."""
        return replace(self, actor=actor)

    def overridden(self, **options: object) -> "SyncContext":
        """The same sync with some options replaced; None keeps an option.

        Raises:
            ConfigurationError: a value is not valid for its option.
        """
        given = {name: value for name, value in options.items() if value is not None}
        if not given:
            return self
        try:
            changed = Options.model_validate(self.settings.options.model_dump() | given)
        except ValidationError as error:
            first = error.errors()[0]
            raise ConfigurationError(f"{first['loc'][0]}: {first['msg'].removeprefix('Value error, ')}") from error
        return replace(self, settings=self.settings.model_copy(update={"options": changed}))

    def with_options(self, options: Options) -> "SyncContext":
        """The same sync with other options, such as those of a plan."""
        return replace(self, settings=self.settings.model_copy(update={"options": options}))

    def with_mapping(self, mapping: tuple[MappingRule, ...]) -> "SyncContext":
        """The same sync with another mapping, such as that of a plan."""
        return replace(self, settings=self.settings.model_copy(update={"mapping": mapping}))

    def with_inventory_date(self, date: str | None) -> "SyncContext":
        """The same sync, whose dryruns read the S3 Inventory reports of a date; None for the newest.

        Raises:
            ConfigurationError: no side has reports.
        """
        if date is not None and self.settings.source.inventory is None and self.settings.store.inventory is None:
            raise ConfigurationError(
                f"inventory date {date}: sync {self.name} has no reports: set inventory in "
                f"[sync.{self.name}.source] or [sync.{self.name}.store]"
            )
        return self if date is None else replace(self, inventory_date=date)

    @property
    def name(self) -> str:
        """The sync's name."""
        return self.settings.name

    @property
    def state(self) -> Folder:
        """The folder of the sync's state."""
        return self.home.state(self.name)

    @property
    def lists(self) -> Folder:
        """The folder of the newest plan's text lists."""
        return self.home.lists(self.name)

    @property
    def diffs(self) -> DiffShelf:
        """The sync's diffs."""
        return DiffShelf(self.state)

    @property
    def memories(self) -> MemoryShelf:
        """What is remembered of copied objects."""
        return MemoryShelf(self.state)

    @cached_property
    def events(self) -> EventLog:
        """The sync's events."""
        return EventLog(self.state)

    def note(self, kind: EventKind, **members: Any) -> None:
        """Append an event of this actor; `members` are those of `Event`.

        Raises:
            StateError: it can't be written.
        """
        self.events.append(kind, self.actor, **members)

    @property
    def plans(self) -> PlanShelf:
        """The sync's plans."""
        return PlanShelf(self.state, self.name)

    def inventories(self, side: Side) -> InventoryShelf:
        """The inventories of one side."""
        return InventoryShelf(self.state, side)

    def place(self, side: Side) -> BucketSettings:
        """The bucket of one side."""
        return self.settings.source if side == "source" else self.settings.store

    def located(self, side: Side) -> Place:
        """The bucket of one side with its server.

        Raises:
            ConfigurationError: the server that its requests go to can't be determined.
        """
        place = self.place(side)
        if isinstance(place, Place):
            return place
        self._check_known(place)
        from hyve_pipeline.s3.connection.servers import locate

        return locate(place)

    def is_place(self, side: Side, planned: Place) -> bool:
        """Whether requests for a side still go to the place in a plan."""
        place = self.place(side)
        if place.server is None:
            # Only a run has the resource or the AWS profile; it checks again.
            return (place.uri, place.resource) == (planned.uri, planned.resource)
        return place.is_same_place(planned)

    def check_pair(self) -> None:
        """Check that the state belongs to these two buckets: it is that of the pair which its newest plan is of.

        Two syncs of one name in one home would replace each other's lists, and take what one has copied for a copy of
        the other.

        Raises:
            ConfigurationError: another pair of buckets has used it.
        """
        plan = self.plans.newest()
        if plan is None:
            return
        pairs = ((self.settings.source, plan.source), (self.settings.store, plan.store))
        if any(_is_elsewhere(now, was) for now, was in pairs):
            mine, owner = (" to ".join(_shown_place(place) for place in side) for side in zip(*pairs, strict=True))
            raise ConfigurationError(
                f"sync {self.name} is of {mine}, but {self.state.uri} is the state of {owner}: give the sync another "
                "name or another home, or move this state away, to begin anew"
            )

    def one_of(self, processes: int) -> "SyncContext":
        """The same sync for each of so many processes, with its share of the limits a second."""
        return self if processes == 1 else replace(self, rates=self.rates.divided(processes))

    @contextmanager
    def sharing_rates(self) -> Iterator[None]:
        """Share the limits a second with other commands and runs that work on the sync, until the block ends."""
        with self.rates.sharing(self.settings.options, self.state, self.actor):
            yield

    @contextmanager
    def applying(self, plan_id: str, *, alone: bool = False, follows_jobs: bool = False) -> Iterator[Epoch]:
        """Prevent any process from applying another plan of the sync until the block ends.

        A round of events is short, and is waited for.

        Args:
            plan_id: the plan that is applied.
            alone: no other process may apply this plan either, as during an undo.
            follows_jobs: jobs of S3 Batch Operations may be copying, which this process follows.

        Raises:
            RefusedError: on entering, another plan of the sync is being applied, or this one is being undone, or jobs
                are copying.

        Returns:
            This process's part in it, checked before each request that writes.
        """
        with ExitStack() as stack:
            epoch = None
            was_free = self.has_turn
            while epoch is None:
                entered = applying(self.state, self.name, plan_id, self.actor, alone=alone, times=self.claim_times)
                try:
                    epoch = stack.enter_context(entered)
                except RefusedError:
                    if was_free:
                        raise
                    # The round that was in the way may have ended just now.
                    was_free = not is_turn_taken(self.state, self.claim_times)
                    await_turn(self.state, self.claim_times)
            stack.enter_context(self.sharing_rates())
            if not follows_jobs:
                raise_if_open(self.state)
            yield epoch

    def applied_beside(self, plan_id: str | None = None) -> str | None:
        """The plan of the sync, other than `plan_id`, that any process is applying now."""
        return applied_beside(self.state, plan_id, self.claim_times)

    def applying_beside(self, plan_id: str | None = None) -> str | None:
        """What else writes into the store for the sync now, in words: a process, or jobs that perhaps nobody follows.

        Raises:
            StateError: the state can't be read.
        """
        applied = self.applied_beside(plan_id)
        if applied is not None:
            return f"plan {applied} is being applied"
        opened = open_round(self.state)
        return None if opened is None else f"jobs of S3 Batch Operations copy for plan {opened.plan}"

    def last_sign(self, run_id: str) -> Sign | None:
        """The last sign of life of a run; None if it gave none.

        Raises:
            StateError: it can't be read.
        """
        return last_sign(self.state, run_id)

    def remove_old_signs(self) -> None:
        """Remove the signs of life of runs that ended long ago."""
        remove_old_signs(self.state)

    def connect(self, place: BucketSettings, *, once: frozenset[str] = frozenset()) -> "Connection":
        """Open a connection to a bucket of this sync.

        Args:
            place: the bucket.
            once: the operations whose requests are never sent again.

        Raises:
            ConfigurationError: its profile, credentials or region can't be used.
        """
        self._check_known(place)
        # Imported late: commands that only read plans and journals need no S3 library.
        from hyve_pipeline.s3.connection.open_connection import open_connection
        from hyve_pipeline.s3.connection.retry_policy import RetryPolicy

        options = self.settings.options
        keys = self.keys[place.resource] if place.resource is not None else None
        return open_connection(
            place,
            keys=keys,
            concurrency=options.concurrency,
            # The CRT sends requests again by itself.
            transport="botocore" if once else options.transport,
            policy=RetryPolicy(options.patience_seconds, once=once),
            limits=self.rates.limits(options),
        )

    def _check_known(self, place: BucketSettings) -> None:
        """Refuse a place whose credentials only runs with its Dagster resource have."""
        if place.resource is not None and place.resource not in self.keys:
            raise ConfigurationError(
                f"{place.uri}: its credentials are in the resource {place.resource!r} of a Dagster project; "
                "only runs of that project can use them"
            )


def _is_elsewhere(now: BucketSettings, was: Place) -> bool:
    """Whether a bucket is another than that of a plan, as far as both servers are known."""
    return now.uri != was.uri or (None not in (now.server, was.endpoint_origin) and now.server != was.server)


def _shown_place(place: BucketSettings) -> str:
    return f"{place.uri} at {place.shown_server}" if isinstance(place, Place) else place.uri


def syncs_with_same_store(sync: SyncContext) -> list[str]:
    """Other syncs of the same configuration whose store overlaps this sync's store."""
    if not sync.home.settings_file.exists():
        return []
    settings = load_settings(sync.home.settings_file).sync.values()
    others = [locate_sync(other, {}) for other in settings if other.name != sync.name]
    return [other.name for other in others if other.store.overlaps(sync.settings.store)]
