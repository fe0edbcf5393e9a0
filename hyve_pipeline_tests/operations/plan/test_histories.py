"""Whatever happens to a key that was once copied, it is never unchanged while the contents differ.

Keys are independent of each other, so each key of a world is a history of its own: writes on both sides, of one size
and by clocks that are up to a day wrong, plans that are applied in part, crashes, undos and deletes.
"""

import hashlib
import random
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.journal import CHANGED, AttemptSummary, JournalRow, Outcome, count_outcomes
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.journal.ends import note_end
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan, read_shard
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline.state.parquet import ParquetReader
from hyve_pipeline.state.undone import UndoneKeys
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory
from hyve_pipeline_tests.tally import THOROUGHNESS, counts

_DAY = 86_400
_KEYS = 200
_STEPS = 12


@dataclass
class World:
    """Two buckets of the same keys, each an object's content, ETag and time, and a sync between them."""

    home: Path
    seed: int
    source: dict[str, tuple[str, Entry]] = field(default_factory=dict)
    store: dict[str, tuple[str, Entry]] = field(default_factory=dict)
    # Keys of which a copy was made, and not deleted since.
    copied: set[str] = field(default_factory=set)
    # What the newest plan overwrote or deleted, by key.
    overwritten: dict[str, tuple[str, Entry]] = field(default_factory=dict)
    time: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.context = context_at(
            self.home, shard_objects=40, transfer="stream", max_deletes=_KEYS, compare=self.random.choice(_RULES)
        )

    def new_object(self, content: str) -> tuple[str, Entry]:
        """An object as some server lists it: its ETag may be an MD5, or new with each write."""
        is_opaque = self.random.random() < 0.3
        digest = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
        etag = f"{self.random.getrandbits(128):032x}" if is_opaque else digest
        return content, Entry(time=self.time + self.random.uniform(-_DAY, _DAY), etag=etag)

    def write(self, side: dict[str, tuple[str, Entry]], share: float) -> None:
        for number in range(_KEYS):
            if self.random.random() < share:
                side[f"{number:04d}"] = self.new_object(self.random.choice("abc"))

    def delete(self, side: dict[str, tuple[str, Entry]]) -> None:
        for key in list(side):
            if self.random.random() < 0.1:
                del side[key]

    def plan(self) -> Plan:
        entries = [{key: entry for key, (_, entry) in side.items()} for side in (self.source, self.store)]
        listed = (written_inventory(self.context, side, found) for side, found in zip(_SIDES, entries, strict=True))
        diff = diff_inventories(self.context, *listed)
        named: set[str] = set()
        for file in diff.changes:
            reader = ParquetReader(self.context.state, file)
            named.update(key for table in reader.tables() for key in table.column("key").to_pylist())
            reader.close()
        for key in self.copied & self.source.keys() & self.store.keys() - named:
            assert self.source[key][0] == self.store[key][0], f"{key} of world {self.seed} counts as unchanged"
        counts["histories with a plan"] += len(self.copied)
        assert diff.counts[ChangeSet.UNCHANGED].objects == len({*self.source, *self.store}) - len(named)
        return freeze_plan(self.context, diff)

    def apply(self) -> None:
        plan = self.plan()
        self.overwritten = {}
        for shard in plan.shards:
            fate = self.random.choice(["done", "done", "crash", "untried"])
            if fate == "untried" or (shard.action == "delete" and fate == "crash"):
                continue
            journal = ShardJournal(self.context.state, plan.id, shard)
            rows: list[JournalRow] = []
            with journal.claimed(self.context.actor) as claim, journal.begin(claim, "run", datetime.now(UTC)) as writer:
                for row in read_shard(self.context, plan, shard).to_pylist():
                    outcome = self.do(row["key"], shard.action, may_fail=fate == "crash")
                    if outcome is not None:
                        rows.append(outcome)
                        writer.append(outcome)
                if fate == "done":
                    now = datetime.now(UTC)
                    totals = dict(count_outcomes(rows))
                    summary = AttemptSummary(attempt=1, run_id="run", started=now, ended=now, **totals)
                    writer.finish(summary)
                    note_end(self.context, plan, shard, summary)

    def do(self, key: str, action: str, *, may_fail: bool) -> JournalRow | None:
        """Copy or delete an object, and return its row; None where a crash came before the row was written."""
        now = datetime.now(UTC)
        before = self.store.get(key)
        etag_before = None if before is None else before[1].etag
        chance = self.random.random()
        if action == "delete":
            del self.store[key]
            self.copied.discard(key)
        elif chance < 0.1:
            return JournalRow(key, "copy", Outcome.SKIPPED, now, code=CHANGED)
        elif may_fail and chance < 0.4:
            return None
        else:
            self.store[key] = self.new_object(self.source[key][0])
            self.copied.add(key)
            if chance < 0.5:
                return None if may_fail else JournalRow(key, "copy", Outcome.FAILED, now, code="InternalError")
        if before is not None:
            self.overwritten[key] = before
        after = self.store[key][1].etag if key in self.store else None
        kind = "delete" if action == "delete" else "copy"
        return JournalRow(key, kind, Outcome.DONE, now, etag_before=etag_before, etag_after=after)

    def undo(self) -> None:
        """Put back what the newest plan overwrote, as an undo does: it keeps the keys before."""
        kept = UndoneKeys(self.context.state, self.context.settings.store)
        kept.keep(kept.new_id(datetime.now(UTC)), 1, sorted(self.overwritten))
        for key, (content, _) in self.overwritten.items():
            self.store[key] = self.new_object(content)
        self.overwritten = {}

    def step(self) -> None:
        self.time += 100
        match self.random.choice(["source", "source", "store", "delete", "apply", "apply", "apply", "undo"]):
            case "source":
                self.write(self.source, 0.3)
            case "store":
                self.write(self.store, 0.1)
            case "delete":
                self.delete(self.random.choice([self.source, self.store]))
            case "apply":
                self.apply()
            case _:
                self.undo()


_SIDES = ("source", "store")
_RULES = ("last_modified", "size", "etag")


@pytest.mark.parametrize("seed", range(2 * THOROUGHNESS))
def test_no_key_is_wrongly_unchanged(seed: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        world = World(Path(home), seed)
        world.write(world.source, 0.8)
        world.apply()
        for _ in range(_STEPS):
            world.step()
        world.plan()
    counts["histories"] += _KEYS
