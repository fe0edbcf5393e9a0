"""Headers for writing: encryption, a canned ACL, a storage class, and those of XML documents."""

import base64
import hashlib

from hyve_pipeline.s3.wire.messages import Pairs

STORAGE_CLASS_HEADER = "x-amz-storage-class"

# Classes that belong to the place of an object and can't be requested, and the default, which needs no header.
_UNWRITABLE_CLASSES = {"STANDARD", "EXPRESS_ONEZONE", "FSX_ONTAP", "FSX_OPENZFS", "OUTPOSTS", "SNOW"}


def storage_class_headers(choice: str, source_class: str) -> Pairs:
    """The header for the storage class of a new object, if it needs one.

    Args:
        choice: the option: ``source``, ``default`` or the name of a class.
        source_class: the class of the source's object.
    """
    if choice == "default" or (choice == "source" and not is_writable_class(source_class)):
        return ()
    return ((STORAGE_CLASS_HEADER, source_class if choice == "source" else choice),)


def is_writable_class(storage_class: str) -> bool:
    """Whether the class can be requested for a copy."""
    return storage_class.upper() not in _UNWRITABLE_CLASSES


def encryption_headers(algorithm: str | None, kms_key_id: str | None, bucket_key: bool | None) -> Pairs:
    """The headers for server-side encryption of a new object.

    Args:
        algorithm: ``AES256``, ``aws:kms`` or ``aws:kms:dsse``; None leaves it to the bucket.
        kms_key_id: the KMS key; None takes the account's own.
        bucket_key: whether a bucket key saves calls to KMS; None leaves it to the bucket.
    """
    named = {
        "x-amz-server-side-encryption": algorithm,
        "x-amz-server-side-encryption-aws-kms-key-id": kms_key_id,
        "x-amz-server-side-encryption-bucket-key-enabled": None if bucket_key is None else str(bucket_key).lower(),
    }
    return tuple((name, value) for name, value in named.items() if value is not None)


def document_headers(body: bytes) -> Pairs:
    """The headers of a request whose body is an XML document."""
    # Every server accepts this checksum, and some accept no other. It is a checksum, not a security measure.
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    return (("content-md5", md5), ("content-type", "application/xml"))


def canned_acl_headers(acl: str) -> Pairs:
    """The header that gives a new object a canned ACL, such as ``public-read``; none where the option asks for none."""
    return (("x-amz-acl", acl),) if has_canned_acl(acl) else ()


def has_canned_acl(acl: str) -> bool:
    """Whether the option asks for a canned ACL: not for the bucket's default, nor for the grants of the source."""
    return acl not in ("none", "source")
