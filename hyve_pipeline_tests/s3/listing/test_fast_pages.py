"""Reading uniform pages quickly: the same as reading them element by element, or not at all."""

import re
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.s3.listing.fast_pages import read_uniform_page
from hyve_pipeline.s3.listing.malformed import MalformedPageError
from hyve_pipeline.s3.listing.pages import read_any_page
from hyve_pipeline_tests.s3.keys import XML_KEYS
from hyve_pipeline_tests.s3.scripted import DATE, listing, listing_entry, restore_status

_ANY_KEY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
_ODD_TEXT = st.sampled_from(
    [
        "",
        "a",
        "-1",
        "7",
        "+5",
        "0x10",
        " 7",
        "9223372036854775808",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+05:00",
        "W/x",
        "a b",
        "a+b",
        "%20%2B",
        "\t",
        "\n",
        "&quot;x&quot;",
        "&lt;",
        "<x/>",
        "<!-- -->",
        "\ufeffb",
        "2024-01-01T00:00:00Z",
        '"',
    ]
)


def _agree(body: bytes) -> bool:
    """Whether the page was read quickly; then it must have been read exactly."""
    quick = read_uniform_page(body)
    if quick is None:
        return False
    slow = read_any_page(body)
    assert quick.page.table.equals(slow.page.table)
    assert quick.envelope == slow.envelope
    return True


@given(st.sets(_ANY_KEY, min_size=1, max_size=20), st.booleans(), st.sampled_from([None, "t", "a&b"]))
def test_usual_pages_are_read_quickly_and_exactly(keys: set[str], truncated: bool, token: str | None) -> None:
    assert _agree(listing(map(listing_entry, sorted(keys)), truncated=truncated, token=token if truncated else None))


@given(
    st.lists(
        st.tuples(_ODD_TEXT, _ODD_TEXT, _ODD_TEXT, _ODD_TEXT, st.none() | _ODD_TEXT),
        min_size=1,
        max_size=4,
    )
)
def test_odd_pages_are_read_exactly_or_not_at_all(objects: list[tuple[str, str, str, str, str | None]]) -> None:
    entries = []
    for key, date, etag, size, storage_class in objects:
        last = "" if storage_class is None else f"<StorageClass>{storage_class}</StorageClass>"
        entries.append(
            f"<Contents><Key>{key}</Key><LastModified>{date or DATE}</LastModified><ETag>{etag}</ETag>"
            f"<Size>{size}</Size>{last}</Contents>"
        )
    body = listing(entries)
    try:
        read_any_page(body)
    except MalformedPageError:
        assert read_uniform_page(body) is None
    else:
        _agree(body)


def _entry(key: str = "k", **changes: str) -> str:
    entry = listing_entry(key)
    for old, new in changes.items():
        entry = re.sub(f"<{old}>.*?</{old}>", new, entry)
    return entry


@pytest.mark.parametrize(
    "entries",
    [
        [_entry("a"), _entry("b")],
        [_entry("a", StorageClass=""), _entry("b", StorageClass="")],
        [_entry("a", ETag="<ETag>bare</ETag>"), _entry("b", ETag="<ETag>bare2</ETag>")],
        [_entry("a", ETag='<ETag>"q"</ETag>')],
        [_entry("a", ETag=f"<ETag>{'e' * 1000}</ETag>", Size=f"<Size>{'5'.zfill(19)}</Size>")],
        [_entry("a", ETag="<ETag>&#34;q&#34;</ETag>")],
        [_entry("a", Size="<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><Size>5</Size>")],
        [_entry("a", Size="<RestoreStatus>odd</RestoreStatus><Size>5</Size>")],
        [_entry(key) for key in sorted(XML_KEYS)],
    ],
    ids=[
        "plain",
        "no class",
        "bare",
        "raw quotes",
        "longest",
        "numeric quotes",
        "checksums",
        "empty status",
        "odd keys",
    ],
)
def test_what_counts_as_uniform(entries: list[str]) -> None:
    assert _agree(listing(entries))


@pytest.mark.parametrize(
    "body",
    [
        listing(),
        listing([_entry("a"), _entry("b", StorageClass="")]),
        listing([_entry("a"), _entry("b", ETag="<ETag>bare</ETag>")]),
        listing([_entry("a"), _entry("b", Size="<Owner><ID>x</ID></Owner><Size>5</Size>")]),
        listing([_entry("a", Size="<Owner><ID>x</ID></Owner><Size>5</Size>")]),
        listing([_entry("a", Key=f"<Key>{escape('a&b')}</Key>")], encoding=None),
        listing([_entry("a")], encoding=None),
        listing([listing_entry("a", more=restore_status(DATE)), _entry("b")]),
        listing([_entry("a"), listing_entry("b", more=restore_status(DATE))]),
        listing([listing_entry(key, more=restore_status(DATE)) for key in "ab"]),
        listing([_entry("a"), "\n", _entry("b")]),
        listing([_entry("a", Key="<Key>a\tb</Key>")]),
        listing([_entry("a", LastModified="<LastModified>2024-05-06T07:08:09.123456789Z</LastModified>")]),
        listing([_entry("a"), _entry("b", ETag=f"<ETag>&quot;{'e' * 1001}&quot;</ETag>")]),
        listing([_entry("a"), _entry("b", Size=f"<Size>{'5'.zfill(20)}</Size>")]),
        listing(["<!--", _entry("a"), "-->"]),
        listing(["<CommonPrefixes>", _entry("a"), "</CommonPrefixes>"]),
        listing([_entry("a")])[:-5],
        listing([_entry("a")], truncated=None),
        b"<Contents></Contents>",
        b"</Contents><Contents>",
    ],
)
def test_everything_else_is_left_to_the_careful_reader(body: bytes) -> None:
    assert read_uniform_page(body) is None


@given(st.integers(0), st.integers(0, 255))
def test_no_damaged_byte_is_read_differently(place: int, byte: int) -> None:
    body = bytearray(listing([listing_entry(f"key {n}") for n in range(3)], truncated=True, token="t"))
    body[place % len(body)] = byte
    try:
        read_any_page(bytes(body))
    except MalformedPageError:
        assert read_uniform_page(bytes(body)) is None
    else:
        _agree(bytes(body))
