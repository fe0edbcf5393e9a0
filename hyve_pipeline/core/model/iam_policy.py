"""The least permissions for the credentials of each side, as IAM policy documents.

Source of the rules: the requests that `hyve_pipeline.s3` sends, and the actions that each of them requires,
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

import re
from collections.abc import Iterable
from typing import Any

from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.places import BucketSettings

Policy = dict[str, Any]

# To read an object with its tags, as a copy does.
_READ = ("s3:GetObject", "s3:GetObjectTagging")

# To write an object, large ones by multipart upload; a failed multipart upload is aborted.
_WRITE = ("s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")

# To learn the checksums of an object's parts. It is optional: without it, they are made while the object is streamed.
_READ_PARTS = ("s3:GetObjectAttributes",)
_READ_VERSION_PARTS = ("s3:GetObjectVersionAttributes",)

# To read and write the annotations of an object, which are listed before any is written.
_READ_ANNOTATIONS = ("s3:ListObjectAnnotations", "s3:GetObjectAnnotation")
_WRITE_ANNOTATIONS = ("s3:PutObjectAnnotation",)
_READ_VERSION_ANNOTATIONS = ("s3:ListObjectVersionAnnotations", "s3:GetObjectVersionAnnotation")

# The same for retention, legal hold and event hold.
_READ_LOCKS = ("s3:GetObjectRetention", "s3:GetObjectLegalHold")
_WRITE_LOCKS = ("s3:PutObjectRetention", "s3:PutObjectLegalHold")
_ABOUT_LOCKS = ("s3:GetBucketObjectLockConfiguration",)

# To read a bucket's configuration: whether it is a website, so that redirects matter; whether it is versioned; which
# multipart uploads are open.
_ABOUT_SOURCE = ("s3:GetBucketWebsite",)
_ABOUT_STORE = ("s3:GetBucketVersioning", "s3:GetBucketWebsite", "s3:ListBucketMultipartUploads")

# To put tags that no header holds on the version that was just written.
_TAG_VERSIONS = ("s3:PutObjectVersionTagging",)

# To restore an earlier version in a versioned bucket.
_READ_VERSIONS = ("s3:GetObjectVersion", "s3:GetObjectVersionTagging")

_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


# The actions on the objects of a state in a bucket, which are Hyve's own: no tags, no versions.
_STATE = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")

# To take messages from a queue of events, to keep them from others meanwhile, and to see how many wait.
_QUEUE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes")

# Stands in a trust policy for what only the reader knows. AWS refuses a policy with it.
CALLER_PLACEHOLDER = "THE ARN OF THE USER OR ROLE THAT RUNS HYVE"


def all_policies(
    sync: SyncSettings, state: BucketSettings | None, *, only_pinned: bool = False, as_of: bool = False
) -> dict[str, Policy]:
    """The policies of source, store, a state in a bucket and a queue, and for each role what assuming it requires.

    Where S3 Batch Operations may copy, ``batch`` and ``batch_trust`` are the policies of the role that it copies with.

    ``NAME`` is the policy of the credentials that sign: those of the role, where there is one. Then ``NAME_caller`` is
    the policy of the credentials that assume it, and ``NAME_trust`` the trust policy of the role. Of a side with
    anonymous requests, ``NAME`` is the policy of the bucket. The queue is used with the source's credentials, or those
    of its own profile.

    Args:
        sync: the sync.
        state: the state's bucket, or None.
        only_pinned: whether the store's policy denies writes without a condition on what they would overwrite.
        as_of: whether the source is also read as it was earlier, by its versions.
    """
    documents: dict[str, Policy] = {}
    places: dict[str, BucketSettings | None] = {"source": sync.source, "store": sync.store, "state": state}
    found: dict[str, Policy] = {**policies(sync, as_of=as_of)}
    if only_pinned:
        found["store"]["Statement"].append(pinned_writes(sync.store))
    if state is not None:
        found["state"] = state_policy(state)
    for name, policy in found.items():
        place = places[name]
        is_anonymous = place is not None and place.anonymous
        documents[name] = _for_everyone(policy) if is_anonymous else policy
        if place is not None and place.role_arn is not None:
            allowed = _allow(f"Assume{name.capitalize()}Role", ("sts:AssumeRole",), place.role_arn)
            documents[f"{name}_caller"] = _policy([allowed])
            documents[f"{name}_trust"] = _policy([_trust(place.external_id)])
    if sync.batch is not None and sync.jobs is not None:
        documents["batch"] = _batch_policy(sync, sync.jobs)
        documents["batch_trust"] = _policy([_BATCH_TRUST])
    if sync.events is not None:
        documents["queue"] = _policy([_allow("FollowQueue", _QUEUE, sync.events.arn or "*")])
    return documents


# https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-iam-role-policies.html
_BATCH_TRUST: dict[str, Any] = {
    "Sid": "AssumedByBatchOperations",
    "Effect": "Allow",
    "Principal": {"Service": "batchoperations.s3.amazonaws.com"},
    "Action": ["sts:AssumeRole"],
}


def _batch_policy(sync: SyncSettings, jobs: BucketSettings) -> Policy:
    """The policy of the role that S3 Batch Operations copies with: the least for its copies, manifests and reports."""
    read, write = ("s3:GetObject", "s3:GetObjectTagging"), ("s3:PutObject", "s3:PutObjectTagging")
    if sync.options.annotations == "copy":
        read, write = (*read, *_READ_ANNOTATIONS), (*write, *_WRITE_ANNOTATIONS)
    if sync.options.acl not in ("none", "source"):
        write = (*write, "s3:PutObjectAcl")
    return _policy(
        [
            _listing("ListSource", sync.source),
            _objects("ReadSource", sync.source, read),
            _objects("WriteStore", sync.store, write),
            _objects("ReadManifests", jobs, ("s3:GetObject", "s3:GetObjectVersion")),
            _objects("WriteReports", jobs, ("s3:PutObject",)),
        ]
    )


def _using_jobs(sync: SyncSettings) -> list[dict[str, Any]]:
    """The statements for creating jobs, following them, and their files; none where there are no jobs."""
    batch, jobs = sync.batch, sync.jobs
    if batch is None or jobs is None:
        return []
    return [
        _allow("UseJobs", ("s3:CreateJob", "s3:DescribeJob", "s3:ListJobs"), "*"),
        _allow("PassBatchRole", ("iam:PassRole",), batch.role_arn),
        _listing("ListJobFiles", jobs),
        _objects("ReadAndWriteJobFiles", jobs, ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload")),
    ]


def state_policy(state: BucketSettings) -> Policy:
    """The policy for the credentials of a state in a bucket."""
    return _policy([_listing("ListState", state), _objects("ReadWriteAndDeleteState", state, _STATE)])


def _trust(external_id: str | None) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": "AssumedByHyve",
        "Effect": "Allow",
        "Principal": {"AWS": CALLER_PLACEHOLDER},
        "Action": ["sts:AssumeRole"],
    }
    if external_id is not None:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return statement


def _for_everyone(policy: Policy) -> Policy:
    return _policy([{**statement, "Principal": "*"} for statement in policy["Statement"]])


def policies(sync: SyncSettings, *, as_of: bool = False) -> dict[Side, Policy]:
    """The policy for the credentials of each side. Credentials that are used for both sides require both.

    The store's credentials must be able to read the source too, since the server copies with them, unless the bytes
    pass through this process. No policy allows writes to the source; a restore leaves its objects as they are.
    """
    as_of = as_of or sync.options.versions == "all"
    read = (*_READ, *_READ_VERSIONS) if as_of else _READ
    write = _WRITE
    kept = _READ, _WRITE
    # Of versions that an undo puts back, and of an object that a repair writes again: they stay if they are excluded.
    its_own: tuple[str, ...] = ()
    if sync.options.annotations == "copy":
        versions = _READ_VERSION_ANNOTATIONS if as_of else ()
        read, write = (*read, *_READ_ANNOTATIONS, *versions), (*write, *_WRITE_ANNOTATIONS)
        kept = (*_READ, *_READ_ANNOTATIONS), (*_WRITE, *_WRITE_ANNOTATIONS)
        its_own = _READ_VERSION_ANNOTATIONS
    elif sync.options.compare_properties:
        its_own = (*_READ_ANNOTATIONS, *_WRITE_ANNOTATIONS)
    about_source = (*_ABOUT_SOURCE, "s3:GetBucketVersioning") if as_of else _ABOUT_SOURCE
    about_store = _ABOUT_STORE
    if sync.options.locks == "copy":
        about_source, about_store = (*about_source, *_ABOUT_LOCKS), (*about_store, *_ABOUT_LOCKS)
        read, write = (*read, *_READ_LOCKS), (*write, *_READ_LOCKS, *_WRITE_LOCKS)
    if sync.options.acl == "source":
        read = (*read, "s3:GetObjectAcl", *(("s3:GetObjectVersionAcl",) if as_of else ()))
    if sync.options.acl != "none":
        write = (*write, "s3:PutObjectAcl")
    store = [
        _listing("ListStore", sync.store, "s3:ListBucketVersions"),
        _allow("AskStore", about_store, _arn(sync.store)),
        _objects(
            "ReadWriteAndDeleteStore",
            sync.store,
            (*kept[0], *_READ_VERSIONS, *its_own, *write, *_TAG_VERSIONS, "s3:DeleteObject"),
        ),
    ]
    if sync.options.versions == "all":
        # Only an undo removes versions: without it, this one can be left out.
        store.append(_objects("OptionallyUndoVersions", sync.store, ("s3:DeleteObjectVersion",)))
    if sync.options.transfer != "stream" and not _on_two_servers(sync):
        store.append(_objects("ReadSource", sync.source, read))
    if sync.trash is not None:
        store.append(_listing("ListTrash", sync.trash))
        store.append(_objects("ReadAndWriteTrash", sync.trash, (*kept[0], *kept[1], *_TAG_VERSIONS)))
    store += [*_reading_reports(sync.store, "Store"), *_using_jobs(sync)]
    if sync.options.kms_key_id is not None:
        store.append(_encrypting(sync.options.kms_key_id))
    source = [
        _listing("ListSource", sync.source, *(("s3:ListBucketVersions",) if as_of else ())),
        _allow("AskSource", about_source, _arn(sync.source)),
        _objects("ReadSource", sync.source, read),
        *_reading_reports(sync.source, "Source"),
    ]
    if sync.options.transfer != "server" and sync.options.keep_parts:
        parts = (*_READ_PARTS, *_READ_VERSION_PARTS) if as_of else _READ_PARTS
        source.append(_objects("OptionallyReadSourceParts", sync.source, parts))
    if sync.options.restore is not None:
        source.append(_objects("RestoreSource", sync.source, ("s3:RestoreObject",)))
    return {"source": _policy(source), "store": _policy(store)}


def _reading_reports(side: BucketSettings, name: str) -> list[dict[str, Any]]:
    """The statements for the S3 Inventory reports of a side; none where it is listed."""
    reports = side.reports
    if reports is None:
        return []
    return [
        _listing(f"List{name}Reports", reports),
        _objects(f"Read{name}Reports", reports, ("s3:GetObject",)),
    ]


def pinned_writes(place: BucketSettings) -> dict[str, Any]:
    """The statement that denies each write of an object that does not say what it expects to overwrite.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
    """
    return {
        "Sid": "DenyUnpinnedWrites",
        "Effect": "Deny",
        "Action": ["s3:PutObject"],
        "Resource": [f"{_arn(place)}/{_literal(place.prefix)}*"],
        # The requests that begin a multipart upload or send a part have no such header, and make no object.
        "Condition": {
            "Null": {"s3:if-match": "true", "s3:if-none-match": "true"},
            "Bool": {"s3:ObjectCreationOperation": "true"},
        },
    }


def _on_two_servers(sync: SyncSettings) -> bool:
    """Whether the buckets are known to be on two servers, so that neither server can copy."""
    servers = (sync.source.server, sync.store.server)
    return None not in servers and len({*servers}) == 2


def _policy(statements: list[dict[str, Any]]) -> Policy:
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(name: str, actions: Iterable[str], resource: str) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Allow", "Action": [*actions], "Resource": [resource]}


def _listing(name: str, place: BucketSettings, *more_actions: str) -> dict[str, Any]:
    statement = _allow(name, ("s3:ListBucket", *more_actions), _arn(place))
    if place.prefix:
        # IfExists, because this action also decides whether HEAD of a missing object gives 404 or 403, and HEAD has no
        # prefix. Without the 404 no key could be found safe to delete.
        statement["Condition"] = {"StringLikeIfExists": {"s3:prefix": [f"{_literal(place.prefix)}*"]}}
    return statement


def _encrypting(key_id: str) -> dict[str, Any]:
    """Permission to write objects encrypted by a KMS key, by multipart upload too. A policy names a key by its ARN."""
    is_arn = key_id.startswith("arn:") and ":key/" in key_id
    return _allow("EncryptStore", ("kms:GenerateDataKey", "kms:Decrypt"), key_id if is_arn else "*")


def _objects(name: str, place: BucketSettings, actions: tuple[str, ...]) -> dict[str, Any]:
    return _allow(name, actions, f"{_arn(place)}/{_literal(place.prefix)}*")


def _arn(place: BucketSettings) -> str:
    region = place.region or ""
    partition = next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")
    return f"arn:{partition}:s3:::{place.bucket}"


def _literal(text: str) -> str:
    """Text with the special characters of a policy escaped.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    return re.sub(r"[*?$]", lambda found: f"${{{found[0]}}}", text)
