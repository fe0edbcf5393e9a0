"""What an object lacks to be protected as another is: put, it never weakens a protection."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.model.object_lock import NO_LOCK, ObjectLock, current_lock

NOW = datetime(2026, 11, 29, tzinfo=UTC)
DATES = [f"{2030 + year}-01-01T00:00:00{end}" for year in range(3) for end in ("Z", ".000Z", "+00:00")]
MODES = ["GOVERNANCE", "COMPLIANCE"]


def _retained(mode: str, until: str) -> ObjectLock:
    return ObjectLock(mode=mode, until=until)


LOCKS = st.builds(
    lambda retention, hold, days: ObjectLock(
        retention.mode, retention.until, hold, days is not None, None if days is None else str(days)
    ),
    st.one_of(st.just(NO_LOCK), st.builds(_retained, st.sampled_from(MODES), st.sampled_from(DATES))),
    st.booleans(),
    st.sampled_from([None, 1, 30]),
)


def _put(lock: ObjectLock, missing: ObjectLock) -> ObjectLock:
    """What an object has after the requests for what it lacks: that for its retention replaces all of it."""
    hold = lock.legal_hold or missing.legal_hold
    if not missing.has_retention:
        return ObjectLock(lock.mode, lock.until, hold, lock.event_hold, lock.event_days, lock.event_years)
    return ObjectLock(missing.mode, missing.until, hold, missing.event_hold, missing.event_days, missing.event_years)


@given(LOCKS, LOCKS)
def test_what_is_missing_protects_as_well_and_weakens_nothing(source: ObjectLock, store: ObjectLock) -> None:
    after = _put(store, source.missing_in(store))
    assert not source.missing_in(after)
    assert after.legal_hold >= store.legal_hold
    assert after.event_hold >= store.event_hold
    assert MODES.index(after.mode or MODES[0]) >= MODES.index(store.mode or MODES[0])
    if store.until is not None:
        assert after.until is not None
        assert datetime.fromisoformat(after.until) >= datetime.fromisoformat(store.until)


@given(LOCKS)
def test_nothing_is_missing_in_the_same(lock: ObjectLock) -> None:
    assert not lock.missing_in(lock)
    assert not NO_LOCK.missing_in(lock)
    assert bool(lock.missing_in(NO_LOCK)) == bool(lock)


def test_a_retention_that_has_ended_is_none() -> None:
    ended, lasting = ((NOW + timedelta(seconds=seconds)).isoformat() for seconds in (-1, 1))
    assert current_lock(_retained("COMPLIANCE", ended), NOW) == NO_LOCK
    assert current_lock(_retained("COMPLIANCE", lasting), NOW) == _retained("COMPLIANCE", lasting)
    assert current_lock(ObjectLock(until=ended, mode="GOVERNANCE", legal_hold=True), NOW) == ObjectLock(legal_hold=True)


@pytest.mark.parametrize("lock", [_retained("COMPLIANCE", "tomorrow"), _retained("OTHER", DATES[0])])
def test_what_is_no_retention_is_refused(lock: ObjectLock) -> None:
    with pytest.raises(ValueError, match=r"mode|isoformat"):
        current_lock(lock, NOW)
