"""Checksums: of pieces and of the whole, and what headers tell of them."""

import base64
import hashlib
import zlib
from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.s3.wire.checksums import (
    ALGORITHMS,
    COMPOSITE,
    FULL_OBJECT,
    Checksums,
    checksum,
    combined,
    composite,
    composite_etag,
    kind_of_parts,
    read_checksum_headers,
)

LINEAR = ["CRC32", "CRC32C", "CRC64NVME"]


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    # The check values of the catalogue of CRC algorithms, https://reveng.sourceforge.io/crc-catalogue/all.htm,
    # and of the standards of the hashes.
    [
        ("CRC32", "cbf43926"),
        ("CRC32C", "e3069283"),
        ("CRC64NVME", "ae8b14860a799888"),
        ("SHA1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ("SHA256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        (
            "SHA512",
            "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a"
            "d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
        ),
        ("MD5", "25f9e794323b453885f5181f1b624d0b"),
    ],
)
def test_known_values(algorithm: str, expected: str) -> None:
    assert base64.b64decode(checksum(algorithm, b"123456789")).hex() == expected


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    # In canonical form, the most significant byte first:
    # https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
    [
        ("XXHASH64", "44bc2cf5ad770999"),
        ("XXHASH3", "78af5f94892f3950"),
        ("XXHASH128", "06b05ab6733a618578af5f94892f3950"),
    ],
)
def test_known_values_of_xxhash(algorithm: str, expected: str) -> None:
    assert base64.b64decode(checksum(algorithm, b"abc")).hex() == expected


def test_every_algorithm_of_s3_is_known_and_computed() -> None:
    """As botocore's model of PutObject names them."""
    shape: Any = botocore.session.get_session().get_service_model("s3").shape_for("ChecksumAlgorithm")
    assert sorted(ALGORITHMS) == sorted(shape.enum)
    for name in ALGORITHMS:
        header = (f"x-amz-checksum-{name.lower()}", checksum(name, b"abc"))
        assert read_checksum_headers((header,)) == Checksums({name: checksum(name, b"abc")}, True)


@given(st.sampled_from([None, *ALGORITHMS]), st.sampled_from([None, *ALGORITHMS]), st.booleans(), st.booleans())
def test_only_kinds_that_s3_has_are_asked_for(known: str | None, new: str | None, is_whole: bool, kept: bool) -> None:
    """Full-object checksums of parts exist where they can be combined, and CRC64NVME has no other kind."""
    kind = kind_of_parts(Checksums({} if known is None else {known: "a"}, is_whole), new, are_kept=kept)
    if new not in LINEAR:
        assert kind == COMPOSITE
    elif new == "CRC64NVME":
        assert kind == FULL_OBJECT
    else:
        assert (kind == COMPOSITE) == (known == new and kept and not is_whole)


@pytest.mark.parametrize("algorithm", LINEAR)
@given(pieces=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=6))
def test_the_whole_is_known_from_its_pieces(algorithm: str, pieces: list[bytes]) -> None:
    parts = [(checksum(algorithm, piece), len(piece)) for piece in pieces]
    assert combined(algorithm, parts) == checksum(algorithm, b"".join(pieces))


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_checksums_of_checksums(pieces: list[bytes]) -> None:
    digests = b"".join(zlib.crc32(piece).to_bytes(4, "big") for piece in pieces)
    checksums = [checksum("CRC32", piece) for piece in pieces]
    assert composite("CRC32", checksums) == f"{checksum('CRC32', digests)}-{len(pieces)}"
    md5s = [hashlib.md5(piece) for piece in pieces]
    expected = hashlib.md5(b"".join(md5.digest() for md5 in md5s)).hexdigest()
    assert composite_etag(md5.hexdigest() for md5 in md5s) == f"{expected}-{len(pieces)}"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((), Checksums({}, True)),
        ((("X-Amz-Checksum-CRC32C", "a"),), Checksums({"CRC32C": "a"}, True)),
        ((("x-amz-checksum-crc32c", "a-3"),), Checksums({"CRC32C": "a-3"}, False)),
        ((("x-amz-checksum-crc32c", "a"), ("ETag", '"0-3"')), Checksums({"CRC32C": "a"}, False)),
        (
            (("x-amz-checksum-crc64nvme", "a"), ("x-amz-checksum-type", "FULL_OBJECT"), ("etag", '"0-3"')),
            Checksums({"CRC64NVME": "a"}, True),
        ),
        # Two headers that begin in the same way and are no checksums.
        ((("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "COMPOSITE")), Checksums({}, False)),
        ((("x-amz-checksum-md9", "a"),), Checksums({}, True)),
    ],
)
def test_what_headers_tell(headers: tuple[tuple[str, str], ...], expected: Checksums) -> None:
    assert read_checksum_headers(headers) == expected
