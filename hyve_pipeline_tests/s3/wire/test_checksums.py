"""Checksums: of pieces and of the whole, and what headers tell of them."""

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.s3.wire.checksums import (
    Checksums,
    can_combine,
    checksum,
    combined,
    composite,
    composite_etag,
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
    ],
)
def test_known_values(algorithm: str, expected: str) -> None:
    import base64

    assert base64.b64decode(checksum(algorithm, b"123456789")).hex() == expected


@pytest.mark.parametrize("algorithm", LINEAR)
@given(pieces=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=6))
def test_the_whole_is_known_from_its_pieces(algorithm: str, pieces: list[bytes]) -> None:
    parts = [(checksum(algorithm, piece), len(piece)) for piece in pieces]
    assert combined(algorithm, parts) == checksum(algorithm, b"".join(pieces))


def test_hashes_are_not_combined() -> None:
    assert [can_combine(name) for name in (*LINEAR, "SHA1", "SHA256")] == [True, True, True, False, False]


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
