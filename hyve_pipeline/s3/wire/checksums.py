"""The checksums that S3 stores with objects: their names, how they are computed, and the headers that have them.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import NamedTuple

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.s3.wire.messages import Pairs, Response

HEADER = "x-amz-checksum-"

# The form of an ETag that may be the MD5 of the content.
PLAIN_MD5 = re.compile("[0-9a-fA-F]{32}")

# For objects without a checksum; Amazon S3 itself adds it to these.
DEFAULT_ALGORITHM = "CRC64NVME"

FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"

# Bytes of a checksum by S3's name of the algorithm, for those that are polynomials: the checksum of an object can be
# computed from those of its parts.
_LINEAR = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8}

# All others, and the function that computes them: of `hashlib`, or else of `awscrt.checksums.XXHash`.
_HASHES = {
    "SHA1": "sha1",
    "SHA256": "sha256",
    "SHA512": "sha512",
    "MD5": "md5",
    "XXHASH64": "compute_xxhash64",
    "XXHASH3": "compute_xxhash3_64",
    "XXHASH128": "compute_xxhash3_128",
}

# The algorithms of S3, in the order in which one is chosen where an object has several.
ALGORITHMS = (*_LINEAR, *_HASHES)


def _digest(algorithm: str, data: bytes) -> bytes:
    if algorithm not in _LINEAR and (name := _HASHES[algorithm]) in hashlib.algorithms_guaranteed:
        return hashlib.new(name, data, usedforsecurity=False).digest()
    # Imported late: reading checksums does not require the library that computes them.
    from awscrt import checksums

    if algorithm in _LINEAR:
        compute: Callable[[bytes], int] = getattr(checksums, algorithm.lower())
        return compute(data).to_bytes(_LINEAR[algorithm], "big")
    hash_of: Callable[[bytes], bytes] = getattr(checksums.XXHash, _HASHES[algorithm])
    return hash_of(data)


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


class SharedChecksum(NamedTuple):
    """A checksum that the servers of an object and of its copy have both told.

    Attributes:
        how: ``checksum`` of the full object, or ``composite_checksum``.
        checksum: ``ALGORITHM:VALUE``.
    """

    how: str
    checksum: str


def shared_checksum(known: Checksums, algorithm: str | None) -> SharedChecksum | None:
    """The checksum of an object that its copy was found to have too.

    Args:
        known: the checksums of the object.
        algorithm: that of the copy's checksum; None if there is none, or it was not compared.
    """
    value = known.values.get(algorithm or "")
    if value is None:
        return None
    return SharedChecksum("checksum" if known.is_of_whole else "composite_checksum", f"{algorithm}:{value}")


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
    values = {name: named[key] for name in ALGORITHMS if (key := HEADER + name.lower()) in named}
    kind = named.get(f"{HEADER}type")
    # Without a type, the number of parts at the end of a value or of the ETag shows it.
    etags = (value for name, value in headers if name.lower() == "etag")
    is_of_whole = kind == FULL_OBJECT if kind else not any("-" in text for text in (*values.values(), *etags))
    return Checksums(values, is_of_whole)


def md5_of(data: bytes) -> str:
    """The MD5 of bytes in hexadecimal digits."""
    return _digest("MD5", data).hex()


def kind_of_parts(known: Checksums, algorithm: str | None, *, are_kept: bool) -> str:
    """The kind of checksum that an object gets which is written in parts: that of another object, as far as S3 has it.

    S3 computes full-object checksums of parts only where they can be combined, and has no composite CRC64NVME.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html

    Args:
        known: the checksums of the other.
        algorithm: of the new checksum, or None.
        are_kept: the parts are those of the other.
    """
    if algorithm is None or algorithm not in _LINEAR:
        return COMPOSITE
    is_composite = known.algorithm == algorithm and not known.is_of_whole and are_kept and algorithm != "CRC64NVME"
    return COMPOSITE if is_composite else FULL_OBJECT


def upload_headers(algorithm: str | None, kind: str) -> Pairs:
    """The headers with which a server stores a checksum of that algorithm and kind for a multipart upload."""
    return () if algorithm is None else ((f"{HEADER}algorithm", algorithm), (f"{HEADER}type", kind))


def checksum(algorithm: str, data: bytes) -> str:
    """The checksum of bytes, in base64."""
    return base64.b64encode(_digest(algorithm, data)).decode()


def combined(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """The checksum of an object, computed from those of its parts.

    Args:
        algorithm: one of which parts can have a full-object checksum, see `kind_of_parts`.
        parts: checksum in base64 and bytes of each part, in order.
    """
    from awscrt import checksums

    combine: Callable[[int, int, int], int] = getattr(checksums, f"combine_{algorithm.lower()}")

    def join(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
        return combine(left[0], right[0], right[1]), left[1] + right[1]

    numbers = ((int.from_bytes(base64.b64decode(value), "big"), size) for value, size in parts)
    return base64.b64encode(reduce(join, numbers)[0].to_bytes(_LINEAR[algorithm], "big")).decode()


def composite(algorithm: str, parts: Iterable[str]) -> str:
    """The composite checksum: of the checksums of an object's parts, with their number."""
    digests = [base64.b64decode(value) for value in parts]
    return f"{checksum(algorithm, b''.join(digests))}-{len(digests)}"


def composite_etag(parts: Iterable[str]) -> str:
    """The ETag of a multipart upload: the MD5 of the MD5s of its parts, with their number."""
    digests = [bytes.fromhex(etag) for etag in parts]
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"
