"""The checksums that S3 keeps of objects: their names, how they are computed, and how answers tell them.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from hyve_pipeline.s3.wire.messages import Pairs, Response

HEADER = "x-amz-checksum-"

# How an ETag looks that may be the MD5 of the content.
PLAIN_MD5 = re.compile("[0-9a-fA-F]{32}")

# What is taken where the source has none: the one that Amazon S3 itself adds to objects without any.
DEFAULT_ALGORITHM = "CRC64NVME"

FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"


# By S3's names of the algorithms: bytes of the checksum.
_SIZES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}

# The algorithms by which the checksum of a whole object can be had from those of its parts.
_LINEAR = {"CRC32", "CRC32C", "CRC64NVME"}


def _digest(algorithm: str, data: bytes) -> bytes:
    if algorithm == "SHA256":
        return hashlib.sha256(data).digest()
    if algorithm == "SHA1":
        return hashlib.sha1(data, usedforsecurity=False).digest()
    # Imported late: whoever only reads checksums need not load the library that computes them.
    from awscrt import checksums

    compute: Callable[[bytes], int] = getattr(checksums, algorithm.lower())
    return compute(data).to_bytes(_SIZES[algorithm], "big")


@dataclass(frozen=True, slots=True)
class Checksums:
    """What a server knows of an object's content.

    Attributes:
        values: checksums in base64, by algorithm as S3 writes it, such as ``CRC64NVME``; those of parts joined
            have a ``-`` and the number of parts behind them.
        is_of_whole: whether they are of the whole object, and not of the checksums of its parts.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    is_of_whole: bool = True

    @property
    def algorithm(self) -> str | None:
        """The algorithm that the object was given, or None."""
        return next(iter(self.values), None)

    @property
    def kind(self) -> str:
        """``FULL_OBJECT`` or ``COMPOSITE``."""
        return FULL_OBJECT if self.is_of_whole else COMPOSITE


def keeps_md5_etags(response: Response) -> bool:
    """Whether the ETag of the object that an answer is about, where it has no ``-``, is the MD5 of its content.

    It looks like one and is none where a KMS key encrypts the object, or its owner's own key.
    """
    encryption = response.header("x-amz-server-side-encryption") or "AES256"
    return encryption == "AES256" and not response.header("x-amz-server-side-encryption-customer-algorithm")


def read_checksum_headers(headers: Pairs) -> Checksums:
    """The checksums that an answer tells; empty where it tells none of a kind that is known here."""
    named = {name.lower(): value for name, value in headers if name.lower().startswith(HEADER)}
    values = {name: named[key] for name in _SIZES if (key := HEADER + name.lower()) in named}
    kind = named.get(f"{HEADER}type")
    # Without a type, the number of parts behind a value tells, or behind the ETag.
    etags = (value for name, value in headers if name.lower() == "etag")
    is_of_whole = kind == FULL_OBJECT if kind else not any("-" in text for text in (*values.values(), *etags))
    return Checksums(values, is_of_whole)


def checksum(algorithm: str, data: bytes) -> str:
    """The checksum of some bytes, in base64."""
    return base64.b64encode(_digest(algorithm, data)).decode()


def can_combine(algorithm: str) -> bool:
    """Whether the checksum of a whole object can be had from those of its parts."""
    return algorithm in _LINEAR


def combined(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """The checksum of a whole object from those of its parts.

    Args:
        algorithm: one that `can_combine`.
        parts: checksum in base64 and bytes of each part, in order.
    """
    from awscrt import checksums

    combine: Callable[[int, int, int], int] = getattr(checksums, f"combine_{algorithm.lower()}")

    def join(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
        return combine(left[0], right[0], right[1]), left[1] + right[1]

    numbers = ((int.from_bytes(base64.b64decode(value), "big"), size) for value, size in parts)
    return base64.b64encode(reduce(join, numbers)[0].to_bytes(_SIZES[algorithm], "big")).decode()


def composite(algorithm: str, parts: Iterable[str]) -> str:
    """The checksum of the checksums of an object's parts, as S3 writes it, with their number."""
    digests = [base64.b64decode(value) for value in parts]
    return f"{checksum(algorithm, b''.join(digests))}-{len(digests)}"


def composite_etag(parts: Iterable[str]) -> str:
    """The ETag of an object that was uploaded in parts: the MD5 of their MD5s, with their number."""
    digests = [bytes.fromhex(etag) for etag in parts]
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"
