"""Plans of some keys of a sync with a mapping: by a list, and by events."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from hyve_pipeline.core.base.errors import RefusedError
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.core.settings.mapping import KeyMapping
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.follow.follow import Follower, drain, open_queue
from hyve_pipeline.operations.follow.round import Round
from hyve_pipeline.operations.plan.dryrun import take_plan, take_plan_of_keys
from hyve_pipeline.operations.undo import undo_plan
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline.state.parquet import ParquetReader
from hyve_pipeline_tests.operations.applying import apply, planned
from hyve_pipeline_tests.operations.follow.rounds import one_round
from hyve_pipeline_tests.operations.test_mapping import (
    KEYS,
    RULES,
    SOME_RULES,
    add_rules,
    homes,  # noqa: F401 - a fixture
    with_rules,
)
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.queues import OwnQueue, event_of, following, send_events
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair, new_pair
from hyve_pipeline_tests.tally import THOROUGHNESS

# By the first of them, no key below archive/ may be the source's own.
_MERGING = [{"from": "raw/", "to": "archive/"}, {"from": "", "to": ""}]


def _written(pair: Pair, *keys: str) -> str:
    """A list of keys of the source."""
    file = pair.home / "keys.txt"
    file.write_text("".join(f"{pair.source.place.prefix}{key}\n" for key in keys))
    return str(file)


def _changes(context: SyncContext, plan: Plan) -> dict[str, tuple[Any, ...]]:
    """What a plan does, by key; without times, of which HEAD has no fractions, and without what needs nothing."""
    columns = ["key", "set", "size", "source_etag", "store_etag"]
    files = [ParquetReader(context.state, file) for file in plan.changes]
    rows = [row for file in files for table in file.tables() for row in table.select(columns).to_pylist()]
    return {row["key"]: tuple(row.values()) for row in rows}


def test_a_list_names_keys_of_the_source(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(prefixes=("in/", "out/"), versioned=True, max_deletes=100)
    add_rules(pair, *RULES)
    pair.source.put({"in/raw/2025/a b": b"1", "in/incoming/7/ü": b"2", "in/raw/2025/unnamed": b"3", "in/notes": b"-"})
    before = {
        "out/archive/2025/gone": b"g",
        "out/archive/2025/unnamed": b"old",
        # No key of the source becomes these, though they have the names of listed ones.
        "out/raw/2025/gone": b"m",
        "out/notes": b"m",
    }
    pair.store.put(before)
    file = _written(pair, "raw/2025/a b", "incoming/7/ü", "raw/2025/gone", "raw/2025/nowhere", "notes", "incoming/x")
    done = hyve("sync", "--keys", file, "--yes", "--json")
    assert (done.code, done.document["verified"]) == (0, True), done
    assert (done.document["copied"], done.document["deleted"]) == (2, 1)
    assert "keys.txt: 2 lines have keys that no rule of the mapping is about, the first of them line 5" in done.err
    copies = {"out/archive/2025/a b": b"1", "out/photos/ü-7": b"2"}
    del before["out/archive/2025/gone"]
    assert pair.store.read() == before | copies
    assert pair.lines("new") == sorted(copies)
    shown = hyve("show", "latest", "--keys", "all", "--json").document
    assert shown["named"] == {"by": "list", "keys": 4, "in_neither": 1, "left_out": 2}
    text = hyve("show", "latest", "--keys", "all").out
    assert "of 4 keys of a list (and 2 that the mapping leaves out), 1 of them in neither bucket" in text
    assert "photos/ü-7  from in/incoming/7/ü\n" in text
    assert hyve("verify", "--plan", done.document["plan"]).code == 0
    assert hyve("undo", done.document["plan"]).code == 0
    assert pair.store.read()["out/archive/2025/gone"] == b"g"


def test_filters_look_at_the_store_s_key(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(exclude=["photos/*"])
    add_rules(pair, *RULES)
    pair.source.put({"raw/2025/a": b"1", "incoming/7/b": b"2"})
    done = hyve("dryrun", "--keys", _written(pair, "raw/2025/a", "incoming/7/b"), "--json")
    assert "keys.txt: line 2 has a key that the filters exclude" in done.err
    assert done.document["new"]["objects"] == 1


def test_a_list_without_any_key_of_the_mapping_makes_no_plan(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    add_rules(pair, *RULES)
    done = hyve("dryrun", "--keys", _written(pair, "notes", "readme"))
    assert done.code == 2
    assert done.only_line.endswith("keys.txt: no rule of the mapping is about any of its keys; no plan was made")


def test_two_keys_that_would_become_one_refuse_a_list(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(max_deletes=100)
    add_rules(pair, *_MERGING)
    pair.source.put({"raw/x": b"1", "archive/y": b"2"})
    pair.store.put({"archive/y": b"raw/y's"})
    done = hyve("sync", "--keys", _written(pair, "raw/x", "archive/y"), "--yes", "--json")
    assert (done.code, done.document["plan"], done.document["refused"]["rule"]) == (3, None, "mapping")
    for place in (f"{pair.source.name}/archive/y", f"{pair.source.name}/raw/y", f"{pair.store.name}/archive/y"):
        assert f"s3://{place}" in done.document["refused"]["detail"]
    assert pair.store.read() == {"archive/y": b"raw/y's"}
    # The other key alone is no problem. Nor is one that the source lacks: the store's belongs to raw/y, not to it.
    pair.source.delete("archive/y")
    done = hyve("sync", "--keys", _written(pair, "raw/x", "archive/y"), "--yes", "--json")
    assert (done.code, done.document["deleted"]) == (0, 0)
    assert pair.store.read() == {"archive/x": b"1", "archive/y": b"raw/y's"}


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        (RULES, "incoming/17/b"),
        (RULES, "raw/2025/b"),
        (RULES[:1], "raw/2025/\U0001f600"),
        ([{"from": "raw/2025/é", "to": "é"}, *RULES], "raw/2025/éa"),
    ],
)
def test_a_source_without_any_key_of_the_mapping_is_empty(
    make_pair: MakePair, rules: list[dict[str, str]], left: str
) -> None:
    pair = make_pair(prefixes=("in/", "out/"))
    context = with_rules(pair, *rules)
    # No rule is about these; the last ones are beside what the rules are about.
    pair.source.put({f"in/{key}": b"-" for key in ("a", "incoming/x/b", "raw/2024/z", "raw/2025", "raw/2025.", "z")})
    pair.store.put({"out/archive/2025/gone": b"g"})
    refused = [("empty_source", "delete")]
    assert [(one.rule, one.action) for one in planned(context).refusals] == refused
    plan = take_plan_of_keys(context, ["raw/2025/gone"], "list")
    assert [(one.rule, one.action) for one in plan.refusals] == refused
    pair.source.put({f"in/{left}": b"1"})
    plan = take_plan_of_keys(context, ["raw/2025/gone"], "list")
    assert (plan.refusals, plan.count(ChangeSet.DUPLICATE).objects) == ((), 1)


def test_limits_are_shares_of_what_the_mapping_is_about(make_pair: MakePair) -> None:
    pair = make_pair()
    context = with_rules(pair, *RULES).overridden(max_deletes="50%")
    gone = [f"{number:03d}" for number in range(101)]
    pair.source.put({"raw/2025/stays": b"1"})
    pair.store.put({f"archive/2025/{key}": b"g" for key in gone} | {f"foreign/{key}": b"f" for key in gone * 3})
    assert [one.rule for one in take_plan(context).refusals] == ["max_deletes"]
    plan = take_plan_of_keys(context, [f"raw/2025/{key}" for key in gone], "list")
    assert [one.rule for one in plan.refusals] == ["max_deletes"]
    assert "101 of the store's 101 objects" in plan.refusals[0].detail
    assert take_plan_of_keys(context, [f"raw/2025/{key}" for key in gone[:50]], "list").refusals == ()


def test_many_keys_are_taken_from_listings(make_pair: MakePair) -> None:
    pair = make_pair()
    context = with_rules(pair, *RULES)
    pair.source.put({"raw/2025/a": b"1", "incoming/7/b": b"2", "incoming/8/unnamed": b"3", "notes": b"-"})
    pair.store.put({"archive/2025/gone": b"g", "photos/unnamed-8": b"old", "foreign": b"f"})
    keys = ["raw/2025/a", "incoming/7/b", "raw/2025/gone", "notes"]
    by_head = take_plan_of_keys(context, keys, "list")
    planned(context)
    plan = take_plan_of_keys(replace(context, bounds=WorkBounds(keys_by_head=0)), keys, "list")
    assert context.inventories("source").load(plan.source_inventory).proof[0].pages == 1
    assert _changes(context, plan) == _changes(context, by_head)
    apply(context, plan, "copy", "delete")
    assert verify_plan(context, plan).verified
    assert pair.store.read() == {
        "archive/2025/a": b"1",
        "photos/b-7": b"2",
        "photos/unnamed-8": b"old",
        "foreign": b"f",
    }


def test_a_plan_of_keys_keeps_its_mapping(make_pair: MakePair) -> None:
    pair = make_pair()
    pair.source.put({"raw/2025/a": b"1"})
    plan = take_plan_of_keys(with_rules(pair, *RULES), ["raw/2025/a"], "list")
    changed = with_rules(pair, {"from": "raw/2025/", "to": "other/"})
    apply(changed, plan, "copy")
    assert verify_plan(changed, plan).verified
    assert pair.store.read() == {"archive/2025/a": b"1"}


@settings(
    max_examples=5 * THOROUGHNESS,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(rules=SOME_RULES, source=KEYS, store=KEYS)
def test_a_plan_of_all_keys_by_a_list_is_that_by_listings(
    make_place: MakePlace,
    homes: Any,  # noqa: F811
    rules: list[dict[str, str]],
    source: set[str],
    store: set[str],
) -> None:
    mapping = KeyMapping(with_rules(new_pair(make_place, next(homes)), *rules).settings.mapping)
    assume(any(mapping.to_store(key) is not None for key in source))
    pair = new_pair(make_place, next(homes))
    pair.source.put({key: key.encode() for key in source})
    pair.store.put(dict.fromkeys(store, b"before"))
    context = with_rules(pair, *rules, compare="etag", shard_objects=3)
    before = pair.store.read()
    all_keys = source | {found for key in store if (found := mapping.to_source(key)) is not None}
    try:
        whole = planned(context)
    except RefusedError:
        with pytest.raises(RefusedError, match="refused by mapping"):
            take_plan_of_keys(context, all_keys, "list")
        assert pair.store.read() == before
        return
    elsewhere = with_rules(Pair(next(homes), pair.source, pair.store), *rules, compare="etag", shard_objects=3)
    plan = take_plan_of_keys(elsewhere, all_keys, "list")
    assert _changes(elsewhere, plan) == _changes(context, whole)
    assert plan.named is not None
    assert plan.named.left_out == sum(mapping.to_store(key) is None for key in source)
    apply(elsewhere, plan, "copy", "delete")
    assert verify_plan(elsewhere, plan).verified
    assert planned(context).is_empty


@pytest.fixture
def pair(make_pair: MakePair, queue_endpoint: str) -> Pair:
    """A sync on the server that has queues."""
    return make_pair(endpoint_url=queue_endpoint, versioned=True)


def test_events_of_the_source_change_the_keys_that_theirs_become(pair: Pair, queue: OwnQueue) -> None:
    context = following(with_rules(pair, *RULES), queue)
    pair.source.put({"raw/2025/gone": b"g", "raw/2025/stays": b"s"})
    pair.store.put({"archive/2025/gone": b"g", "archive/2025/other": b"o", "raw/2025/gone": b"foreign"})
    send_events(pair.source, queue)
    pair.source.put({"incoming/7/a b+c%/é": b"new", "notes": b"-"})
    pair.source.delete("raw/2025/gone")
    queue.send(event_of(pair.source.name, "raw/2025/gone", "ObjectRemoved:DeleteMarkerCreated"))
    done = one_round(context)
    assert (done.keys, done.copied, done.deleted, done.verified, done.exit_code) == (2, 1, 1, True, 0)
    # The message of notes is settled too: no rule is about it.
    assert queue.counts() == (0, 0)
    left = {"archive/2025/other": b"o", "raw/2025/gone": b"foreign"}
    assert pair.store.read() == left | {"photos/a b+c%/é-7": b"new"}
    assert done.plan is not None
    assert undo_plan(context, context.plans.load(done.plan), "undo").restored == 1
    assert pair.store.read()["archive/2025/gone"] == b"g"


def test_events_are_left_while_two_keys_would_become_one(pair: Pair, queue: OwnQueue) -> None:
    context = following(with_rules(pair, *_MERGING), queue)
    pair.source.put({"raw/x": b"1", "archive/y": b"2", "stays": b"3"})
    pair.store.put({"archive/y": b"raw/y's"})
    send_of = lambda *keys: queue.send(*(event_of(pair.source.name, key) for key in keys))  # noqa: E731
    send_of("raw/x", "archive/y")
    done = one_round(context)
    assert (done.plan, done.settled, done.exit_code) == (None, 0, 3)
    assert {refusal.rule for refusal in done.refused} == {"mapping"}
    assert pair.store.read() == {"archive/y": b"raw/y's"}
    send_of("raw/x", "archive/y")
    drained = open_queue(context)
    assert len(drain(context, drained)) == 1
    # Who follows goes on, and what was refused before is done when the reason is gone.
    send_of("raw/x", "archive/y")
    rounds = iter(Follower(context, drained))
    assert next(rounds).refused  # type: ignore[union-attr]
    pair.source.delete("archive/y")
    send_of("raw/x", "archive/y")
    done = next(rounds)
    assert isinstance(done, Round)
    assert (done.refused, done.copied, done.deleted) == ((), 1, 0)
    assert pair.store.read() == {"archive/x": b"1", "archive/y": b"raw/y's"}
    drained.close()


@pytest.mark.parametrize("seed", range(2))
def test_lost_doubled_and_late_events_end_in_the_same_store(seed: int, pair: Pair, queue: OwnQueue) -> None:
    chosen = random.Random(seed)
    context = following(with_rules(pair, *RULES), queue)
    keys = [*(f"raw/2025/{number}" for number in range(6)), *(f"incoming/{number}/a+b é" for number in range(6)), "no"]
    mapping = KeyMapping(context.settings.mapping)
    foreign = {"mine": b"m", "raw/2025/1": b"m", "photos/x": b"m"}
    pair.store.put(foreign)
    pair.source.put({"raw/2025/always": b"1"})
    send_events(pair.source, queue)
    late: list[str] = []
    for _ in range(3):
        for key in chosen.sample(keys, 8):
            if chosen.random() < 0.7:
                pair.source.put({key: chosen.choice([b"", b"1", b"22", b"333"])})
            else:
                pair.source.delete(key)
                queue.send(event_of(pair.source.name, key, "ObjectRemoved:Delete"))
        late = queue.disturb(chosen, late)
        one_round(context)
        store = pair.store.read()
        assert foreign.items() <= store.items()
        assert all(mapping.to_source(key) is not None for key in store.keys() - foreign.keys())
    source = pair.source.read()
    wanted = {name: content for key, content in source.items() if (name := mapping.to_store(key)) is not None}
    plan = take_plan(context)
    assert plan.refusals == ()
    apply(context, plan, "copy", "delete")
    assert pair.store.read() == foreign | wanted
    assert verify_plan(context, plan).verified
    queue.send(*late)
    assert one_round(context).plan is None
    assert pair.store.read() == foreign | wanted
