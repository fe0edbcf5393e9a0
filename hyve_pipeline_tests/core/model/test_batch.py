"""Which objects jobs of S3 Batch Operations are given, and for which plans there are none."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from hyve_pipeline.core.model.batch import (
    MOST_BYTES,
    Chooser,
    JobState,
    count_for_jobs,
    job_state,
    obstacle,
    target_prefix,
    unmodified_since,
)
from hyve_pipeline.core.model.diff import CHANGE_SCHEMA
from hyve_pipeline.core.model.inventory import AsOf
from hyve_pipeline.core.model.plan import Plan, Transfer
from hyve_pipeline.core.model.planned_object import PlannedObject
from hyve_pipeline.core.settings.batch import BatchSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings, Place
from hyve_pipeline_tests.batching import ACCOUNT, ROLE

SETTINGS = BatchSettings(account_id=ACCOUNT, role_arn=ROLE, location="s3://jobs/")
LISTED = datetime(2026, 11, 29, 2, 0, 0, 500_000, UTC)
SINCE = unmodified_since(LISTED)

# The columns by which the estimate of a plan decides the same.
_ESTIMATED = ("set", "size", "source_etag", "source_last_modified", "storage_class")


def _place(bucket: str, prefix: str = "", **more: Any) -> Place:
    return Place.at(BucketSettings(bucket=bucket, prefix=prefix, **more), None, "default")


def _plan(**more: Any) -> Plan:
    made: dict[str, Any] = {
        "as_of": None,
        "options": Options(),
        "source": _place("in-bucket"),
        "store": _place("out-bucket"),
        "transfer": Transfer(),
    }
    return Plan.model_construct(id="1", **(made | more))


def _row(**more: Any) -> PlannedObject:
    values: dict[str, Any] = {
        "key": "k",
        "set": "new",
        "size": 1,
        "source_etag": "0" * 32,
        "source_last_modified": int((LISTED - timedelta(days=1)).timestamp() * 1e6),
        "storage_class": "STANDARD",
    }
    return PlannedObject._make((values | more).get(name) for name in PlannedObject._fields)


def _micro(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("more", "wanted", "options"),
    [
        ({}, "STANDARD", {}),
        ({"storage_class": None}, "STANDARD", {}),
        ({"storage_class": "GLACIER_IR"}, "GLACIER_IR", {}),
        ({"storage_class": "GLACIER_IR"}, "STANDARD", {"storage_class": "default"}),
        ({"storage_class": "GLACIER"}, "STANDARD_IA", {"storage_class": "STANDARD_IA"}),
        ({"storage_class": "GLACIER"}, None, {}),
        ({"storage_class": "REDUCED_REDUNDANCY"}, None, {}),
        ({"set": "modified"}, None, {}),
        ({"set": "drifted"}, None, {}),
        ({"source_etag": ""}, None, {}),
        ({"source_last_modified": None}, None, {}),
        ({"size": MOST_BYTES}, "STANDARD", {}),
        ({"size": MOST_BYTES + 1}, None, {}),
        ({"source_etag": f"{'0' * 32}-2"}, None, {}),
        ({"source_etag": f"{'0' * 32}-2"}, "STANDARD", {"keep_parts": False}),
        ({"source_last_modified": _micro(SINCE)}, "STANDARD", {}),
        ({"source_last_modified": _micro(SINCE) + 1}, None, {}),
        ({"source_last_modified": _micro(LISTED)}, None, {}),
    ],
)
def test_an_object_is_given_to_a_job_only_where_its_copy_can_be_proved(
    more: dict[str, Any], wanted: str | None, options: dict[str, Any]
) -> None:
    chooser, row = Chooser(Options(**options), SINCE), _row(**more)
    assert chooser.storage_class(row) == wanted
    assert chooser.left_out.total() == (wanted is None)
    rows = pa.table({name: [value] * 3 for name, value in row._asdict().items()}).select([*_ESTIMATED])
    rows = rows.cast(pa.schema([CHANGE_SCHEMA.field(name) for name in _ESTIMATED]))
    counted = count_for_jobs(rows, Options(**options), SINCE)
    assert counted == ({} if wanted is None else {wanted: 3})


def test_the_pin_by_time_allows_for_a_clock_that_s3_just_accepts() -> None:
    assert datetime(2026, 11, 29, 1, 45, tzinfo=UTC) == SINCE


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"transfer": Transfer(by="stream", reason="two servers")}, "no server can copy"),
        ({"store": Place.at(BucketSettings(bucket="out-bucket"), "http://127.0.0.1:9000", "settings")}, "not on AWS"),
        ({"as_of": AsOf(time=LISTED)}, "as it was earlier"),
        ({"store": _place("out-bucket", anonymous=True)}, "without credentials"),
        ({"source": _place("in-bucket", requester_pays=True)}, "requester_pays"),
        ({"options": Options(versions="all")}, 'versions = "all"'),
        ({"options": Options(moves=True)}, "what the option moves asks for"),
        ({"options": Options(acl="source")}, 'acl = "source"'),
        ({"options": Options(object_tags="skip")}, "copies no tags"),
        ({"options": Options(locks="copy")}, "lock of its own"),
        ({"options": Options(website_redirects=True)}, "redirects"),
        ({"options": Options(encryption="aws:kms")}, "let the bucket out-bucket encrypt by default"),
        ({"options": Options(storage_class="DEEP_ARCHIVE")}, "storage class DEEP_ARCHIVE"),
        ({"source": _place("in-bucket", "a/"), "store": _place("out-bucket", "b/")}, "s3://in-bucket/a/"),
        ({"source": _place("in-bucket", "a/"), "store": _place("out-bucket")}, "prefix must end with"),
        ({"store": _place("out-bucket", "b//")}, "prefix must end with"),
    ],
)
def test_what_a_job_can_not_do_is_said(more: dict[str, Any], part: str) -> None:
    assert part in str(obstacle(_plan(**more), SETTINGS))


def test_an_option_that_is_not_known_is_refused() -> None:
    class Newer(Options):
        renames: bool = False

    plan = _plan(options=Newer(renames=True))
    assert obstacle(plan, SETTINGS) == "a job does not do what the option renames asks for"
    assert obstacle(_plan(options=Newer(concurrency=3)), SETTINGS) is None


@pytest.mark.parametrize(
    ("source", "store", "prefix"),
    [("", "", None), ("a/", "a/", None), ("", "b/", "b"), ("a/", "b/c/a/", "b/c")],
)
def test_keys_are_mapped_as_a_job_does(source: str, store: str, prefix: str | None) -> None:
    plan = _plan(source=_place("in-bucket", source), store=_place("out-bucket", store))
    assert (obstacle(plan, SETTINGS), target_prefix(plan)) == (None, prefix)
    # S3 puts the prefix and a slash before the whole key.
    assert f"{f'{prefix}/' if prefix else ''}{source}key" == f"{store}key"


def test_every_status_of_s3_means_something() -> None:
    from botocore.session import Session

    shape = Session().get_service_model("s3control").shape_for("JobStatus")
    known = {status: job_state(status) for status in shape.enum}
    assert {status for status, state in known.items() if state is JobState.COMPLETE} == {"Complete"}
    assert {status for status, state in known.items() if state is JobState.ENDED} == {"Cancelled", "Failed"}
    assert {status for status, state in known.items() if state is JobState.WAITING} == {"Paused", "Suspended"}
