"""Headers that give a new object what the options ask for, whatever the source has: encryption and a canned ACL."""

from hyve_pipeline.s3.wire.messages import Pairs


def encryption_headers(algorithm: str | None, kms_key_id: str | None, bucket_key: bool | None) -> Pairs:
    """The headers that encrypt a new object on the server.

    Args:
        algorithm: ``AES256``, ``aws:kms`` or ``aws:kms:dsse``; None leaves it to the bucket.
        kms_key_id: the KMS key; None takes the account's own.
        bucket_key: whether a bucket key saves calls to KMS; None leaves it to the bucket.
    """
    headers: list[tuple[str, str]] = []
    if algorithm is not None:
        headers.append(("x-amz-server-side-encryption", algorithm))
    if kms_key_id is not None:
        headers.append(("x-amz-server-side-encryption-aws-kms-key-id", kms_key_id))
    if bucket_key is not None:
        headers.append(("x-amz-server-side-encryption-bucket-key-enabled", str(bucket_key).lower()))
    return tuple(headers)


def canned_acl_headers(acl: str) -> Pairs:
    """The header that gives a new object a canned ACL, such as ``public-read``."""
    return (("x-amz-acl", acl),)
