"""Inventories from reports of S3 Inventory: as a listing of the same state, or not at all."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.model.inventory import Inventory, RangeEnd, Side
from hyve_pipeline.core.model.inventory_report import ReportFormat
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.take import take_inventories
from hyve_pipeline.state.parquet import open_dataset
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.reports import ALL_VERSIONS, CURRENT, FORMATS, OPTIONAL, Report, rows_of
from hyve_pipeline_tests.s3.keys import ODD_KEYS
from hyve_pipeline_tests.syncs import Bucket, MakePair, Pair


@pytest.fixture
def reports(make_place: MakePlace) -> Bucket:
    """An empty folder for reports."""
    place = make_place("reports", prefix="all/daily/")
    return Bucket(place, str(place.endpoint_url))


def _context(pair: Pair, reports: Bucket, *sides: Side, **options: Any) -> SyncContext:
    context = pair.context(**options)
    named = {
        side: context.place(side).model_copy(update={"inventory": reports.place.uri}) for side in sides or ("source",)
    }
    return SyncContext(context.home, context.settings.model_copy(update=named))


def _read(pair: Pair, reports: Bucket, **options: Any) -> Inventory:
    return take_inventories(_context(pair, reports, **options), ["source"])["source"]


def _rows(pair: Pair, inventory: Inventory) -> list[dict[str, object]]:
    return open_dataset(pair.context().state, inventory.files).to_table().to_pylist()


@pytest.mark.parametrize("report_format", FORMATS)
@pytest.mark.parametrize("versions", [False, True])
def test_an_inventory_from_a_report_is_that_of_a_listing(
    report_format: ReportFormat, versions: bool, make_pair: MakePair, reports: Bucket
) -> None:
    pair = make_pair(versioned=versions, prefixes=("in/", ""))
    # Of versions moto's server lists no keys that XML can't carry.
    odd_keys = ("a b", "a+b", "ü", "x%20y", "z//") if versions else ODD_KEYS
    objects = {f"in/{key}": key.encode() for key in [*odd_keys, *map(str, range(40))]}
    pair.source.put(objects)
    pair.source.put({"in/7": b"newer", "out/of/prefix": b"", "in": b""})
    pair.source.put({"in/cold": b"cold"}, StorageClass="GLACIER_IR")
    if versions:
        pair.source.delete("in/9", "in/a b")
        pair.source.put({"in/9": b"again"})
    listed = take_inventories(pair.context(), ["source"])["source"]
    fields = (*(ALL_VERSIONS if versions else CURRENT), *OPTIONAL)
    report = Report(pair.source.name, rows_of(pair.source, versions=versions), fields, report_format, files=3)
    report.write(reports)
    found = _read(pair, reports)
    assert _rows(pair, found) == _rows(pair, listed)
    figures = {"objects", "bytes", "oldest", "newest", "place", "versioning", "side"}
    assert found.model_dump(include=figures - {"place"}) == listed.model_dump(include=figures - {"place"})
    assert found.place.is_same_place(listed.place)
    assert found.report is not None
    as_of = report.as_of.replace(microsecond=report.as_of.microsecond // 1000 * 1000)
    assert (found.started, found.ended, found.report.as_of) == (as_of, as_of, as_of)
    assert found.report.uri == f"{reports.place.uri}{report.name}/manifest.json"
    assert (found.report.format, found.report.files, found.report.rows) == (report_format, 3, len(report.rows))
    assert found.report.details["EncryptionStatus"] == {"SSE-S3": found.objects}
    assert [(walk.end, walk.pages, walk.keys) for walk in found.proof] == [(RangeEnd.END_OF_REPORT, 4, found.objects)]
    assert pair.context().inventories("source").load(found.id) == found


def _write(pair: Pair, reports: Bucket, **members: Any) -> Report:
    report = Report(pair.source.name, rows_of(pair.source), **members)
    report.write(reports)
    return report


def _refusal(pair: Pair, reports: Bucket, **options: Any) -> str:
    with pytest.raises(IncompleteInventoryError) as caught:
        _read(pair, reports, **options)
    assert pair.state_files("inventories/source") == []
    message = str(caught.value)
    assert "\n" not in message
    return message


def _replace(reports: Bucket, name: str, change: Callable[[bytes], bytes | None]) -> None:
    """Replace the object whose key ends so, or delete it."""
    key = next(key for key in reports.read() if key.endswith(name))
    content = change(reports.read()[key])
    if content is None:
        reports.delete(key)
    else:
        reports.put({key: content})


def _replace_manifest(reports: Bucket, **members: Any) -> None:
    """Replace members of the manifest, with the right checksum; None removes one."""

    def change(content: bytes) -> bytes:
        document = json.loads(content) | members
        return json.dumps({name: value for name, value in document.items() if value is not None}).encode()

    _replace(reports, "manifest.json", change)
    manifest = next(content for key, content in reports.read().items() if key.endswith("manifest.json"))
    _replace(reports, "manifest.checksum", lambda _: hashlib.md5(manifest).hexdigest().encode() + b"\n")


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("manifest.json", lambda content: content[:-2], "it is damaged: its MD5 is"),
        ("manifest.checksum", lambda content: b"0" * 32, "it is damaged: its MD5 is"),
        ("manifest.checksum", lambda content: None, "is not complete: it lacks manifest.json or manifest.checksum"),
        ("manifest.json", lambda content: None, "is not complete: it lacks manifest.json or manifest.checksum"),
        (".gz", lambda content: None, ".csv.gz is missing; take an earlier report by --inventory-date"),
        (".gz", lambda content: content[:-3], "bytes, and the manifest says"),
        (".gz", lambda content: content[:-3] + b"abc", ".csv.gz is damaged: its MD5 is"),
    ],
)
def test_a_report_that_is_not_whole_is_refused(
    name: str, change: Callable[[bytes], bytes | None], reason: str, pair: Pair, reports: Bucket
) -> None:
    pair.source.put({str(number): b"" for number in range(9)})
    _write(pair, reports, files=2)
    assert _read(pair, reports).objects == 9
    pair.state.remove("inventories/source")
    _replace(reports, name, change)
    assert reason in _refusal(pair, reports)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"sourceBucket": "another"}, "it is of bucket 'another', not of 'source-"),
        ({"destinationBucket": "arn:aws:s3:::another"}, "says that it is in bucket 'arn:aws:s3:::another'"),
        ({"version": "2030-01-01"}, "its version is '2030-01-01', and Hyve knows '2016-11-30'"),
        ({"fileFormat": "JSON"}, "it is no manifest of S3 Inventory: fileFormat: "),
        ({"files": None}, "it is no manifest of S3 Inventory: files: "),
        ({"creationTimestamp": "99999999999999999"}, "is no time in milliseconds"),
        ({"fileSchema": "Bucket, Key, Size, LastModifiedDate, StorageClass"}, "it lacks the field ETag: add it to"),
        ({"fileSchema": ", ".join((*CURRENT, "Key"))}, "its fileSchema names a column twice"),
        ({"fileSchema": ", ".join((*CURRENT, "VersionId"))}, "it lacks the field IsLatest and IsDeleteMarker"),
        ({"fileSchema": ", ".join((*CURRENT, "ObjectOwner"))}, "can't be read: "),
        ({"fileSchema": "Key, Bucket, Size, LastModifiedDate, ETag, StorageClass"}, "has objects of bucket 'a'"),
        ({"fileSchema": "Bucket, Key, LastModifiedDate, Size, ETag, StorageClass"}, "can't be read: "),
        ({"files": [{"key": "all/daily/data/x", "size": 1, "MD5checksum": "x"}]}, "file without a valid MD5checksum"),
        ({"files": [{"key": "x", "size": 1, "MD5checksum": "0" * 32}] * 2}, "it names a file twice"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    members: dict[str, Any], reason: str, pair: Pair, reports: Bucket
) -> None:
    pair.source.put({"a": b"a"})
    report = _write(pair, reports)
    _replace_manifest(reports, **members)
    message = _refusal(pair, reports)
    assert message.startswith(f"the S3 Inventory report {reports.place.uri}{report.name}/manifest.json can't be used: ")
    assert reason in message


@pytest.mark.parametrize("report_format", FORMATS)
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"Bucket": "another"}, "has objects of bucket 'another'"),
        ({"Key": "a"}, "it has the key 'a' twice"),
        ({"Key": ""}, "a row has no key"),
        ({"Size": None}, "can't be read: "),
        ({"LastModifiedDate": None}, "can't be read: "),
    ],
)
def test_rows_that_can_not_be_of_the_bucket_are_refused(
    report_format: ReportFormat, row: dict[str, Any], reason: str, pair: Pair, reports: Bucket
) -> None:
    pair.source.put({"a": b"a", "b": b"b"})
    rows = rows_of(pair.source)
    Report(pair.source.name, [*rows, rows[1] | {"Key": "c"} | row], format=report_format, files=2).write(reports)
    assert reason in _refusal(pair, reports)


def test_files_must_have_the_columns_of_the_schema(pair: Pair, reports: Bucket) -> None:
    pair.source.put({"a": b"a"})
    _write(pair, reports, format="Parquet")
    wanted = Report(pair.source.name, [], ALL_VERSIONS, "Parquet")
    _replace_manifest(reports, fileSchema=wanted.schema())
    assert "it lacks the column 'islatest' that the manifest's fileSchema has" in _refusal(pair, reports)


def test_a_report_that_is_too_old_or_of_the_future_is_refused(pair: Pair, reports: Bucket) -> None:
    pair.source.put({"a": b"a"})
    now = datetime.now(UTC)
    old = _write(pair, reports, as_of=now - timedelta(hours=50))
    message = _refusal(pair, reports)
    assert f"it is too old: as of {old.as_of:%Y-%m-%d %H:%M} UTC, 50 h ago, and inventory_max_age is 48 h" in message
    assert _read(pair, reports, inventory_max_age="3 days").objects == 1
    _write(pair, reports, as_of=now + timedelta(hours=1))
    with pytest.raises(IncompleteInventoryError, match=r"it is of the future, .*: set this machine's clock"):
        _read(pair, reports)


def test_the_newest_complete_report_is_read_or_that_of_a_date(pair: Pair, reports: Bucket) -> None:
    now = datetime.now(UTC)
    assert "there is no S3 Inventory report: set inventory to the folder" in _refusal(pair, reports)
    written: list[Report] = []
    for hours in (30, 20, 1):
        pair.source.put({f"{hours} hours ago": b""})
        written.append(_write(pair, reports, as_of=now - timedelta(hours=hours)))
    pair.source.put({"since": b""})
    Report(pair.source.name, [], as_of=now).write(reports, only="no checksum")
    found = _read(pair, reports)
    assert found.report is not None
    assert (found.objects, found.report.uri) == (3, f"{reports.place.uri}{written[-1].name}/manifest.json")
    dated = _context(pair, reports).with_inventory_date(written[1].name)
    assert take_inventories(dated, ["source"])["source"].objects == 2
    unknown = _context(pair, reports).with_inventory_date("2020-01-01")
    with pytest.raises(IncompleteInventoryError, match="no S3 Inventory report of 2020-01-01; the newest are "):
        take_inventories(unknown, ["source"])


@pytest.mark.parametrize("report_format", FORMATS)
@pytest.mark.parametrize("files", [0, 1, 2])
def test_an_empty_bucket_has_an_empty_report(
    report_format: ReportFormat, files: int, pair: Pair, reports: Bucket
) -> None:
    _write(pair, reports, format=report_format, files=files)
    found = _read(pair, reports)
    assert (found.objects, _rows(pair, found)) == (0, [])
    # What was written since is no reason to doubt it.
    pair.source.put({"since": b""})
    assert _read(pair, reports).objects == 0
