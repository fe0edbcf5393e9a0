"""The order of a key's versions is the server's; where a server does not show it, it is not guessed."""

import pytest

from hyve_pipeline.core.model.inventory import KeyRange
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.connection.listing_dialect import ListingDialect
from hyve_pipeline.s3.listing.history_walk import HistoryWalk, oldest_first
from hyve_pipeline.s3.listing.version_pages import ListedVersion
from hyve_pipeline.s3.wire.messages import Response

_PLACE = Place(bucket="source-bucket", endpoint_url="http://127.0.0.1:1")


def _listed(*entries: str) -> list[ListedVersion]:
    """Versions as a server lists them, such as ``v2@5`` and ``m1@4``, the newest of the key marked by ``!``."""
    found: list[ListedVersion] = []
    for entry in entries:
        name, _, time = entry.removesuffix("!").partition("@")
        found.append(ListedVersion("k", name, int(time), name[0] == "m", entry.endswith("!"), 1, "e"))
    return found


@pytest.mark.parametrize(
    ("listed", "is_one_order", "expected"),
    [
        (["v3@9!", "m2@5", "v1@4"], True, "v1 m2 v3"),
        # An upload in parts has the time at which it began.
        (["v3@2!", "m2@5", "v1@4"], True, "v1 m2 v3"),
        (["v2@4!", "m1@4"], True, "m1 v2"),
        # Versions, and then delete markers: by their times.
        (["v3@9!", "v1@4", "m2@5"], False, "v1 m2 v3"),
        (["v1@4", "m2@4!"], False, "v1 m2"),
        (["v3@4!", "v1@4", "m2@4"], False, None),
        (["v3@2!", "v1@4", "m2@5"], False, None),
        # Without delete markers there is one order anyway.
        (["v3@2!", "v1@4"], False, "v1 v3"),
        # The newest one is another than the first one, or there is none, or there are two.
        (["v3@9", "v1@4!"], True, None),
        (["v3@9", "v1@4"], True, None),
        (["v3@9!", "v1@4!"], True, None),
    ],
)
def test_the_order_of_versions(listed: list[str], is_one_order: bool, expected: str | None) -> None:
    found = oldest_first(_listed(*listed), is_one_order=is_one_order)
    assert (None if found is None else " ".join(version.version_id for version in found)) == expected


def _page(entries: str, *, is_truncated: bool = False) -> Response:
    body = (
        '<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>source-bucket</Name>'
        f"<EncodingType>url</EncodingType><IsTruncated>{str(is_truncated).lower()}</IsTruncated>{entries}"
        "</ListVersionsResult>"
    )
    return Response(200, (), body.encode())


def _entry(key: str, name: str, *, is_latest: bool, etag: str = "e", cold: str = "") -> str:
    kind = "DeleteMarker" if name[0] == "m" else "Version"
    content = "" if name[0] == "m" else f"<ETag>&quot;{etag}&quot;</ETag><Size>3</Size>{cold}"
    return (
        f"<{kind}><Key>{key}</Key><VersionId>{name}</VersionId><IsLatest>{str(is_latest).lower()}</IsLatest>"
        f"<LastModified>2026-01-0{name[1]}T00:00:00.000Z</LastModified>{content}</{kind}>"
    )


def test_a_key_over_several_pages_is_one_row_with_what_can_not_be_read() -> None:
    cold = "<StorageClass>GLACIER</StorageClass>"
    back = "<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>2999-01-01T00:00:00Z"
    back = f"{cold}{back}</RestoreExpiryDate></RestoreStatus>"
    walk = HistoryWalk(_PLACE, KeyRange(), 2, (), ListingDialect())
    pages = [
        _entry("a", "v4", is_latest=True) + _entry("a", "m3", is_latest=False),
        _entry("a", "v2", is_latest=False, cold=cold) + _entry("a", "v1", is_latest=False, cold=back),
        _entry("b", "m2", is_latest=True) + _entry("b", "v1", is_latest=False, etag=""),
    ]
    rows = []
    for number, entries in enumerate(pages):
        rows += walk.take(_page(entries, is_truncated=number < 2)).table.to_pylist()
    assert [(row["key"], row["history"], row["archived"], row["size"]) for row in rows] == [
        ("a", ["3:e", "3:e", "-", "3:e"], [2], 9),
        ("b", ["3:", "-"], [], 3),
    ]
    # Without an ETag there is nothing to compare by.
    assert [bool(row["etag"]) for row in rows] == [True, False]
    assert (walk.proof.keys, walk.proof.pages, walk.proof.first_key, walk.proof.last_key) == (2, 3, "a", "b")
