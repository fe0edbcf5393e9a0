"""A sync with a mapping: the store holds exactly the renamed source, and nothing that is not its own is touched."""

import json
import re
from itertools import count, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hyve_pipeline import operations
from hyve_pipeline.core.base.errors import ConfigurationError, RefusedError
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.journal import BACK_IN_SOURCE
from hyve_pipeline.core.settings.mapping import MappingRule
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.take import take_inventories
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.dryrun import take_plan
from hyve_pipeline.operations.retention import drop_plans
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline_tests.operations.applying import apply, copied_plan, outcomes, planned, rows_of
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.reports import Report
from hyve_pipeline_tests.reports import rows_of as rows_of_bucket
from hyve_pipeline_tests.syncs import NAME, Bucket, Hyve, MakePair, Pair, new_pair
from hyve_pipeline_tests.tally import THOROUGHNESS

RULES = [
    {"from": "raw/2025/", "to": "archive/2025/"},
    {"match": r"^incoming/(\d+)/(.*)$", "replace": r"photos/\2-\1"},
]


def add_rules(pair: Pair, *rules: dict[str, Any]) -> None:
    """Add rules of a mapping to `hyve.toml`."""
    with (pair.home / "hyve.toml").open("a") as file:
        for rule in rules:
            lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in rule.items())
            file.write(f"[[sync.{NAME}.mapping]]\n{lines}")


def with_rules(pair: Pair, *rules: dict[str, Any], **options: Any) -> SyncContext:
    context = pair.context(max_deletes="100%", **options)
    return context.with_mapping(tuple(MappingRule.model_validate(rule) for rule in rules))


def test_keys_get_other_names(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(prefixes=("in/", "out/"), versioned=True, max_deletes=100)
    add_rules(pair, *RULES)
    pair.source.put(
        {
            "in/raw/2025/a b": b"1",
            "in/raw/2025/z/": b"22",
            "in/incoming/7/ü-3": b"333",
            "in/incoming/x/no": b"-",
            "in/other": b"-",
            # It has the name of a copy, and nothing to do with it.
            "in/archive/2025/gone": b"-",
            "raw/2025/outside": b"-",
        }
    )
    foreign = {"out/mine": b"m", "out/photos/readme": b"m", "archive/2025/x": b"m"}
    gone = {"out/archive/2025/gone": b"g", "out/photos/gone-1": b"g"}
    pair.store.put({**foreign, **gone})
    done = hyve("sync", "--json")
    assert (done.code, done.document["verified"]) == (0, True), done
    copies = {"out/archive/2025/a b": b"1", "out/archive/2025/z/": b"22", "out/photos/ü-3-7": b"333"}
    assert pair.store.read() == {**foreign, **copies}
    assert pair.lines("new") == sorted(copies)
    assert pair.lines("duplicate_stores") == [*gone]
    shown = hyve("show", "--keys", "all").out
    assert "photos/ü-3-7  from in/incoming/7/ü-3\n" in shown
    assert re.search(r"excluded +5 objects", shown), shown
    # Nothing is left to do, whether by memory, by content, or with everything compared.
    assert hyve("dryrun", "--json").document["new"]["objects"] == 0
    assert hyve("verify", "--content", "100%").code == 0
    proof = pair.home / "proof.json"
    assert hyve("prove", "--output", str(proof)).code == 0
    listings = json.loads(proof.read_text())
    assert listings["source"]["mapping"] == RULES
    assert [listings[side]["left_out"]["objects"] for side in ("source", "store")] == [3, 2]
    assert hyve("prove", "--check", str(proof), "--buckets").code == 0
    pair.store.put({"out/photos/ü-3-7": b"334"})
    assert hyve("verify").code == 1
    # What was deleted is put back; what was new stays.
    assert hyve("undo", done.document["plan"]).code == 0
    assert pair.store.read() == {**foreign, **gone, **copies, "out/photos/ü-3-7": b"334"}


def test_what_came_back_is_not_deleted(make_pair: MakePair) -> None:
    pair = make_pair()
    context = with_rules(pair, *RULES)
    pair.source.put({"raw/2025/stays": b"1"})
    gone = ["archive/2025/a", *(f"photos/n{number}-{number}" for number in range(30))]
    pair.store.put(dict.fromkeys(gone, b"g"))
    plan = copied_plan(context)
    pair.source.put({"raw/2025/a": b"new", "incoming/7/n7": b"new", "photos/n8-8": b"another's"})
    apply(context, plan, "delete")
    back = {"archive/2025/a", "photos/n7-7"}
    assert {key for key, found in outcomes(context, plan).items() if found == ("skipped", BACK_IN_SOURCE)} == back
    assert pair.store.keys() == sorted({*back, "archive/2025/stays"})
    rows = rows_of(context, plan)
    assert rows["photos/n7-7"].detail == f"the source has s3://{pair.source.name}/incoming/7/n7 again"
    assert rows["archive/2025/stays"].detail == "copied from raw/2025/stays"


@pytest.mark.both_states
def test_a_plan_keeps_its_mapping(make_pair: MakePair) -> None:
    pair = make_pair()
    pair.source.put({"raw/2025/a": b"1"})
    plan = planned(with_rules(pair, *RULES))
    changed = with_rules(pair, {"from": "raw/2025/", "to": "other/"})
    apply(changed, plan, "copy")
    assert pair.store.read() == {"archive/2025/a": b"1"}
    assert verify_plan(changed, plan).verified
    # Of the new mapping the store has nothing, and what it has is none of its business.
    assert pair.store.keys() == ["archive/2025/a"]
    following = planned(changed)
    assert [shard.first_key for shard in following.shards] == ["other/a"]


def test_moves_and_properties_are_those_of_the_renamed_source(make_pair: MakePair) -> None:
    pair = make_pair(prefixes=("in/", "out/"))
    context = with_rules(pair, *RULES, moves=True, compare_properties=True)
    pair.source.put({"in/incoming/2/same": b"same"}, ContentType="text/new")
    pair.source.put({"in/raw/2025/drifted": b"d"}, ContentType="text/new")
    pair.store.put({"out/photos/same-1": b"same", "out/archive/2025/drifted": b"d"}, ContentType="text/old")
    plan = planned(context)
    assert plan.moved.objects == 1
    apply(context, plan, "copy", "delete")
    assert rows_of(context, plan)["photos/same-2"].detail == "copied within the store, from out/photos/same-1"
    carried = pair.store.carried(["out/photos/same-2", "out/archive/2025/drifted"])
    assert {one["ContentType"] for one in carried.values()} == {"text/new"}
    assert pair.store.keys() == [*sorted(carried)]
    assert verify_plan(context, plan, content="100%").verified
    assert planned(context).is_empty


def test_reports_and_old_plans(make_pair: MakePair, make_place: MakePlace) -> None:
    """A plan from reports of S3 Inventory is that of listings, and retention keeps what is needed."""
    pair = make_pair()
    pair.source.put({"raw/2025/a b": b"1", "incoming/7/b+c": b"2", "none": b"3"})
    pair.store.put({"archive/2025/gone": b"g", "photos/x-1": b"g", "foreign": b"f"})
    context = with_rules(pair, *RULES)
    named = {}
    for side, bucket in (("source", pair.source), ("store", pair.store)):
        place = make_place("reports", prefix=f"{side}/all/")
        Report(bucket.name, rows_of_bucket(bucket)).write(Bucket(place, str(place.endpoint_url)))
        named[side] = context.place(side).model_copy(update={"inventory": place.uri})  # type: ignore[arg-type]
    by_report = SyncContext(context.home, context.settings.model_copy(update=named))
    plans = [take_plan(by_report), take_plan(context)]
    assert [plan.counts for plan in plans] == [plans[0].counts] * 2
    assert [plan.figures for plan in plans] == [plans[0].figures] * 2
    assert plans[0].count(ChangeSet.EXCLUDED).objects == 2
    assert [plan.source_inventory in str(context.state.names("mapped_inventories")) for plan in plans] == [True, True]
    drop_plans(context, [plans[0].id])
    assert [plan.source_inventory in str(context.state.names("mapped_inventories")) for plan in plans] == [False, True]
    apply(context, plans[1], "copy", "delete")
    assert pair.store.keys() == ["archive/2025/a b", "foreign", "photos/b+c-7"]
    assert verify_plan(context, plans[1]).verified


def test_two_keys_that_would_become_one_refuse_a_plan(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(max_deletes=100)
    add_rules(pair, {"from": "raw/", "to": "archive/"}, {"from": "", "to": ""})
    pair.source.put({"raw/x": b"1", "archive/x": b"2", "rest": b"3"})
    pair.store.put({"old": b"o"})
    for command in ("dryrun", "copy", "sync"):
        done = hyve(command, "--json")
        assert done.code == 3
        assert (done.document["plan"], done.document["refused"]["rule"]) == (None, "mapping")
        problem = done.err.splitlines()[-1]
        for place in (f"{pair.source.name}/archive/x", f"{pair.source.name}/raw/x", f"{pair.store.name}/archive/x"):
            assert f"s3://{place}" in problem
    assert pair.store.read() == {"old": b"o"}
    assert EventKind.PLAN_FROZEN not in [event.kind for event in pair.events()]
    pair.source.delete("archive/x")
    assert hyve("sync").code == 0
    assert pair.store.read() == {"archive/x": b"1", "rest": b"3"}


def test_an_earlier_time_can_not_be_combined_with_a_mapping(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    add_rules(pair, *RULES)
    done = hyve("dryrun", "--as-of", "2026-01-01T00:00:00Z")
    assert done.code == 2
    assert "--as-of can't be combined with mapping" in done.only_line


def test_inventories_of_another_mapping_are_not_compared(make_pair: MakePair) -> None:
    pair = make_pair()
    taken = take_inventories(with_rules(pair, *RULES), ["source", "store"])
    with pytest.raises(ConfigurationError, match="was taken with another mapping than that of the sync now"):
        diff_inventories(with_rules(pair, RULES[0]), taken["source"], taken["store"])


def test_only_a_place_joins_its_prefix_and_a_key() -> None:
    modules = sorted(Path(operations.__path__[0]).rglob("*.py"))
    joined = [path.name for path in modules if re.search(r"(place|source|store)\.prefix \+ ", path.read_text())]
    assert len(modules) > 100
    assert joined == []


# All keys that there may be: of a few segments, so that what becomes a key can be looked for among all of them. A key
# of a bucket has three at most, two more where it becomes a longer one, and two more in one that would become the same.
_SEGMENTS = ("a", "b", "7", "x-7")
_PREFIXES = ("", "a/", "b/", "a/b/", "7/a/", "x-7/")
_SHORT_KEYS = ["/".join(parts) for length in range(1, 6) for parts in product(_SEGMENTS, repeat=length)]
_ALL_KEYS = {prefix + key for prefix in _PREFIXES for key in _SHORT_KEYS}
KEYS = st.sets(st.sampled_from([key for key in _SHORT_KEYS if key.count("/") < 3]), max_size=12)
_PREFIX = st.sampled_from(_PREFIXES)
_RULE = st.builds(lambda old, new: {"from": old, "to": new}, _PREFIX, _PREFIX) | st.sampled_from(
    [
        {"match": r"a/(\d+)/(.*)", "replace": r"b/\2/\1"},
        {"match": r"b/([ab])", "replace": r"a/\1/\1"},
        {"match": r"([^/]*)/([^/]*)", "replace": r"\2/\1"},
    ]
)
SOME_RULES = st.lists(_RULE, min_size=1, max_size=3)


def _new_name(rules: list[dict[str, str]], key: str) -> str | None:
    """What a key becomes, as the documentation says it."""
    for rule in rules:
        if "from" in rule and key.startswith(rule["from"]):
            return rule["to"] + key[len(rule["from"]) :]
        found = re.fullmatch(rule["match"], key) if "match" in rule else None
        if found is not None:
            return found.expand(rule["replace"])
    return None


@pytest.fixture(scope="module")
def homes() -> Any:
    with TemporaryDirectory() as folder:
        yield (Path(folder) / str(number) for number in count())


@settings(
    max_examples=5 * THOROUGHNESS,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(rules=SOME_RULES, source=KEYS, store=KEYS)
def test_the_store_is_the_mapped_source(
    make_place: MakePlace, homes: Any, rules: list[dict[str, str]], source: set[str], store: set[str]
) -> None:
    pair = new_pair(make_place, next(homes))
    becoming: dict[str, list[str]] = {}
    for key in _ALL_KEYS:
        new = _new_name(rules, key)
        if new is not None:
            becoming.setdefault(new, []).append(key)
    # Also rules that a configuration can't have: the keys show it, too.
    context = with_rules(pair, *rules, shard_objects=3)
    # What is deleted must not be everything.
    assume(any(_new_name(rules, key) for key in source))
    pair.source.put({key: key.encode() for key in source})
    before = dict.fromkeys(store, b"before")
    pair.store.put(before)
    mapped = {key: new for key in source if (new := _new_name(rules, key)) is not None}
    try:
        plan = planned(context)
    except RefusedError:
        # Some key that is there is not the only one that could become its new one.
        assert "" in mapped.values() or any(len(becoming[new]) > 1 for new in mapped.values())
        assert pair.store.read() == before
        return
    assert len(set(mapped.values())) == len(mapped)
    apply(context, plan, "copy", "delete")
    foreign = {key: content for key, content in before.items() if key not in becoming}
    assert pair.store.read() == {**foreign, **{new: key.encode() for key, new in mapped.items()}}
    assert verify_plan(context, plan).verified
    assert planned(context).is_empty
