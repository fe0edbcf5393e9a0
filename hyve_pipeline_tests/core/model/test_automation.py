"""What the sensor decides, for any state of a plan."""

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from hyve_pipeline.core.model.automation import MOST_AT_ONCE, VERIFICATION, Decision, Tries, decide
from hyve_pipeline.core.model.journal import ShardState, Tally
from hyve_pipeline.core.model.plan import Plan, Shard
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action, Figures, Refusal
from hyve_pipeline.core.model.status import PlanStatus, ShardStatus
from hyve_pipeline.core.settings.model import ApplyMode, Automation, Options
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
        uris={},
        shards=shards,
        refusals=refusals,
    )
    statuses = tuple(
        ShardStatus(shard=shard, state=state, tally=Tally(), failures={}, skips={}, run_id=None)
        for shard, (_, state) in zip(shards, states, strict=True)
    )
    return PlanStatus(plan=plan, shards=statuses, refusals=refusals)


def decision(
    status: PlanStatus, tries: dict[str, Tries] | None = None, mode: ApplyMode = "all", *, is_verified: bool = False
) -> Decision:
    return decide(status, tries or {}, mode, RULES, NOW, is_verified=is_verified)


states = st.lists(st.sampled_from(ShardState), max_size=40)
all_tries = st.builds(
    Tries,
    failures=st.integers(0, 5),
    last_end=st.none() | st.timedeltas(timedelta(), timedelta(hours=3)).map(lambda ago: NOW - ago),
    is_going_on=st.booleans(),
)


@example([], [ShardState.FINISHED, *[ShardState.PENDING] * 24], set(), [Tries(is_going_on=True)], False)
@given(states, states, st.sets(st.sampled_from(ACTIONS)), st.lists(all_tries, max_size=80), st.booleans())
def test_whatever_the_state_no_rule_is_broken(
    copies: list[ShardState], deletes: list[ShardState], refused: set[Action], tried: list[Tries], is_verified: bool
) -> None:
    status = status_of(copies, deletes, *refused)
    keys = [*map(status.plan.partition_key, status.plan.shards), VERIFICATION]
    tries = dict(zip(keys, tried, strict=False))
    found = decision(status, tries, is_verified=is_verified)
    assert found.reason
    assert len(found.requests) + sum(tries.get(key, Tries()).is_going_on for key in keys) <= max(
        MOST_AT_ONCE, sum(tries.get(key, Tries()).is_going_on for key in keys)
    )
    steps = {request.step for request in found.requests}
    assert len(steps) <= 1
    for request in found.requests:
        before = tries.get(request.name, Tries())
        assert not before.is_going_on
        assert request.attempt == before.failures + 1 <= RULES.shard_attempts
        assert request.step == "verify" or request.step not in refused
    if "delete" in steps:
        assert set(copies) <= {ShardState.FINISHED}
    if "verify" in steps:
        assert set(copies) | set(deletes) <= {ShardState.FINISHED}
        assert not is_verified
    copying = decision(status, tries, mode="copies", is_verified=is_verified)
    assert "delete" not in {request.step for request in copying.requests}
    assert decision(status, tries, mode="never").requests == ()


@given(st.lists(all_tries, min_size=1, max_size=40))
def test_a_shard_that_never_failed_goes_before_those_that_did(tried: list[Tries]) -> None:
    status = status_of([ShardState.PENDING] * len(tried), [])
    keys = [*map(status.plan.partition_key, status.plan.shards)]
    tries = dict(zip(keys, tried, strict=True))
    asked = [request.name for request in decision(status, tries).requests]
    fresh = [key for key in keys if not tries[key].failures and not tries[key].is_going_on]
    going_on = sum(one.is_going_on for one in tried)
    assert asked[: len(fresh)] == fresh[: max(0, MOST_AT_ONCE - going_on)]


def test_the_delay_doubles_and_has_an_end() -> None:
    status = status_of([ShardState.FAILED], [])
    rules = Automation(shard_attempts=100, retry_seconds=60)

    def is_tried(failures: int, seconds: float) -> bool:
        tries = {status.plan.partition_key(status.plan.shards[0]): Tries(failures, NOW - timedelta(seconds=seconds))}
        return bool(decide(status, tries, "all", rules, NOW, is_verified=False).requests)

    for failures, delay in ((1, 60), (2, 120), (3, 240), (7, 3600), (99, 3600)):
        assert not is_tried(failures, delay - 1)
        assert is_tried(failures, delay)


def test_what_is_given_up_is_named() -> None:
    status = status_of([ShardState.FINISHED, ShardState.FAILED], [ShardState.PENDING])
    key = status.plan.partition_key(status.plan.shards[1])
    found = decision(status, {key: Tries(3, NOW - timedelta(days=1))})
    assert (found.requests, found.given_up) == ((), (key,))
    assert found.reason == f"plan {status.plan.id}, 2 copy shards: 1 finished, 1 given up after 3 attempts"
    verified = decision(status_of([], []), {VERIFICATION: Tries(3, NOW)})
    assert verified.given_up == (VERIFICATION,)


def test_what_is_refused_is_said_in_the_words_of_the_rule() -> None:
    found = decision(status_of([ShardState.PENDING], [ShardState.PENDING], "copy"))
    assert found.requests == ()
    assert found.reason.endswith("is refused by max_copy: too many")
