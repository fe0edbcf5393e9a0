"""Headers that give a new object what the options ask for: encryption, a canned ACL, a storage class."""

from hyve_pipeline.s3.wire.messages import Pairs

STORAGE_CLASS_HEADER = "x-amz-storage-class"

# Classes that belong to the place where an object is, and can't be asked for; and the one that needs no asking.
_UNWRITABLE_CLASSES = {"STANDARD", "EXPRESS_ONEZONE", "FSX_ONTAP", "FSX_OPENZFS", "OUTPOSTS", "SNOW"}


def storage_class_headers(choice: str, source_class: str) -> Pairs:
    """The header that gives a new object its storage class, where it needs one.

    Args:
        choice: the option: ``source``, ``default`` or the name of a class.
        source_class: the class of the source's object.
    """
    if choice == "default" or (choice == "source" and not is_writable_class(source_class)):
        return ()
    return ((STORAGE_CLASS_HEADER, source_class if choice == "source" else choice),)


def is_writable_class(storage_class: str) -> bool:
    """Whether a copy can be asked for in this class."""
    return storage_class.upper() not in _UNWRITABLE_CLASSES


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
