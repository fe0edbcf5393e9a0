"""Looking for many keys by listing: right about each, and silent about what was not looked for."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hyve_pipeline.operations.apply.listing_check import ListedKeys, just_before, list_batch
from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.keys import XML_KEYS
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import Bucket, MakePair

_KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(_KEYS)
@example("!")
@example('"')
@example("~")
@example("\x7f")
@example("\U0010ffff")
def test_the_text_before_a_key_sorts_before_it_and_only_its_head_and_last_letter_are_changed(key: str) -> None:
    before = just_before(key)
    assert before < key
    assert before.encode() < key.encode()
    assert before.startswith(key[:-1])


@given(st.from_regex(r"[a-z]{0,3}[#-~]", fullmatch=True), st.from_regex(r"[!-~]{1,5}", fullmatch=True))
def test_no_plain_key_sorts_in_between(key: str, other: str) -> None:
    assert not just_before(key) < other < key


def _look(bucket: Bucket, keys: Sequence[str]) -> ListedKeys:
    with open_connection(bucket.place) as connection:
        return list_batch(connection, sorted(keys)).result()


def test_each_odd_key_is_found_or_known_to_be_missing(make_pair: MakePair) -> None:
    pair = make_pair()
    there = XML_KEYS[::2]
    pair.store.put(dict.fromkeys(there, b"1"))
    seen = _look(pair.store, XML_KEYS)
    assert all(seen.knows(key) for key in XML_KEYS)
    etags = {key: etag.strip('"') for key, (_, etag, _) in pair.store.listing().items()}
    assert dict(seen.etags) == etags
    assert sorted(etags) == sorted(there)


def test_a_few_keys_are_not_worth_a_listing(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    faulty.received.clear()
    assert _look(pair.store, list("abcdefghijklmno")) == ListedKeys()
    assert faulty.received == []
    assert not ListedKeys().knows("")


def test_nothing_is_said_of_keys_beyond_the_pages_that_are_read(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    wanted = [f"{number:03d}" for number in range(0, 100, 3)]
    pair.store.put({f"{number:03d}": b"1" for number in range(100)})
    faulty.page_keys = 10
    seen = _look(pair.store, wanted)
    assert (seen.until, sorted(seen.etags)) == ("039", [key for key in wanted if key <= "039"])
    assert [seen.knows(key) for key in ("000", "039", "0390", "040")] == [True, True, False, False]


@pytest.mark.parametrize("page", [1, 2])
def test_what_can_not_be_listed_is_not_known(page: int, make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    wanted = [f"{number:02d}" for number in range(30)]
    pair.store.put(dict.fromkeys(wanted, b"1"))
    faulty.page_keys = 10
    left = [page - 1]

    def fault(received: Received) -> Answer | None:
        if "list-type" not in received.query:
            return None
        left[0] -= 1
        return error_answer(403, "AccessDenied") if left[0] < 0 else None

    faulty.fault = fault
    seen = _look(pair.store, wanted)
    assert seen.until == (None if page == 1 else "09")
    assert sorted(seen.etags) == ([] if page == 1 else wanted[:10])
