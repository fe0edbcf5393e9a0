"""Listing by several walks at once: complete, in order and provably so, however a server cuts its pages."""

import hashlib
import threading
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import BucketError, IncompleteInventoryError, InterruptedRunError
from hyve_pipeline.core.model.inventory import check_proof
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.bucket_listing import BucketListing
from hyve_pipeline.s3.listing.walk import RESTORE_STATUS
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.s3.model import ModelBucket, model_bucket
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer, listing_of, scripted_server
from hyve_pipeline_tests.servers import client_for, put_objects
from hyve_pipeline_tests.tally import THOROUGHNESS

_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
_SPREADS = {
    "one flat folder": [f"images/{number:08d}.jpg" for number in range(700)],
    "one deep folder": ["/".join("abcdefghij") + f"/{number}" for number in range(700)],
    "hash prefixes": [hashlib.sha256(bytes([number % 256, number // 256])).hexdigest() for number in range(700)],
    "dates": [f"logs/{2019 + n // 200}/{n // 12 % 12 + 1:02}/{n % 28 + 1:02}/{n}.gz" for n in range(700)],
    "beyond the BMP": [chr(0x1F300 + number) + "x" * (number % 3) for number in range(700)],
    "most scripts": [chr(code) * 2 for code in range(0x21, 0xFFFF, 97) if not 0xD800 <= code < 0xE000],
    "equal but for the last byte": ["x" * 900 + chr(code) for code in range(1, 128)],
    "as long as keys can be": ["y" * 1020 + f"{number:04}" for number in range(700)],
    "a few, then many": ["a/1", "a/2", *(f"zz/{number:06d}" for number in range(700))],
    "one key": ["k"],
    "empty": [],
}


def _list(bucket: ModelBucket, **options: object) -> list[str]:
    bucket_listing = BucketListing(cast("Connection", bucket), **options)  # type: ignore[arg-type]
    found: dict[str, list[str]] = {}
    for walk, page in bucket_listing:
        found.setdefault(walk.range.after, []).extend(page.keys)
    keys = [key for after in sorted(found) for key in found[after]]
    check_proof(bucket_listing.proof, len(keys), bucket.place.uri)
    return keys


@given(
    keys=st.sets(st.text(_CHARACTERS, min_size=1, max_size=6), max_size=60),
    cuts=st.sets(st.text(_CHARACTERS, min_size=1, max_size=6), max_size=5),
    max_keys=st.integers(1, 7),
    ceiling=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60 * THOROUGHNESS)
def test_every_key_once_and_in_order(keys: set[str], cuts: set[str], max_keys: int, ceiling: int, seed: int) -> None:
    with model_bucket(keys, seed=seed) as bucket:
        assert _list(bucket, cuts=sorted(cuts), max_keys=max_keys, ceiling=ceiling) == sorted(keys)


@given(
    folders=st.lists(st.text("ab/0é\U0001f600", min_size=1, max_size=12), min_size=1, max_size=4),
    numbers=st.sets(st.integers(0, 5000), max_size=200),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25 * THOROUGHNESS)
def test_every_key_of_folders_with_much_in_common(folders: list[str], numbers: set[int], seed: int) -> None:
    keys = {f"{folder}{number:05d}" for folder in folders for number in numbers}
    with model_bucket(keys, seed=seed) as bucket:
        assert _list(bucket, max_keys=5, ceiling=8) == sorted(keys)


@pytest.mark.parametrize("spread", _SPREADS)
def test_every_spread_of_keys(spread: str) -> None:
    keys = _SPREADS[spread]
    with model_bucket(keys, seed=7) as bucket:
        assert _list(bucket, max_keys=10, ceiling=16) == sorted(keys)
        assert bucket.most_open <= 16
        if len(keys) > 600:
            assert bucket.most_open > 1


def test_only_what_is_below_the_prefix() -> None:
    keys = [f"{folder}/{number:03d}" for folder in ("img", "img0", "im", "zzz") for number in range(90)]
    with model_bucket(keys, prefix="img/") as bucket:
        assert _list(bucket, max_keys=4) == sorted(key for key in keys if key.startswith("img/"))


def test_cuts_of_an_earlier_listing_that_no_longer_fit() -> None:
    keys = [f"new/{number:04d}" for number in range(300)]
    with model_bucket(keys) as bucket:
        assert _list(bucket, cuts=["a", "b", "m", "new/0100", "x", "z"], max_keys=10) == keys


def test_a_few_pages_cost_hardly_more_requests_than_pages() -> None:
    keys = [f"k{number:05d}" for number in range(25)]
    with model_bucket(keys, seed=1) as bucket:
        bucket._chance.random = lambda: 0.5  # type: ignore[method-assign] - full pages only
        assert _list(bucket, max_keys=10) == keys
        assert bucket.requests <= 6


def test_a_page_that_is_refused_for_ever_is_no_listing() -> None:
    with model_bucket(["a"], refused=1.0) as bucket, pytest.raises(BucketError, match="SlowDown"):
        _list(bucket)


def test_one_failed_page_of_many_is_no_listing(connect: Connect) -> None:
    def script(received: Received) -> Answer:
        after = received.query.get("start-after", "")
        if after >= "m":
            return error_answer(403, "AccessDenied")
        return listing_of(after + "a", truncated=True)

    with scripted_server(script) as server:
        bucket_listing = BucketListing(connect(server.place("broken")), cuts=["m"])
        with pytest.raises(IncompleteInventoryError, match=r"s3://broken/ is not complete.*AccessDenied"):
            list(bucket_listing)
        with pytest.raises(IncompleteInventoryError, match="has not ended"):
            _ = bucket_listing.proof


def test_every_page_of_every_walk_is_asked_for_with_the_headers(connect: Connect) -> None:
    keys = sorted(f"{letter}{number}" for letter in "abcxyz" for number in range(9))

    def script(received: Received) -> Answer:
        after = received.query.get("start-after") or received.query.get("continuation-token") or ""
        left = [key for key in keys if key > after]
        return listing_of(*left[:3], truncated=len(left) > 3)

    with scripted_server(script) as server:
        bucket_listing = BucketListing(connect(server.place()), cuts=["m"], headers=RESTORE_STATUS, max_keys=3)
        assert sorted(key for _, page in bucket_listing for key in page.keys) == keys
        assert len(bucket_listing.proof) > 2
        asked = [received.headers.get("x-amz-optional-object-attributes") for received in server.received]
    assert set(asked) == {"RestoreStatus"}


def test_it_can_be_given_up() -> None:
    stop = threading.Event()
    with model_bucket([f"{number:04d}" for number in range(500)]) as bucket:
        pages = iter(BucketListing(cast("Connection", bucket), max_keys=10, stop=stop))
        next(pages)
        stop.set()
        with pytest.raises(InterruptedRunError, match="s3://model/ was interrupted"):
            list(pages)


def test_real_servers_agree(make_place: MakePlace, connect: Connect) -> None:
    place = make_place()
    put_objects(client_for(str(place.endpoint_url)), place.bucket, dict.fromkeys(ODD_KEYS, b"x"))
    bucket_listing = BucketListing(connect(place), max_keys=3, ceiling=8)
    found = sorted(key for _, page in bucket_listing for key in page.keys)
    assert found == sorted(ODD_KEYS)
    check_proof(bucket_listing.proof, len(ODD_KEYS), place.uri)
