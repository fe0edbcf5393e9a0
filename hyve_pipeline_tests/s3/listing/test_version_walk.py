"""A walk through versions finds what was there at a time, however the server orders and cuts its pages."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.model.inventory import KeyRange, check_proof
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.listing.version_walk import VersionWalk
from hyve_pipeline.s3.listing.walk import DamagedPageError
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.xml import escape_text

PLACE = Place(bucket="asked", prefix="p/", endpoint_url="http://127.0.0.1:9")
START = datetime(2026, 11, 1, tzinfo=UTC)

# Of each key, oldest first: the second in which it was written, and whether that was a deletion.
History = Sequence[tuple[int, bool]]
Histories = Mapping[str, History]

histories = st.dictionaries(
    st.text(min_size=1, max_size=3).filter(lambda key: key.isprintable()).map("p/".__add__),
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=6).map(sorted),
    max_size=6,
)


def written(second: int) -> str:
    return f"{START + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S}.000Z"


def entries_of(histories: Histories) -> list[tuple[str, str, int, bool]]:
    """Key, version id, second and whether it is a delete marker, as S3 orders them."""
    return [
        (key, f"v{number}", *histories[key][number])
        for key in sorted(histories)
        for number in reversed(range(len(histories[key])))
    ]


def answer(
    histories: Histories, request: Request, *, in_blocks: bool, quote_marker: Callable[[str], str] = quote
) -> Response:
    """What a server answers that has these histories."""
    asked = dict(request.query)
    entries = entries_of(histories)
    if "key-marker" in asked:
        marker = asked["key-marker"], asked["version-id-marker"]
        entries = entries[[entry[:2] for entry in entries].index(marker) + 1 :]
    page = entries[: int(asked["max-keys"])]
    texts: list[str] = []
    for key, version, second, is_marker in page:
        name = "DeleteMarker" if is_marker else "Version"
        latest = str(version == f"v{len(histories[key]) - 1}").lower()
        text = (
            f"<Key>{quote(key)}</Key><VersionId>{version}</VersionId><IsLatest>{latest}</IsLatest>"
            f"<LastModified>{written(second)}</LastModified><Owner><ID>o</ID></Owner>"
        )
        more = "" if is_marker else f'<ETag>"{key.encode().hex()}{version}"</ETag><Size>{second}</Size>'
        texts.append(f"<{name}>{text}{more}</{name}>")
    if in_blocks:
        texts.sort(key=lambda text: text.startswith("<DeleteMarker>"))
    truncated = str(len(entries) > len(page)).lower()
    following = (
        f"<NextKeyMarker>{quote_marker(page[-1][0])}</NextKeyMarker><NextVersionIdMarker>{page[-1][1]}</NextVersionIdMarker>"
        if len(entries) > len(page)
        else ""
    )
    head = (
        f"<Name>asked</Name><Prefix>p/</Prefix><EncodingType>url</EncodingType><IsTruncated>{truncated}</IsTruncated>"
    )
    return Response(200, (), f"<ListVersionsResult>{head}{following}{''.join(texts)}</ListVersionsResult>".encode())


def then(history: History, second: int) -> str | None:
    """The version that was the object, if there was one."""
    found = [(number, is_marker) for number, (when, is_marker) in enumerate(history) if when <= second]
    return None if not found or found[-1][1] else f"v{found[-1][0]}"


def walk_through(
    histories: Histories, second: int, page: int, *, in_blocks: bool = False
) -> tuple[VersionWalk, dict[str, str]]:
    walk = VersionWalk(PLACE, KeyRange(), page, time=START + timedelta(seconds=second, milliseconds=500))
    found: dict[str, str] = {}
    while not walk.has_ended:
        table = walk.take(answer(histories, walk.request(), in_blocks=in_blocks)).table
        found.update(zip(table.column("key").to_pylist(), table.column("version_id").to_pylist(), strict=True))
    check_proof([walk.proof], len(found), "here")
    return walk, found


@given(histories, st.integers(0, 5), st.integers(1, 9))
def test_finds_the_newest_version_of_the_time(histories: Histories, second: int, page: int) -> None:
    walk, found = walk_through(histories, second, page)
    expected = {key: version for key in histories if (version := then(histories[key], second)) is not None}
    assert found == expected
    assert list(found) == sorted(found)
    assert walk.later == sum(history[0][0] > second for history in histories.values())


@given(histories, st.integers(0, 5), st.integers(1, 9))
def test_versions_before_markers_are_put_in_order_or_refused(histories: Histories, second: int, page: int) -> None:
    in_doubt = any(
        {is_marker for when, is_marker in history if when == first} == {True, False}
        for history in histories.values()
        for first, _ in history
    )
    expected = {key: version for key in histories if (version := then(histories[key], second)) is not None}
    if not in_doubt:
        assert walk_through(histories, second, page, in_blocks=True)[1] == expected
        return
    problem = ""
    try:
        _, found = walk_through(histories, second, page, in_blocks=True)
    except IncompleteInventoryError as error:
        found, problem = expected, str(error)
    assert found == expected
    assert not problem or "a version and a delete marker of one time" in problem


@pytest.mark.parametrize("quote_marker", [quote, escape_text, quote_plus])
def test_a_marker_may_be_encoded_or_not(quote_marker: Callable[[str], str]) -> None:
    """Ceph encodes the keys of a page, and not the key after which the next one begins."""
    histories: Histories = {f"p/{key}": [(0, False)] for key in ["%", "%20", "a b+c", "a%2Bb", "\x01", "ü"]}
    walk = VersionWalk(PLACE, KeyRange(), 1, time=START + timedelta(seconds=1))
    found: list[str] = []
    while not walk.has_ended:
        page = answer(histories, walk.request(), in_blocks=False, quote_marker=quote_marker)
        found += walk.take(page._replace(body=page.body.replace(b"\x01", b"&#x01;"))).keys
    assert found == sorted(histories)


HISTORIES: Histories = {"p/a": [(0, False), (1, False)], "p/b": [(0, False), (1, True), (2, False)]}


@pytest.mark.parametrize(
    ("replaced", "by", "problem"),
    [
        (b"<IsTruncated>true</IsTruncated>", b"", "does not say whether it is truncated"),
        (b"<Name>asked</Name>", b"<Name>c</Name>", "of the bucket 'c'"),
        (b"<Prefix>p/</Prefix>", b"<Prefix>q/</Prefix>", "of the prefix 'q/'"),
        (b"<VersionId>v1</VersionId>", b"", "has no VersionId"),
        (b"<VersionId>v0</VersionId>", b"<VersionId>v1</VersionId>", "listed twice"),
        (b"<Key>p/a</Key>", b"<Key>o/a</Key>", "does not begin with the prefix"),
        (b"<NextKeyMarker>p/b</NextKeyMarker>", b"<NextKeyMarker>p/c</NextKeyMarker>", "the next page begins after"),
        (b"<Size>0</Size>", b"<Size>x</Size>", "has the size 'x'"),
        (b"ListVersionsResult", b"ListBucketResult", "it is a <ListBucketResult> document"),
        (b"<IsTruncated>", b"<KeyMarker>p/0</KeyMarker><IsTruncated>", "it begins after 'p/0'"),
        (b"<IsTruncated>", b"<Key>p/0</Key><IsTruncated>", "it has a key outside of an object"),
        (b"<IsTruncated>", b"junk<IsTruncated>", "it has text between its elements"),
    ],
)
def test_a_page_that_contradicts_itself_is_damaged(replaced: bytes, by: bytes, problem: str) -> None:
    walk = VersionWalk(PLACE, KeyRange(), 3, time=START)
    right = answer(HISTORIES, walk.request(), in_blocks=False)
    with pytest.raises(DamagedPageError, match="page 1") as raised:
        walk.take(right._replace(body=right.body.replace(replaced, by)))
    assert problem in str(raised.value)
    # It has not moved.
    assert len(walk.take(right)) == 1


def test_a_page_that_comes_again_is_damaged() -> None:
    walk = VersionWalk(PLACE, KeyRange(), 3, time=START)
    first = answer(HISTORIES, walk.request(), in_blocks=False)
    walk.take(first)
    with pytest.raises(DamagedPageError, match="listed twice or too late"):
        walk.take(first)
