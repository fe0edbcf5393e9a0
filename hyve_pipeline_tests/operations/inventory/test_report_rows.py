"""The rows of reports: what a listing would give, whatever the keys, the format, the fields and the files."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA
from hyve_pipeline.core.model.inventory_report import read_manifest
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.operations.inventory.report_folder import FoundReport
from hyve_pipeline.operations.inventory.report_rows import ReportRows
from hyve_pipeline.operations.inventory.sorted_runs import SortedRuns
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline_tests.reports import ALL_VERSIONS, CURRENT, FORMATS, OPTIONAL, Report
from hyve_pipeline_tests.syncs import Pair
from hyve_pipeline_tests.tally import THOROUGHNESS, counts

_URI = "s3://reports/all/manifest.json"
_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)

_keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=6)
_objects = st.fixed_dictionaries(
    {
        "Size": st.integers(0, 2**62),
        "LastModifiedDate": st.integers(0, 10**12).map(lambda number: _BEGIN + timedelta(milliseconds=number)),
        "ETag": st.sampled_from(["0" * 32, "f" * 32 + "-12", '"quoted"', "", None]),
        "StorageClass": st.sampled_from(["STANDARD", "GLACIER", "", None]),
        "EncryptionStatus": st.sampled_from(["SSE-S3", "SSE-KMS", None]),
        "IsMultipartUploaded": st.booleans(),
    }
)


def _read(report: Report, side: Connection) -> tuple[list[dict[str, Any]], ReportRows]:
    """The rows of a report, by the code that reads its files, sorted as an inventory is."""
    contents = report.contents()
    document = report.document("reports", [(str(number), content) for number, content in enumerate(contents)])
    found = FoundReport(_URI, read_manifest(document, _URI, "reports", report.source_bucket))
    rows = ReportRows(found, side)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "runs").mkdir()
        runs = SortedRuns(folder / "runs", run_rows=5)
        for file, content in zip(found.manifest.files, contents, strict=True):
            path = folder / "file"
            path.write_bytes(content)
            for table in rows.read(file, path):
                if table.num_rows:
                    runs.add(table)
        table = pa.concat_tables([INVENTORY_SCHEMA.empty_table(), *runs.tables(7)])
    return table.to_pylist(), rows


def _expected(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "key": row["Key"],
        "size": row["Size"],
        "last_modified": row["LastModifiedDate"],
        "etag": (row["ETag"] or "").strip('"'),
        "storage_class": row["StorageClass"] or "STANDARD",
        "restored_until": None,
    }


def _side(prefix: str = "") -> Connection:
    return cast("Connection", SimpleNamespace(place=SimpleNamespace(prefix=prefix, server=AWS)))


@settings(max_examples=40 * THOROUGHNESS)
@given(
    objects=st.dictionaries(_keys, st.tuples(_objects, st.booleans(), st.integers(0, 2)), max_size=12),
    report_format=st.sampled_from(FORMATS),
    files=st.integers(1, 4),
    more=st.sets(st.sampled_from(OPTIONAL)),
    prefix=st.sampled_from(["", "in/", "a+ %/"]),
    has_versions=st.booleans(),
    random=st.randoms(use_true_random=False),
)
def test_the_current_objects_below_the_prefix_are_those_of_a_listing(
    objects: dict[str, Any],
    report_format: Any,
    files: int,
    more: set[str],
    prefix: str,
    has_versions: bool,
    random: Any,
) -> None:
    rows: list[dict[str, Any]] = []
    current: list[dict[str, Any]] = []
    for key, (values, is_deleted, old) in objects.items():
        key = random.choice(["", prefix]) + key
        if any(row["Key"] == key for row in current):
            continue
        row = {"Bucket": "b", "Key": key, **values}
        if not has_versions:
            rows.append(row)
            current.append(row)
            continue
        rows += [row | {"VersionId": str(number), "IsLatest": False, "IsDeleteMarker": False} for number in range(old)]
        latest = {"VersionId": "last", "IsLatest": True, "IsDeleteMarker": is_deleted}
        if is_deleted:
            nothing = dict.fromkeys(("Size", "ETag", "StorageClass", "EncryptionStatus"))
            rows.append(row | nothing | latest)
            # The key is taken, though there is no object.
            current.append({"Key": key, "is_deleted": True})
        else:
            rows.append(row | latest)
            current.append(row)
    random.shuffle(rows)
    fields = (*(ALL_VERSIONS if has_versions else CURRENT), *sorted(more))
    found, reader = _read(Report("b", rows, fields, report_format, files=files), _side(prefix))
    wanted = [row for row in current if row["Key"].startswith(prefix) and "is_deleted" not in row]
    assert found == [_expected(row) for row in sorted(wanted, key=lambda row: row["Key"].encode())]
    assert reader.rows == len(rows)
    if "EncryptionStatus" in more:
        counted = sum(reader.details.get("EncryptionStatus", {}).values())
        assert counted == sum(row["EncryptionStatus"] is not None for row in wanted)
    counts["states read from a report"] += 1


def test_a_plus_is_found_out_where_the_file_does_not_show_it(pair: Pair) -> None:
    pair.source.put({"a+b": b"1", "c+d": b"2"})
    rows = [{"Bucket": pair.source.name, **_row(key)} for key in ("a+b", "c+d")]
    as_path = Report(pair.source.name, rows, encode=lambda key: quote(key, safe="/+"))
    context = pair.context()
    with context.connect(context.place("source")) as side:
        found, _ = _read(as_path, side)
        assert [row["key"] for row in found] == ["a+b", "c+d"]
        pair.source.delete("a+b", "c+d")
        with pytest.raises(IncompleteInventoryError, match="nothing shows whether the '\\+' in the key"):
            _read(as_path, side)


def test_a_key_that_is_not_properly_encoded_is_refused() -> None:
    rows = [{"Bucket": "b", **_row("100%")}]
    with pytest.raises(IncompleteInventoryError, match="the key '100%' cannot be decoded"):
        _read(Report("b", rows, encode=str), _side())


def _row(key: str) -> dict[str, Any]:
    return {"Key": key, "Size": 1, "LastModifiedDate": _BEGIN, "ETag": "0" * 32, "StorageClass": "STANDARD"}
