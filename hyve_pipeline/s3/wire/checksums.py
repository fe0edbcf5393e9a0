"""The checksums that S3 stores with objects: their names, how they are computed, and the headers that have them.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.s3.wire.messages import Pairs, Response

HEADER = "x-amz-checksum-"

# The form of an ETag that may be the MD5 of the content.
PLAIN_MD5 = re.compile("[0-9a-fA-F]{32}")

# For objects without a checksum; Amazon S3 itself adds it to these.
DEFAULT_ALGORITHM = "CRC64NVME"

FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"

# Bytes of a checksum by S3's name of the algorithm.
_SIZES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}

# The algorithms for which the checksum of an object can be computed from those of its parts.
_LINEAR = {"CRC32", "CRC32C", "CRC64NVME"}


def _digest(algorithm: str, data: bytes) -> bytes:
    if algorithm == "MD5":
        return hashlib.md5(data, usedforsecurity=False).digest()
    if algorithm == "SHA256":
        return hashlib.sha256(data).digest()
    if algorithm == "SHA1":
        return hashlib.sha1(data, usedforsecurity=False).digest()
    # Imported late: reading checksums does not require the library that computes them.
    from awscrt import checksums

    compute: Callable[[bytes], int] = getattr(checksums, algorithm.lower())
    return compute(data).to_bytes(_SIZES[algorithm], "big")


@dataclass(frozen=True, slots=True)
class Checksums:
    """The checksums that a server has of an object.

    Attributes:
        values: checksums in base64 by S3's name of the algorithm, such as ``CRC64NVME``; composite ones may end with
            ``-`` and the number of parts.
        is_of_whole: whether they are of the full object, and not composite (of the checksums of its parts).
    """

    values: Mapping[str, str] = field(default_factory=dict)
    is_of_whole: bool = True

    @property
    def algorithm(self) -> str | None:
        """The algorithm of the object's checksum, or None."""
        return next(iter(self.values), None)

    @property
    def kind(self) -> str:
        """``FULL_OBJECT`` or ``COMPOSITE``."""
        return FULL_OBJECT if self.is_of_whole else COMPOSITE


def keeps_md5_etags(response: Response) -> bool:
    """Whether an ETag without ``-`` of the object that an answer is about is the MD5 of its content.

    It looks like an MD5 but is none if a KMS key or a customer's key (SSE-C) encrypts the object.
    """
    encryption = response.header("x-amz-server-side-encryption") or "AES256"
    return encryption == "AES256" and not response.header("x-amz-server-side-encryption-customer-algorithm")


def has_other_content(planned: str, copied: str, response: Response) -> bool:
    """Whether the ETags of an object and its copy, which an answer is about, prove that their content differs."""
    if same_etag(planned, copied) or not keeps_md5_etags(response):
        return False
    return bool(PLAIN_MD5.fullmatch(planned) and PLAIN_MD5.fullmatch(copied))


def read_checksum_headers(headers: Pairs) -> Checksums:
    """The checksums in an answer's headers; empty if there are none of a known algorithm."""
    named = {name.lower(): value for name, value in headers if name.lower().startswith(HEADER)}
    values = {name: named[key] for name in _SIZES if (key := HEADER + name.lower()) in named}
    kind = named.get(f"{HEADER}type")
    # Without a type, the number of parts at the end of a value or of the ETag shows it.
    etags = (value for name, value in headers if name.lower() == "etag")
    is_of_whole = kind == FULL_OBJECT if kind else not any("-" in text for text in (*values.values(), *etags))
    return Checksums(values, is_of_whole)


def md5_of(data: bytes) -> str:
    """The MD5 of bytes in hexadecimal digits."""
    return _digest("MD5", data).hex()


def upload_headers(algorithm: str | None, kind: str) -> Pairs:
    """The headers with which a server stores a checksum of that algorithm and kind for a multipart upload."""
    return () if algorithm is None else ((f"{HEADER}algorithm", algorithm), (f"{HEADER}type", kind))


def checksum(algorithm: str, data: bytes) -> str:
    """The checksum of bytes, in base64."""
    return base64.b64encode(_digest(algorithm, data)).decode()


def can_combine(algorithm: str) -> bool:
    """Whether the checksum of an object can be computed from those of its parts."""
    return algorithm in _LINEAR


def combined(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """The checksum of an object, computed from those of its parts.

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
    """The composite checksum: of the checksums of an object's parts, with their number."""
    digests = [base64.b64decode(value) for value in parts]
    return f"{checksum(algorithm, b''.join(digests))}-{len(digests)}"


def composite_etag(parts: Iterable[str]) -> str:
    """The ETag of a multipart upload: the MD5 of the MD5s of its parts, with their number."""
    digests = [bytes.fromhex(etag) for etag in parts]
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"
