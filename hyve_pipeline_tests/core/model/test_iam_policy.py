"""Each policy allows what is needed, where it is needed, and nothing else."""

from fnmatch import fnmatchcase
from typing import Any

import pytest

from hyve_pipeline.core.model.iam_policy import Policy, all_policies, policies
from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings


def sync(
    source_prefix: str = "",
    store_prefix: str = "",
    trash: str | None = None,
    region: str = "eu-west-1",
    **options: Any,
) -> Any:
    return SyncSettings(
        name="images",
        source=BucketSettings(bucket="in-bucket", prefix=source_prefix, region=region),
        store=BucketSettings(bucket="out-bucket", prefix=store_prefix, region=region),
        options=Options(trash=trash, **options),
    )


def allows(policy: Policy, action: str, resource: str, prefix: str | None = None) -> bool:
    """What AWS would decide, for the subset of policies that Hyve writes."""
    for statement in policy["Statement"]:
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        patterns = statement.get("Condition", {"StringLikeIfExists": {"s3:prefix": ["*"]}})
        (wanted,) = patterns["StringLikeIfExists"]["s3:prefix"]
        if (
            action in statement["Action"]
            and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
            and (prefix is None or fnmatchcase(prefix, wanted))
        ):
            return True
    return False


@pytest.mark.parametrize("prefix", ["", "images/"])
def test_writes_without_a_condition_are_denied_where_that_is_wanted(prefix: str) -> None:
    plain = all_policies(sync(store_prefix=prefix), None)
    strict = all_policies(sync(store_prefix=prefix), None, only_pinned=True)
    assert strict["source"] == plain["source"]
    *others, denial = strict["store"]["Statement"]
    assert others == plain["store"]["Statement"]
    assert denial == {
        "Sid": "DenyUnpinnedWrites",
        "Effect": "Deny",
        "Action": ["s3:PutObject"],
        "Resource": [f"arn:aws:s3:::out-bucket/{prefix}*"],
        "Condition": {
            "Null": {"s3:if-match": "true", "s3:if-none-match": "true"},
            "Bool": {"s3:ObjectCreationOperation": "true"},
        },
    }


def test_no_credentials_may_write_the_source() -> None:
    for policy in policies(sync(trash="s3://trash-bucket/")).values():
        for action in ("s3:PutObject", "s3:DeleteObject", "s3:PutObjectTagging", "s3:*"):
            assert not allows(policy, action, "arn:aws:s3:::in-bucket/a")


ANNOTATIONS = ("s3:ListObjectAnnotations", "s3:GetObjectAnnotation", "s3:PutObjectAnnotation")


def test_annotations_need_permissions_of_their_own() -> None:
    with_them = policies(sync(trash="s3://trash-bucket/"))
    for policy, bucket, wanted in (
        (with_them["source"], "in-bucket", ANNOTATIONS[:2]),
        (with_them["store"], "in-bucket", ANNOTATIONS[:2]),
        (with_them["store"], "out-bucket", ANNOTATIONS),
        (with_them["store"], "trash-bucket", ANNOTATIONS),
    ):
        assert tuple(one for one in ANNOTATIONS if allows(policy, one, f"arn:aws:s3:::{bucket}/a")) == wanted
    for policy in policies(sync(trash="s3://trash-bucket/", annotations="exclude")).values():
        assert "Annotation" not in str(policy)
    # A repair leaves those of the store as they are.
    repairing = policies(sync(annotations="exclude", compare_properties=True))
    assert "Annotation" not in str(repairing["source"])
    assert all(allows(repairing["store"], one, "arn:aws:s3:::out-bucket/a") for one in ANNOTATIONS)


@pytest.mark.parametrize(
    ("side", "action", "resource"),
    [
        ("source", "s3:ListBucket", "in-bucket"),
        ("source", "s3:GetObject", "in-bucket/a/b"),
        ("source", "s3:GetObjectTagging", "in-bucket/a/b"),
        ("store", "s3:GetObject", "in-bucket/a/b"),
        ("store", "s3:GetObjectTagging", "in-bucket/a/b"),
        ("store", "s3:ListBucket", "out-bucket"),
        ("store", "s3:GetObject", "out-bucket/a/b"),
        ("store", "s3:PutObject", "out-bucket/a/b"),
        ("store", "s3:PutObjectTagging", "out-bucket/a/b"),
        ("store", "s3:DeleteObject", "out-bucket/a/b"),
        ("store", "s3:AbortMultipartUpload", "out-bucket/a/b"),
        ("store", "s3:ListMultipartUploadParts", "out-bucket/a/b"),
        ("store", "s3:ListBucketMultipartUploads", "out-bucket"),
        ("store", "s3:GetBucketVersioning", "out-bucket"),
        ("store", "s3:GetBucketWebsite", "out-bucket"),
        ("source", "s3:GetBucketWebsite", "in-bucket"),
        ("store", "s3:ListBucket", "trash-bucket"),
        ("store", "s3:PutObject", "trash-bucket/t/a"),
        ("store", "s3:GetObject", "trash-bucket/t/a"),
    ],
)
def test_each_side_may_do_its_part(side: Any, action: str, resource: str) -> None:
    assert allows(policies(sync(trash="s3://trash-bucket/t"))[side], action, f"arn:aws:s3:::{resource}")


def test_the_reports_of_a_side_may_be_read_by_its_credentials() -> None:
    both = policies(
        SyncSettings(
            name="images",
            source=BucketSettings(bucket="in-bucket", inventory="s3://reports/in-bucket/daily"),
            store=BucketSettings(bucket="out-bucket"),
        )
    )
    assert allows(both["source"], "s3:ListBucket", "arn:aws:s3:::reports", prefix="in-bucket/daily/")
    assert allows(both["source"], "s3:GetObject", "arn:aws:s3:::reports/in-bucket/daily/data/1.orc")
    assert not allows(both["source"], "s3:GetObject", "arn:aws:s3:::reports/another/daily/data/1.orc")
    assert not allows(both["source"], "s3:PutObject", "arn:aws:s3:::reports/in-bucket/daily/data/1.orc")
    assert not allows(both["store"], "s3:GetObject", "arn:aws:s3:::reports/in-bucket/daily/data/1.orc")


def test_versions_of_the_source_are_read_only_where_that_is_asked_for() -> None:
    for action, resource in (
        ("s3:ListBucketVersions", "in-bucket"),
        ("s3:GetBucketVersioning", "in-bucket"),
        ("s3:GetObjectVersion", "in-bucket/a"),
        ("s3:GetObjectVersionTagging", "in-bucket/a"),
        ("s3:GetObjectVersionAcl", "in-bucket/a"),
    ):
        sides: list[tuple[Side, bool]] = [("source", True), ("store", "/" in resource)]
        for side, is_read in sides:
            asked, unasked = (policies(sync(acl="source"), as_of=as_of)[side] for as_of in (True, False))
            assert allows(asked, action, f"arn:aws:s3:::{resource}") is is_read
            assert not allows(unasked, action, f"arn:aws:s3:::{resource}")


def test_the_checksums_of_parts_are_read_only_where_objects_may_be_streamed() -> None:
    for made, is_allowed in ((sync(), True), (sync(transfer="server"), False), (sync(keep_parts=False), False)):
        both = policies(made)
        assert allows(both["source"], "s3:GetObjectAttributes", "arn:aws:s3:::in-bucket/a") == is_allowed
        assert not allows(both["store"], "s3:GetObjectAttributes", "arn:aws:s3:::in-bucket/a")
    versions = policies(sync(), as_of=True)["source"]
    assert allows(versions, "s3:GetObjectVersionAttributes", "arn:aws:s3:::in-bucket/a")


def test_objects_in_the_trash_may_not_be_deleted() -> None:
    policy = policies(sync(trash="s3://trash-bucket/t"))["store"]
    assert not allows(policy, "s3:DeleteObject", "arn:aws:s3:::trash-bucket/t/a")
    assert not allows(policies(sync())["store"], "s3:PutObject", "arn:aws:s3:::trash-bucket/t/a")


def test_permissions_are_limited_to_the_prefix() -> None:
    both = policies(sync("in", "out"))
    assert allows(both["source"], "s3:GetObject", "arn:aws:s3:::in-bucket/in/a")
    assert not allows(both["source"], "s3:GetObject", "arn:aws:s3:::in-bucket/in2/a")
    assert allows(both["source"], "s3:ListBucket", "arn:aws:s3:::in-bucket", prefix="in/")
    assert not allows(both["source"], "s3:ListBucket", "arn:aws:s3:::in-bucket", prefix="")
    assert not allows(both["source"], "s3:ListBucket", "arn:aws:s3:::in-bucket", prefix="in2/")
    assert not allows(both["store"], "s3:DeleteObject", "arn:aws:s3:::out-bucket/other/a")


def test_wildcards_in_a_prefix_are_escaped() -> None:
    listing, _, reading, _ = policies(sync("a*b?$c"))["source"]["Statement"]
    assert reading["Resource"] == ["arn:aws:s3:::in-bucket/a${*}b${?}${$}c/*"]
    assert listing["Condition"] == {"StringLikeIfExists": {"s3:prefix": ["a${*}b${?}${$}c/*"]}}


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-east-1", "aws-us-gov")])
def test_other_partitions_of_aws(region: str, partition: str) -> None:
    assert policies(sync(region=region))["source"]["Statement"][0]["Resource"] == [f"arn:{partition}:s3:::in-bucket"]


def test_only_the_credentials_of_the_source_read_what_is_streamed() -> None:
    assert allows(policies(sync())["store"], "s3:GetObject", "arn:aws:s3:::in-bucket/a")
    streamed = policies(sync(transfer="stream"))
    assert not allows(streamed["store"], "s3:GetObject", "arn:aws:s3:::in-bucket/a")
    assert allows(streamed["source"], "s3:GetObject", "arn:aws:s3:::in-bucket/a")


@pytest.mark.parametrize(
    ("acl", "reads", "writes"), [("none", False, False), ("private", False, True), ("source", True, True)]
)
def test_access_control_lists_need_permissions_of_their_own(acl: str, reads: bool, writes: bool) -> None:
    made = policies(sync(acl=acl))
    assert allows(made["source"], "s3:GetObjectAcl", "arn:aws:s3:::in-bucket/a") is reads
    assert allows(made["store"], "s3:PutObjectAcl", "arn:aws:s3:::out-bucket/a") is writes


@pytest.mark.parametrize(
    ("key_id", "resource"),
    [("arn:aws:kms:eu-west-1:1:key/ab", "arn:aws:kms:eu-west-1:1:key/ab"), ("alias/hyve", "*"), (None, None)],
)
def test_a_key_of_kms_may_be_used(key_id: str | None, resource: str | None) -> None:
    options = {} if key_id is None else {"encryption": "aws:kms", "kms_key_id": key_id}
    statements = policies(sync(**options))["store"]["Statement"]
    found = [statement["Resource"] for statement in statements if "kms:GenerateDataKey" in statement["Action"]]
    assert found == ([] if resource is None else [[resource]])


ROLE = "arn:aws:iam::123456789012:role/hyve"


def test_a_state_in_a_bucket_has_a_policy_of_its_own() -> None:
    state = BucketSettings(bucket="state-bucket", prefix="home/", region="eu-west-1")
    documents = all_policies(sync(), state)
    assert list(documents) == ["source", "store", "state"]
    policy = documents["state"]
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"):
        assert allows(policy, action, "arn:aws:s3:::state-bucket/home/state/images")
        assert not allows(policy, action, "arn:aws:s3:::state-bucket/other")
    assert allows(policy, "s3:ListBucket", "arn:aws:s3:::state-bucket", "home/state/")
    assert not allows(policy, "s3:ListBucket", "arn:aws:s3:::state-bucket", "other/")


def test_without_a_state_in_a_bucket_and_roles_there_are_two() -> None:
    assert all_policies(sync(), None) == policies(sync())


def test_a_role_comes_with_what_lets_it_be_assumed() -> None:
    settings = sync()
    store = settings.store.model_copy(update={"role_arn": ROLE, "external_id": "hyve-4711"})
    documents = all_policies(settings.model_copy(update={"store": store}), None)
    assert list(documents) == ["source", "store", "store_caller", "store_trust"]
    assert allows(documents["store_caller"], "sts:AssumeRole", ROLE)
    (trust,) = documents["store_trust"]["Statement"]
    assert trust["Action"] == ["sts:AssumeRole"]
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "hyve-4711"}}


def test_the_policy_of_a_public_bucket_is_for_everyone() -> None:
    settings = sync()
    source = settings.source.model_copy(update={"anonymous": True})
    documents = all_policies(settings.model_copy(update={"source": source}), None)
    assert {statement["Principal"] for statement in documents["source"]["Statement"]} == {"*"}
    assert all("Principal" not in statement for statement in documents["store"]["Statement"])
