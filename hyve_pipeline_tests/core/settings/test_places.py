from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.place_fields import is_profile_name
from hyve_pipeline.core.settings.places import BucketSettings, Place
from hyve_pipeline_tests.core.settings.values import place, problem_of


@pytest.mark.parametrize("name", ["abc", "hyve-store", "a.b.c", "Old_Bucket", "1-2", "x" * 255])
def test_bucket_names(name: str) -> None:
    assert BucketSettings(bucket=name).bucket == name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fast--use1-az4--x-s3", "a directory bucket (S3 Express): it lists keys in no order"),
        ("fast--use1-az4--xa-s3", "the access point of a directory bucket (S3 Express): it lists keys in no order"),
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
        *("", "//host", "ftp://host", "http://", "http://\x00"),
        *("http://host:0", "http://host:99999", "http://host:", "http://host:x", "http://[::1"),
        *("http://host?x=1", "http://host?", "http://host#x"),
        *("http://ho st", "http://ho\nst", "http://hôst", "http://a\\b"),
    ],
)
def test_wrong_endpoints(url: str) -> None:
    expected = f"{url!r} is not an endpoint such as 'https://s3.example.org:9000'"
    assert problem_of(BucketSettings, bucket="abc", endpoint_url=url) == expected


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("localhost:9000", "'http://localhost:9000' or 'https://localhost:9000'"),
        ("s3.example.org", "'http://s3.example.org' or 'https://s3.example.org'"),
        ("[::1]:9000", "'http://[::1]:9000' or 'https://[::1]:9000'"),
        ("http://host:9000/bucket/key", "'http://host:9000'"),
    ],
)
def test_what_was_meant_by_a_wrong_endpoint(url: str, meant: str) -> None:
    problem = problem_of(BucketSettings, bucket="abc", endpoint_url=url)
    assert problem == f"{url!r} is not an endpoint such as 'https://s3.example.org:9000': write {meant}"


@pytest.mark.parametrize("url", ["http://key:secret@host", "https://secret@host:9000/path", "key:secret@host:9000"])
def test_a_password_in_an_endpoint_is_not_shown(url: str) -> None:
    problem = problem_of(BucketSettings, bucket="abc", endpoint_url=url)
    assert problem.endswith("is not an endpoint such as 'https://s3.example.org:9000'")
    assert "secret" not in problem


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


def test_places_are_the_same_with_bucket_prefix_and_server() -> None:
    one = place("s3://abc/a", "http://localhost:9000")
    assert one.is_same_place(place("s3://abc/a/", "http://127.0.0.1:9000").model_copy(update={"profile": "other"}))
    for other in (place("s3://abc/b", one.endpoint_url), place("s3://abc/a"), place("s3://abd/a", one.endpoint_url)):
        assert not one.is_same_place(other)
