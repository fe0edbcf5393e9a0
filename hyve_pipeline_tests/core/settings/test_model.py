from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hyve_pipeline.core.settings.fields import is_profile_name, is_sync_name
from hyve_pipeline.core.settings.limits import Limit
from hyve_pipeline.core.settings.model import GIB, MIB, BucketSettings, HomeSettings, Options, Settings, SyncSettings
from hyve_pipeline.core.settings.places import Place


def place(uri: str, endpoint_url: str | None = None) -> BucketSettings:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return BucketSettings(bucket=bucket, prefix=prefix, endpoint_url=endpoint_url)


def problem_of(model: type, **values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        model(**values)
    (error,) = caught.value.errors()
    return error["msg"].removeprefix("Value error, ")


@pytest.mark.parametrize("name", ["abc", "hyve-store", "a.b.c", "Old_Bucket", "1-2", "x" * 255])
def test_bucket_names(name: str) -> None:
    assert BucketSettings(bucket=name).bucket == name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fast--use1-az4--x-s3", "a directory bucket (S3 Express): it lists keys in no order"),
        ("mfzwi23gnjvgw.mrap", "the alias of a multi-region access point: any of several buckets may answer"),
        ("lambda-alias-x1y2--ol-s3", "the alias of an Object Lambda access point"),
        ("tables-x1y2--table-s3", "a table bucket"),
        ("arn:aws:s3:us-west-2:123456789012:accesspoint/test", "an ARN: Hyve requires the name of a bucket"),
        ("arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap", "an ARN"),
        ("arn:aws:s3tables:us-east-1:123456789012:bucket/tables", "an ARN"),
    ],
)
def test_other_kinds_of_buckets(name: str, kind: str) -> None:
    expected = f"{name!r} is {kind}"
    assert problem_of(BucketSettings, bucket=name).startswith(expected)
    assert problem_of(BucketSettings, bucket=name).endswith("name a general purpose bucket")
    if not name.startswith("arn:"):
        assert problem_of(Options, trash=f"s3://{name}/x").startswith(expected)


def test_the_alias_of_an_access_point_is_the_name_of_a_bucket() -> None:
    assert BucketSettings(bucket="pictures-hrzrlukc5m36ft7okagglf3gmwluquse1b-s3alias")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"bucket": "Old_Name"}, "requires a bucket name of 3 to 63 lowercase letters"),
        ({"bucket": "my.bucket"}, "requires a bucket name of 3 to 63 lowercase letters"),
        ({"bucket": "abc", "endpoint_url": "http://127.0.0.1:9000"}, "requires a host name, and http://127"),
        ({"bucket": "abc", "endpoint_url": "http://[::1]:9000"}, "requires a host name"),
    ],
)
def test_buckets_and_servers_that_host_names_can_not_address(values: dict[str, Any], problem: str) -> None:
    assert f'"virtual" {problem}' in problem_of(BucketSettings, addressing_style="virtual", **values)
    assert BucketSettings(addressing_style="path", **values)
    assert BucketSettings(addressing_style="auto", **values)


def test_accelerated_requests_are_addressed_by_host_name() -> None:
    assert BucketSettings(bucket="abc", accelerate=True, addressing_style="virtual")
    expected = 'accelerate requires the style "virtual"'
    assert problem_of(BucketSettings, bucket="abc", accelerate=True, addressing_style="path") == expected


@pytest.mark.parametrize("name", ["", "ab", "-ab", "ab-", "a b", "a/b", "ümlaut", "abc\n", "x" * 256, "a:b", "٣٣٣"])
def test_wrong_bucket_names(name: str) -> None:
    expected = f"{name!r} is not a bucket name: letters, digits, dots and hyphens, at least 3"
    assert problem_of(BucketSettings, bucket=name) == expected


@pytest.mark.parametrize(
    ("prefix", "folder"),
    [
        ("", ""),
        ("img", "img/"),
        ("img/", "img/"),
        ("/", "/"),
        ("/lead", "/lead/"),
        ("a//", "a//"),
        ("a/../b ", "a/../b /"),
    ],
)
def test_a_prefix_is_a_folder_and_is_never_normalised(prefix: str, folder: str) -> None:
    assert BucketSettings(bucket="abc", prefix=prefix).prefix == folder


def test_a_prefix_leaves_room_for_a_key() -> None:
    assert BucketSettings(bucket="abc", prefix="ü" * 511).prefix == "ü" * 511 + "/"
    assert problem_of(BucketSettings, bucket="abc", prefix="ü" * 511 + "x") == "is longer than a key can be, 1024 bytes"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("https://s3.example.org/", "https://s3.example.org"),
        ("http://[::1]:9000", "http://[::1]:9000"),
        ("HTTPS://S3.example.org", "HTTPS://S3.example.org"),
    ],
)
def test_endpoints(url: str, kept: str) -> None:
    assert BucketSettings(bucket="abc", endpoint_url=url).endpoint_url == kept


@pytest.mark.parametrize(
    "url",
    [
        *("", "s3.example.org", "//host", "ftp://host", "http://", "http://host/path", "http://host/\x00"),
        *("http://host:0", "http://host:99999", "http://host:", "http://host:x", "http://[::1"),
        *("http://key:secret@host", "http://host?x=1", "http://host?", "http://host#x"),
        *("http://ho st", "http://ho\nst", "http://hôst", "http://a\\b"),
    ],
)
def test_wrong_endpoints(url: str) -> None:
    expected = f"{url!r} is not an endpoint such as 'https://s3.example.org:9000'"
    assert problem_of(BucketSettings, bucket="abc", endpoint_url=url) == expected


@pytest.mark.parametrize("region", ["", "eu central", "eu_central_1", "-", "eu\n", "ü"])
def test_wrong_regions(region: str) -> None:
    assert (
        problem_of(BucketSettings, bucket="abc", region=region) == f"{region!r} is not a region such as 'eu-central-1'"
    )


@pytest.mark.parametrize("profile", ["", " ", " a", "a]", "[a", "a\nb", "DEFAULT", 'a"b', "a;b", "\ud800"])
def test_wrong_profiles(profile: str) -> None:
    assert not is_profile_name(profile)
    # pydantic's own check of text comes first for what is not Unicode.
    if profile.isprintable():
        assert (
            problem_of(BucketSettings, bucket="abc", profile=profile)
            == f"{profile!r} is not the name of an AWS profile"
        )


@pytest.mark.parametrize("profile", ["default", "hyve", "my profile", "me@example.org", "a.b-c_d/e:f+g", "ü"])
def test_profiles(profile: str) -> None:
    assert BucketSettings(bucket="abc", profile=profile).profile == profile


@pytest.mark.parametrize(
    ("url", "server"),
    [
        (None, None),
        ("https://s3.amazonaws.com", "aws"),
        ("https://S3.eu-west-1.AmazonAWS.com.", "aws"),
        ("https://vpce-1.s3.us-east-1.vpce.amazonaws.com", "aws"),
        ("https://s3.cn-north-1.amazonaws.com.cn", "aws"),
        ("https://s3.us-east-1.api.aws", "aws"),
        ("https://evilamazonaws.com", "evilamazonaws.com"),
        ("http://127.0.0.1:9000", "localhost:9000"),
        ("http://LOCALHOST:9000/", "localhost:9000"),
        ("http://127.1.2.3:9000", "localhost:9000"),
        ("http://0.0.0.0:9000", "localhost:9000"),
        ("http://[::1]:9000", "localhost:9000"),
        ("http://127.0.0.1:9001", "localhost:9001"),
        ("http://s3.example.org", "s3.example.org"),
        ("http://s3.example.org:80", "s3.example.org"),
        ("https://s3.example.org:443", "s3.example.org"),
        ("https://s3.example.org:9443", "s3.example.org:9443"),
    ],
)
def test_one_server_has_one_name(url: str | None, server: str | None) -> None:
    assert BucketSettings(bucket="abc", endpoint_url=url).server == server


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("s3://aaa", "s3://aaa", True),
        ("s3://aaa", "s3://aaa/x", True),
        ("s3://aaa/x", "s3://aaa/x/y", True),
        ("s3://aaa/x", "s3://aaa/xy", False),
        ("s3://aaa/x", "s3://aaa/y", False),
        ("s3://aaa/x", "s3://aaa//x", False),
        ("s3://aaa", "s3://bbb", False),
    ],
)
def test_overlap(one: str, other: str, overlap: bool) -> None:
    assert place(one).overlaps(place(other)) is overlap
    assert place(other).overlaps(place(one)) is overlap


@pytest.mark.parametrize("ways", [{"accelerate": True}, {"dual_stack": True}, {"accelerate": True, "dual_stack": True}])
def test_all_endpoints_of_aws_are_one_server(ways: dict[str, Any]) -> None:
    other = Place.at(BucketSettings(bucket="aaa", prefix="x", **ways), None, "default")
    assert other.server == "aws"
    assert other.overlaps(Place.at(place("s3://aaa"), None, "default"))
    assert place("s3://aaa", "https://s3.dualstack.eu-west-1.amazonaws.com").overlaps(other)


@pytest.mark.parametrize("setting", ["accelerate", "dual_stack"])
def test_features_of_aws_alone_contradict_another_server(setting: str) -> None:
    expected = f"{setting} and endpoint_url are both set: keep one of them"
    endpoint_url = "http://127.0.0.1:9000"
    assert problem_of(BucketSettings, bucket="abc", endpoint_url=endpoint_url, **{setting: True}) == expected
    assert BucketSettings.model_validate({"bucket": "abc", "endpoint_url": endpoint_url, setting: False})


def test_the_same_bucket_name_on_two_servers_does_not_overlap() -> None:
    assert not place("s3://aaa", "http://127.0.0.1:9000").overlaps(place("s3://aaa", "http://127.0.0.1:9001"))
    assert place("s3://aaa", "http://127.0.0.1:9000").overlaps(place("s3://aaa", "http://localhost:9000"))


@pytest.mark.parametrize(
    ("source", "store", "overlap"),
    [
        ({}, {}, True),
        ({"profile": "p"}, {"profile": "p"}, True),
        ({"resource": "r"}, {"resource": "r"}, True),
        # What is not in the settings is not known yet.
        ({"profile": "p"}, {}, False),
        ({"profile": "p"}, {"profile": "q"}, False),
        ({"resource": "r"}, {"resource": "s"}, False),
        ({"endpoint_url": "http://127.0.0.1:9000"}, {}, False),
    ],
)
def test_places_whose_server_is_not_known_yet(source: dict[str, Any], store: dict[str, Any], overlap: bool) -> None:
    assert BucketSettings(bucket="abc", **source).overlaps(BucketSettings(bucket="abc", **store)) is overlap


def test_a_place_of_an_earlier_version_is_on_no_known_server() -> None:
    earlier = Place.model_validate({"bucket": "abc"})
    assert earlier.server not in ("aws", Place(bucket="abc", endpoint_origin="default").server)
    assert Place.model_validate({"bucket": "abc", "endpoint_url": "http://127.0.0.1:9"}).server == "localhost:9"


@given(*[st.text("ab/", max_size=5)] * 2)
def test_places_overlap_exactly_when_a_key_can_be_in_both(one: str, other: str) -> None:
    left, right = BucketSettings(bucket="abc", prefix=one), BucketSettings(bucket="abc", prefix=other)
    # If a key is in both, then so is the longer prefix with something below it.
    key = max(left.prefix, right.prefix, key=len) + "x"
    assert left.overlaps(right) is (key.startswith(left.prefix) and key.startswith(right.prefix))


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
