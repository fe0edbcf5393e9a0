"""Reports as S3 writes them are read; a damaged one, or one of another job, is an error."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from hyve_pipeline.s3.batch.completion_report import ReportedTask, ReportError, read_report
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.servers import client_for

JOB = "f8fb9d89-a3aa-461d-bddc-ea6a1b131955"
FOLDER = f"reports/job-{JOB}"
SCHEMA = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"
ROWS = {
    "succeeded": "in-bucket,a%20b%2Bc%2C.jpg,,succeeded,,200,Successful\nin-bucket,d,v1,succeeded,,,\n",
    "failed": (
        'in-bucket,e,,failed,AccessDenied,403,"Access ""Denied"", here\nand there"\n'
        # As in an example of the guide, where the two are in the other order.
        "in-bucket,f,,failed,200,PermanentFailure,\n"
        "in-bucket,g,,failed,,412,\n"
        "in-bucket,h,,succeeded,InternalError,500,\n"
    ),
}
TASKS = [
    ReportedTask("a b+c,.jpg", True, "", "Successful"),
    ReportedTask("d", True, "", ""),
    ReportedTask("e", False, "AccessDenied", 'Access "Denied", here\nand there'),
    ReportedTask("f", False, "PermanentFailure", ""),
    ReportedTask("g", False, "412", ""),
    ReportedTask("h", False, "InternalError", ""),
]

Files = dict[str, bytes]


def _files(bucket: str) -> tuple[Files, dict[str, Any]]:
    contents = {f"{FOLDER}/results/{state}.csv": rows.encode() for state, rows in ROWS.items()}
    results = [
        {
            "TaskExecutionStatus": key.rpartition("/")[2].removesuffix(".csv"),
            "Bucket": bucket,
            "MD5Checksum": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "Key": key,
        }
        for key, content in contents.items()
    ]
    manifest = {"Format": "Report_CSV_20180820", "Results": results, "ReportSchema": SCHEMA}
    return contents, manifest


def _read(make_place: MakePlace, connect: Connect, change: Callable[[Files, dict[str, Any]], object]) -> list[Any]:
    place = make_place("jobs")
    contents, manifest = _files(place.bucket)
    whole = change(contents, manifest)
    contents[f"{FOLDER}/manifest.json"] = b"{" if whole == "cut" else json.dumps(manifest).encode()
    client = client_for(str(place.endpoint_url))
    for key, content in contents.items():
        client.put_object(Bucket=place.bucket, Key=key, Body=content)
    return [*read_report(connect(place), "reports", JOB, "in-bucket")]


def _with_row(row: str) -> Callable[[Files, dict[str, Any]], object]:
    def change(contents: Files, manifest: dict[str, Any]) -> None:
        key = f"{FOLDER}/results/failed.csv"
        contents[key] += row.encode()
        manifest["Results"][1]["MD5Checksum"] = hashlib.md5(contents[key], usedforsecurity=False).hexdigest()

    return change


def test_a_report_is_read(make_place: MakePlace, connect: Connect) -> None:
    assert _read(make_place, connect, lambda *_: None) == TASKS


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda _, manifest: manifest.update(Format="Report_CSV_2030"), "manifest.json is damaged: its format is"),
        (lambda _, manifest: manifest.update(ReportSchema="Bucket, Key"), "with the columns 'Bucket, Key'"),
        (lambda _, manifest: manifest.pop("Results"), "it lacks 'Results'"),
        (lambda _, manifest: manifest["Results"][0].pop("MD5Checksum"), "it lacks 'MD5Checksum'"),
        (lambda *_: "cut", "manifest.json is damaged"),
        (lambda _, manifest: manifest["Results"][0].update(Bucket="other"), "is of another job"),
        (lambda _, manifest: manifest["Results"][0].update(Key="reports/job-2/results/a.csv"), "is of another job"),
        (lambda contents, _: contents.pop(f"{FOLDER}/results/failed.csv"), "results/failed.csv does not exist"),
        (lambda _, manifest: manifest["Results"][1].update(MD5Checksum="0" * 32), "its MD5 is not the one"),
        (_with_row("in-bucket,x,,succeeded,,200\n"), "a row has 6 fields"),
        (_with_row("other,x,,succeeded,,200,\n"), "a row is of the bucket 'other'"),
        (_with_row("in-bucket,x,,perhaps,,200,\n"), "a row has the status 'perhaps'"),
        (_with_row("in-bucket,%FF,,succeeded,,200,\n"), "is damaged: 'utf-8' codec"),
        (_with_row('in-bucket,x,,failed,,500,"cut'), "is damaged"),
    ],
)
def test_a_damaged_report_is_an_error(
    make_place: MakePlace, connect: Connect, change: Callable[[Files, dict[str, Any]], object], part: str
) -> None:
    with pytest.raises(ReportError) as caught:
        _read(make_place, connect, change)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_there_may_be_none(make_place: MakePlace, connect: Connect) -> None:
    with pytest.raises(ReportError, match=r"job-none/manifest\.json does not exist"):
        list(read_report(connect(make_place("jobs")), "reports", "none", "in-bucket"))
