"""The least that the credentials of each side must be allowed, as AWS policy documents.

Source of the rules: the requests that `hyve_pipeline.s3` sends, and the actions that each of them needs,
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

import re
from typing import Any

from hyve_pipeline.core.inventory import Side
from hyve_pipeline.core.settings import BucketSettings, SyncSettings

Policy = dict[str, Any]

# To read an object as a copy does, with its tags.
_READ = ("s3:GetObject", "s3:GetObjectTagging")

# To make one, large ones in parts; an upload in parts that failed is aborted.
_WRITE = ("s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload")

# What a bucket with versions needs besides, to put back an earlier one.
_READ_VERSIONS = ("s3:GetObjectVersion", "s3:GetObjectVersionTagging")

_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


def policies(sync: SyncSettings) -> dict[Side, Policy]:
    """The policy for the credentials of each side. Credentials that serve both sides need both.

    The store's credentials need to read the source too, since it is with them that the server copies. No
    policy allows to write the source.
    """
    store = [
        _listing("ListStore", sync.store, "s3:ListBucketVersions"),
        _objects("ReadWriteAndDeleteStore", sync.store, (*_READ, *_READ_VERSIONS, *_WRITE, "s3:DeleteObject")),
        _objects("ReadSource", sync.source, _READ),
    ]
    if sync.trash is not None:
        store.append(_listing("ListTrash", sync.trash))
        store.append(_objects("ReadAndWriteTrash", sync.trash, (*_READ, *_WRITE)))
    return {
        "source": _policy([_listing("ListSource", sync.source), _objects("ReadSource", sync.source, _READ)]),
        "store": _policy(store),
    }


def _policy(statements: list[dict[str, Any]]) -> Policy:
    return {"Version": "2012-10-17", "Statement": statements}


def _listing(name: str, place: BucketSettings, *more_actions: str) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": name,
        "Effect": "Allow",
        "Action": ["s3:ListBucket", *more_actions],
        "Resource": [_arn(place)],
    }
    if place.prefix:
        # IfExists, because this action also decides whether a missing object is told as 404 or as 403, and
        # a question about one object has no prefix. Without the 404 no key could be found safe to delete.
        statement["Condition"] = {"StringLikeIfExists": {"s3:prefix": [f"{_literal(place.prefix)}*"]}}
    return statement


def _objects(name: str, place: BucketSettings, actions: tuple[str, ...]) -> dict[str, Any]:
    resource = f"{_arn(place)}/{_literal(place.prefix)}*"
    return {"Sid": name, "Effect": "Allow", "Action": list(actions), "Resource": [resource]}


def _arn(place: BucketSettings) -> str:
    region = place.region or ""
    partition = next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")
    return f"arn:{partition}:s3:::{place.bucket}"


def _literal(text: str) -> str:
    """Text in which the characters that mean something in a policy mean themselves.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    return re.sub(r"[*?$]", lambda found: f"${{{found[0]}}}", text)
