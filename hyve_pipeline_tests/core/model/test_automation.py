"""What the sensor decides, for any state of a plan."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from hyve_pipeline.core.model.automation import LOOP, MOST_AT_ONCE, VERIFICATION, Decision, Loops, Tries, decide
from hyve_pipeline.core.model.inventory import AsOf
from hyve_pipeline.core.model.journal import ShardState
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import ACTIONS, ONE_BUCKET, Action, Figures, Refusal
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.model.status import PlanStatus, ShardStatus
from hyve_pipeline.core.settings.model import ApplyMode, Automation
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import Place

NOW = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
RULES = Automation(shard_attempts=3, retry_seconds=60)


def status_of(copies: list[ShardState], deletes: list[ShardState], *refused: Action) -> PlanStatus:
    states: list[tuple[Action, ShardState]] = [
        *(("copy", state) for state in copies),
        *(("delete", state) for state in deletes),
    ]
    shards = tuple(
        Shard(number=number, action=action, row_group=0, objects=1, bytes=1, first_key="a", last_key="a")
        for number, (action, _) in enumerate(states, start=1)
    )
    refusals = tuple(Refusal(rule=f"max_{action}", action=action, detail="too many") for action in refused)
    plan = Plan(
        id="20260131T010000000Z-1a2b3c4d",
        sync="images",
        created=NOW,
        source=Place(bucket="source", endpoint_origin="default"),
        store=Place(bucket="store", endpoint_origin="default"),
        options=Options(),
        source_inventory="",
        store_inventory="",
        figures=Figures(source_objects=1, store_objects=1, modified=0, duplicate=0),
        counts={},
        files={},
        own_shards=shards,
        refusals=refusals,
    )
    statuses = tuple(ShardStatus(shard, state) for shard, (_, state) in zip(shards, states, strict=True))
    return PlanStatus(plan=plan, shards=statuses, refusals=refusals)


def decision(
    status: PlanStatus,
    tries: dict[str, Tries] | None = None,
    mode: ApplyMode = "all",
    *,
    loops: dict[Action, Loops] | None = None,
    rules: Automation = RULES,
    is_verified: bool = False,
) -> Decision:
    return decide(status, tries or {}, loops or {}, mode, rules, NOW, is_verified=is_verified)


def ended(minutes: float = 0.0, *, made: int = 1, failures: int = 0) -> dict[Action, Loops]:
    """Runs of all copies that ended so long ago."""
    return {"copy": Loops(made, failures, NOW - timedelta(minutes=minutes))}


states = st.lists(st.sampled_from(ShardState), max_size=40)
all_tries = st.builds(
    Tries,
    failures=st.integers(0, 5),
    last_end=st.none() | st.timedeltas(timedelta(), timedelta(hours=3)).map(lambda ago: NOW - ago),
    is_going_on=st.booleans(),
)


all_loops = st.builds(
    Loops,
    made=st.integers(0, 5),
    failures=st.integers(0, 5),
    last_end=st.none() | st.timedeltas(timedelta(), timedelta(hours=3)).map(lambda ago: NOW - ago),
    going_on=st.integers(0, 2),
)


@example([], [ShardState.FINISHED, *[ShardState.FAILED] * 24], set(), [Tries(is_going_on=True)], [Loops(1)] * 2, False)
@given(
    states,
    states,
    st.sets(st.sampled_from(ACTIONS)),
    st.lists(all_tries, max_size=80),
    st.lists(all_loops, min_size=2, max_size=2),
    st.booleans(),
)
def test_no_rule_is_broken_in_any_state(
    copies: list[ShardState],
    deletes: list[ShardState],
    refused: set[Action],
    tried: list[Tries],
    looped: list[Loops],
    is_verified: bool,
) -> None:
    status = status_of(copies, deletes, *refused)
    keys = [*map(status.plan.partition_key, status.plan.shards), VERIFICATION]
    tries = dict(zip(keys, tried, strict=False))
    loops: dict[Action, Loops] = {"copy": looped[0], "delete": looped[1]}
    found = decision(status, tries, loops=loops, is_verified=is_verified)
    assert found.reason
    going_on = sum(tries.get(key, Tries()).is_going_on for key in keys)
    assert len(found.requests) + going_on <= max(MOST_AT_ONCE, going_on + 1)
    steps = {request.step for request in found.requests}
    assert len(steps) <= 1
    states_of = {status.plan.partition_key(shard.shard): shard.state for shard in status.shards}
    for request in found.requests:
        assert request.step == "verify" or request.step not in refused
        if request.name == LOOP:
            assert request.step != "verify"
            own = loops[request.step]
            assert own.going_on == 0, "one at a time"
            assert request.attempt == own.made + 1
            assert own.failures < RULES.shard_attempts
            continue
        before = tries.get(request.name, Tries())
        assert not before.is_going_on
        assert request.attempt - before.failures in (1, 2)
        assert request.attempt <= RULES.shard_attempts
        if request.step != "verify":
            assert before.failures or states_of[request.name] is ShardState.FAILED
    if "delete" in steps:
        assert set(copies) <= {ShardState.FINISHED}
    if "verify" in steps:
        assert set(copies) | set(deletes) <= {ShardState.FINISHED}
        assert not is_verified
    copying = decision(status, tries, mode="copies", loops=loops, is_verified=is_verified)
    assert "delete" not in {request.step for request in copying.requests}
    assert decision(status, tries, mode="never").requests == ()


def test_one_run_does_all_that_was_never_tried() -> None:
    status = status_of([ShardState.PENDING, ShardState.STARTED, ShardState.FINISHED], [ShardState.PENDING])
    found = decision(status)
    assert [(request.step, request.name, request.attempt) for request in found.requests] == [("copy", LOOP, 1)]
    assert found.reason == f"plan {status.plan.id}, 3 copy shards: 1 finished, 2 started now"
    going_on = decision(status, loops={"copy": Loops(made=1, going_on=1)})
    assert going_on.requests == ()
    assert going_on.reason == f"plan {status.plan.id}, 3 copy shards: 1 finished, 2 running"


def test_as_many_runs_as_configured_and_no_more_than_shards() -> None:
    rules = Automation(runs=4)
    many = status_of([ShardState.PENDING] * 9, [])
    assert [request.attempt for request in decision(many, rules=rules).requests] == [1, 2, 3, 4]
    one_is_gone: dict[Action, Loops] = {
        "copy": Loops(made=4, going_on=3, failures=1, last_end=NOW - timedelta(hours=1))
    }
    assert [request.attempt for request in decision(many, rules=rules, loops=one_is_gone).requests] == [5]
    few = status_of([ShardState.PENDING] * 2, [])
    assert len(decision(few, rules=rules).requests) == 2


def test_failed_shards_are_retried_one_by_one_when_the_run_has_ended() -> None:
    status = status_of([ShardState.FINISHED, ShardState.FAILED, ShardState.FAILED], [])
    failed = [status.plan.partition_key(shard) for shard in status.plan.shards[1:]]
    assert decision(status, loops={"copy": Loops(made=1, going_on=1)}).requests == ()
    assert decision(status, loops=ended(0.5, failures=1)).requests == ()
    found = decision(status, loops=ended(2, failures=1))
    assert [(request.name, request.attempt) for request in found.requests] == [(key, 2) for key in failed]
    # The run of all was the first attempt.
    tries = {failed[0]: Tries(1, NOW - timedelta(hours=1)), failed[1]: Tries(2, NOW)}
    last = decision(status, tries, loops=ended(2, failures=1))
    assert [(request.name, request.attempt) for request in last.requests] == [(failed[0], 3)]
    assert last.given_up == (failed[1],)


def test_what_a_killed_run_left_is_done_by_a_later_run() -> None:
    status = status_of([ShardState.FINISHED, ShardState.STARTED, ShardState.PENDING, ShardState.FAILED], [])
    assert decision(status, loops=ended(0.5, failures=1)).requests == ()
    (again,) = decision(status, loops=ended(1, failures=1)).requests
    assert (again.name, again.attempt) == (LOOP, 2)
    # One that succeeded left what another process works on.
    assert decision(status, loops=ended(0.5)).requests == ()
    assert decision(status, loops=ended(1)).requests == (again,)
    given_up = decision(status, loops=ended(120, made=3, failures=3))
    assert given_up.given_up == (LOOP,)
    assert "2 left by 3 runs that failed" in given_up.reason
    assert [request.attempt for request in given_up.requests] == [2], "the shard that failed has attempts left"


@given(st.lists(all_tries, min_size=1, max_size=40))
def test_shards_that_failed_least_go_first(tried: list[Tries]) -> None:
    status = status_of([ShardState.FAILED] * len(tried), [])
    keys = [*map(status.plan.partition_key, status.plan.shards)]
    tries = dict(zip(keys, tried, strict=True))
    asked = [request.attempt for request in decision(status, tries, loops=ended(300)).requests]
    assert asked == sorted(asked)
    assert len(asked) <= max(0, MOST_AT_ONCE - sum(one.is_going_on for one in tried))


def test_the_backoff_doubles_up_to_a_maximum() -> None:
    status = status_of([ShardState.FAILED], [])
    rules = Automation(shard_attempts=100, retry_seconds=60)

    def is_tried(failures: int, seconds: float) -> bool:
        tries = {status.plan.partition_key(status.plan.shards[0]): Tries(failures, NOW - timedelta(seconds=seconds))}
        return bool(decision(status, tries, rules=rules).requests)

    for failures, delay in ((1, 60), (2, 120), (3, 240), (7, 3600), (99, 3600)):
        assert not is_tried(failures, delay - 1)
        assert is_tried(failures, delay)


def test_shards_that_are_given_up_are_named() -> None:
    status = status_of([ShardState.FINISHED, ShardState.FAILED], [ShardState.PENDING])
    key = status.plan.partition_key(status.plan.shards[1])
    found = decision(status, {key: Tries(3, NOW - timedelta(days=1))})
    assert (found.requests, found.given_up) == ((), (key,))
    assert found.reason == f"plan {status.plan.id}, 2 copy shards: 1 finished, 1 given up after 3 attempts"
    verified = decision(status_of([], []), {VERIFICATION: Tries(3, NOW)})
    assert verified.given_up == (VERIFICATION,)


def test_a_refusal_is_reported_with_the_message_of_the_rule() -> None:
    found = decision(status_of([ShardState.PENDING], [ShardState.PENDING], "copy"))
    assert found.requests == ()
    assert found.reason.endswith("is refused by max_copy: too many")


def test_one_bucket_under_two_names_is_not_verified_either() -> None:
    status = status_of([], [])
    refusals = tuple(Refusal(rule=ONE_BUCKET, action=action, detail="seen twice") for action in ACTIONS)
    found = decision(replace(status, refusals=refusals))
    assert found.requests == ()
    assert "is refused by one_bucket (source and store are one bucket): seen twice" in found.reason
    assert decision(status).requests


def test_a_plan_of_an_earlier_time_is_left_to_a_person() -> None:
    status = status_of([ShardState.PENDING], [])
    assert decision(status).requests
    earlier = replace(status, plan=status.plan.model_copy(update={"as_of": AsOf(time=NOW)}))
    found = decision(earlier)
    assert found.requests == ()
    assert "of the source as of 2026-01-31 02:00:00 UTC: it is applied manually" in found.reason
