from typing import Any

import pytest
from pydantic import ValidationError

from hyve_pipeline.core.base.sizes import GIB, MIB
from hyve_pipeline.core.settings.fields import is_sync_name
from hyve_pipeline.core.settings.home import HomeSettings
from hyve_pipeline.core.settings.limits import Limit
from hyve_pipeline.core.settings.model import Settings, SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline_tests.core.settings.values import place, problem_of


def sync(source: str = "s3://aaa", store: str = "s3://bbb", **values: Any) -> SyncSettings:
    return SyncSettings(**{"name": "images", "source": place(source), "store": place(store), **values})


def test_source_and_store_must_not_overlap() -> None:
    with pytest.raises(ValidationError) as caught:
        sync("s3://aaa/x\x1b", "s3://aaa")
    (error,) = caught.value.errors()
    assert error["type"] == "overlap"
    assert error["msg"] == r"overlaps the source: s3://aaa/ and s3://aaa/x\x1b/; neither may contain the other"


@pytest.mark.parametrize(
    ("trash", "other"),
    [
        ("s3://aaa/trash/", "the source"),
        ("s3://bbb/store/trash/", "the store"),
        ("s3://bbb/", "the store"),
    ],
)
def test_trash_must_not_overlap_either_side(trash: str, other: str) -> None:
    with pytest.raises(ValidationError, match=f"overlaps {other}: "):
        sync("s3://aaa", "s3://bbb/store", options=Options(trash=trash))


def test_trash_is_a_place_on_the_server_of_the_store() -> None:
    store = BucketSettings(bucket="bbb", prefix="x", profile="p", region="r", endpoint_url="http://127.0.0.1:9000")
    settings = SyncSettings(name="a", source=place("s3://aaa"), store=store, options=Options(trash="s3://bbb/t?#%/ y"))
    assert settings.trash == store.model_copy(update={"prefix": "t?#%/ y/"})
    assert sync().trash is None


def test_trash_is_not_accelerated() -> None:
    store = BucketSettings(bucket="bbb", requester_pays=True, accelerate=True, dual_stack=True)
    settings = SyncSettings(name="a", source=place("s3://aaa"), store=store, options=Options(trash="s3://my.trash/t"))
    assert settings.trash == BucketSettings(bucket="my.trash", prefix="t/", requester_pays=True, dual_stack=True)


@pytest.mark.parametrize("trash", ["", "bbb/t", "s3://", "s3:///t", "S3://bbb", "https://bbb/t"])
def test_wrong_trash(trash: str) -> None:
    assert problem_of(Options, trash=trash) == f"{trash!r} is not a URI such as 's3://bucket/prefix/'"


@pytest.mark.parametrize(("trash", "bucket"), [("s3://b", "b"), ("s3://a b/t", "a b")])
def test_a_trash_in_what_can_be_no_bucket(trash: str, bucket: str) -> None:
    problem = f"{trash!r} is not a URI such as 's3://bucket/prefix/': {bucket!r} is not the name of a bucket"
    assert problem_of(Options, trash=trash) == problem


@pytest.mark.parametrize(
    ("trash", "kept"), [("s3://bbb", "s3://bbb/"), ("s3://b.b/t", "s3://b.b/t/"), ("s3://bbb/t/", "s3://bbb/t/")]
)
def test_trash_is_a_folder(trash: str, kept: str) -> None:
    assert Options(trash=trash).trash == kept


def test_the_defaults_are_those_of_the_documentation() -> None:
    options = Options()
    assert options.compare == "last_modified"
    assert options.max_deletes == Limit.parse("10%")
    assert (options.max_overwrites, options.trash, options.include, options.exclude) == (None, None, (), ())
    assert (options.shard_objects, options.shard_bytes) == ("auto", 100 * GIB)
    assert (sync().apply, sync().schedule, sync().timezone) == ("never", None, "UTC")


def test_sizes_are_numbers_or_text() -> None:
    options = Options.model_validate({"shard_bytes": "1 TiB", "multipart_threshold": 5 * MIB})
    assert (options.shard_bytes, options.multipart_threshold) == (1024 * GIB, 5 * MIB)


@pytest.mark.parametrize(
    ("bandwidth", "bytes_a_second"),
    [("200 MB/s", 200_000_000), ("25 MiB/s", 25 * MIB), (" 1.5 GB /s ", 1_500_000_000), (100_000, 100_000)],
)
def test_a_bandwidth_is_in_bytes_a_second(bandwidth: object, bytes_a_second: int) -> None:
    assert Options.model_validate({"bandwidth": bandwidth}).bandwidth == bytes_a_second


def test_what_a_bandwidth_looks_like_is_said() -> None:
    with pytest.raises(ValidationError, match="'200 Mbit/s' is not a bandwidth such as '200 MB/s', in bytes a second"):
        Options.model_validate({"bandwidth": "200 Mbit/s"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("bandwidth", value) for value in ("200 MB", "200 Mbit/s", "/s", "1 MB/s/s", 99_999, "1 kB/s", 1.5, True)],
        *[("requests_per_second", value) for value in (0, 1_000_001, "500", 0.5, True)],
        *[("concurrency", value) for value in (0, 4097, True, 1.0, "8", None)],
        *[("shard_objects", value) for value in (0, 1_000_001, "many")],
        *[("shard_bytes", value) for value in (0, "0 GiB", True, 1.5, "1 mile", [])],
        *[("multipart_threshold", value) for value in (5 * MIB - 1, 5 * GIB + 1, "6 GiB")],
        *[("multipart_part_size", value) for value in (5 * MIB - 1, 5 * GIB + 1)],
        *[("compare", value) for value in ("newest", 1, "", None)],
        *[("transport", value) for value in ("boto3", True)],
        *[("include", value) for value in ("*.jpg", ["a", 1], [""], {"a": 1}, None)],
        *[("max_deletes", value) for value in (True, 1.5, "ten", -1, None, [])],
        ("nonsense", 1),
    ],
)
def test_options_are_strict(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Options.model_validate({field: value})
    assert {error["loc"][0] for error in caught.value.errors()} == {field}


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_timezones(timezone: str) -> None:
    assert sync(timezone=timezone).timezone == timezone


@pytest.mark.parametrize(
    ("timezone", "hint"),
    [
        *((name, "") for name in ("", "../etc/passwd", "/etc/passwd", "+02:00", "a\x00b")),
        ("Europe/Berlim", "; did you mean Europe/Berlin?"),
        ("europe/london", "; did you mean Europe/London?"),
    ],
)
def test_wrong_timezones(timezone: str, hint: str) -> None:
    values = {"name": "a", "source": place("s3://aaa"), "store": place("s3://bbb"), "timezone": timezone}
    assert problem_of(SyncSettings, **values) == f"{timezone!r} is not a time zone such as 'Europe/Berlin'{hint}"


@pytest.mark.parametrize("field", ["name", "schedule", "apply"])
@pytest.mark.parametrize("value", ["x y", "", 1, True])
def test_the_other_settings_of_a_sync_are_strict(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        SyncSettings.model_validate(
            {"name": "a", "source": place("s3://aaa"), "store": place("s3://bbb"), field: value}
        )


@pytest.mark.parametrize("name", ["a", "images", "Images_2", "a" * 63])
def test_sync_names(name: str) -> None:
    assert is_sync_name(name)


@pytest.mark.parametrize("name", ["", "2a", "_a", "a-b", "a b", "a.b", "ä", "a\n", "a" * 64, "a/b", ".."])
def test_wrong_sync_names(name: str) -> None:
    assert not is_sync_name(name)


def test_settings_are_frozen_and_survive_json() -> None:
    settings = Settings(sync={"images": sync(options=Options(include=("*",), max_overwrites=Limit.parse(5)))})
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
    with pytest.raises(ValidationError, match="frozen"):
        settings.sync["images"].source.bucket = "other"  # type: ignore[misc]


ROLE = "arn:aws:iam::123456789012:role/hyve"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"anonymous": True, "profile": "hyve"}, "leave out profile, or anonymous"),
        ({"anonymous": True, "role_arn": ROLE}, "leave out role_arn, or anonymous"),
        ({"anonymous": True, "requester_pays": True}, "leave out requester_pays, or anonymous"),
        ({"anonymous": True, "resource": "s3"}, "leave out resource, or anonymous"),
        ({"external_id": "hyve-4711"}, "requires role_arn"),
        ({"role_arn": "hyve"}, "'hyve' is not the ARN of a role"),
        ({"role_arn": ROLE, "external_id": "a b"}, "'a b' is not an external id"),
    ],
)
def test_credentials_that_contradict_each_other(more: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        BucketSettings.model_validate({"bucket": "aaa"} | more)
    if not {"resource", "requester_pays"} & set(more):
        with pytest.raises(ValidationError, match=problem):
            HomeSettings.model_validate({"state": "s3://aaa/"} | more)


@pytest.mark.parametrize("arn", [ROLE, "arn:aws-cn:iam::123456789012:role/a/b", "arn:minio:iam:::role/dummy-internal"])
def test_roles_of_other_servers_and_partitions(arn: str) -> None:
    assert BucketSettings(bucket="aaa", role_arn=arn).signer == f"role '{arn}'"


def test_the_trash_is_reached_as_the_role_of_the_store() -> None:
    store = BucketSettings(bucket="bbb", role_arn=ROLE, external_id="hyve-4711")
    options = Options(trash="s3://ccc/")
    settings = SyncSettings(name="s", source=BucketSettings(bucket="aaa"), store=store, options=options)
    assert settings.trash is not None
    assert (settings.trash.role_arn, settings.trash.external_id) == (ROLE, "hyve-4711")


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ({"compare": "etag"}, "versions are compared by their order"),
        ({"restore": {"days": 3}}, "restore archived versions by another tool"),
        ({"filter": {"min_size": 1}}, "can have rules on keys only"),
        ({"trash": "s3://trash/"}, "earlier versions stay"),
    ],
)
def test_options_that_can_not_be_combined_with_all_versions(option: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Options.model_validate({"versions": "all", **option})
    assert Options.model_validate({"versions": "all", "filter": {"rules": ["- *.tmp"]}}).versions == "all"


def test_reports_can_not_be_combined_with_all_versions() -> None:
    source = place("s3://aaa").model_copy(update={"inventory": "s3://reports/aaa/"})
    with pytest.raises(ValidationError, match=r"can.t be combined with options\.versions"):
        SyncSettings(name="images", source=source, store=place("s3://bbb"), options=Options(versions="all"))
