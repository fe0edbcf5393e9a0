"""What is overwritten or deleted is kept before, or left as it is."""

import os

import pytest

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline_tests.operations.applying import apply, planned, rows_of
from hyve_pipeline_tests.syncs import Bucket, MakePair, Pair


@pytest.fixture
def trash(make_pair: MakePair) -> tuple[Pair, Bucket]:
    """A sync, and the bucket of its trash."""
    pair = make_pair()
    place = pair.store.place.model_copy(update={"bucket": f"trash-{os.getpid()}-{id(pair)}"})
    bucket = Bucket(place, str(place.endpoint_url))
    bucket.client.create_bucket(Bucket=bucket.name)
    return pair, bucket


def test_what_is_overwritten_or_deleted_is_in_the_trash(trash: tuple[Pair, Bucket]) -> None:
    pair, bucket = trash
    pair.source.put({"changed": b"newer", "new": b"1"})
    pair.store.put({"changed": b"old", "gone ☃": b"2"}, ContentType="image/png", Metadata={"a": "b"})
    before = pair.store.carried(["changed", "gone ☃"])
    context = pair.context(trash=f"s3://{bucket.name}/images/")
    plan = planned(context)
    apply(context, plan, "copy", "delete")
    assert pair.store.read() == pair.source.read()
    assert bucket.carried(bucket.keys()) == {f"images/{key}": carried for key, carried in before.items()}
    assert {key: row.trashed for key, row in rows_of(context, plan).items()} == {
        "changed": True,
        "new": False,
        "gone ☃": True,
    }


def test_a_whole_batch_is_kept_in_the_trash(trash: tuple[Pair, Bucket]) -> None:
    pair, bucket = trash
    pair.source.put({"kept": b"1"})
    gone = {f"gone/{number:02d}": b"22" for number in range(30)}
    pair.store.put({"kept": b"1"} | gone)
    context = pair.context(trash=f"s3://{bucket.name}/", concurrency=8)
    plan = planned(context)
    apply(context, plan, "delete")
    assert bucket.read() == gone
    assert pair.store.keys() == ["kept"]
    assert all(row.trashed for row in rows_of(context, plan).values())


def test_what_the_trash_does_not_take_is_left_as_it_is(trash: tuple[Pair, Bucket]) -> None:
    pair, bucket = trash
    pair.source.put({"changed": b"newer", "new": b"1"})
    pair.store.put({"changed": b"old", "gone": b"2"})
    context = pair.context(trash=f"s3://{bucket.name}/")
    plan = planned(context)
    bucket.client.delete_bucket(Bucket=bucket.name)
    with pytest.raises(HyveError, match=bucket.name):
        apply(context, plan, "copy")
    assert pair.store.read() == {"changed": b"old", "gone": b"2"}
