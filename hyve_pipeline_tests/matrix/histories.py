"""Rows about all versions of an object: a sync with `versions = "all"` gives the store the same ones in their order."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline_tests.matrix.runs import NAME, MatrixSide, run_command
from hyve_pipeline_tests.matrix.uploads import Upload, put
from hyve_pipeline_tests.syncs import Finished, sync_table

# A delete marker.
_MARKER = None

# In a time that is more exact than whole seconds.
_FRACTION = re.compile(r"\.\d*[1-9]")


@dataclass(frozen=True)
class HistoryCase:
    """A row: an object that was written, and perhaps deleted, several times.

    Attributes:
        name: what it is about.
        key: its key.
        history: what was put, oldest first; None for a DELETE.
    """

    name: str
    key: str
    history: tuple[Upload | None, ...]

    @property
    def has_marker(self) -> bool:
        return _MARKER in self.history


def _carrying(number: int) -> Upload:
    headers = {"content-type": f"text/{number}", "x-amz-meta-number": str(number)}
    return Upload(number, headers=headers, tags=(("number", str(number)),))


_IN_PARTS = Upload(5 * MIB + 1, (5 * MIB, 1))

HISTORY_CASES = (
    HistoryCase("versions in their order", "histories/order", (Upload(3), Upload(1), Upload(2), Upload(2))),
    HistoryCase("what each version carries", "histories/carried", (_carrying(1), Upload(2), _carrying(3))),
    HistoryCase("a version in parts between others", "histories/parts", (Upload(1), _IN_PARTS, Upload(2))),
    HistoryCase("a delete marker between versions", "histories/back", (Upload(1), _MARKER, Upload(2))),
    HistoryCase("a delete marker as the newest", "histories/gone", (Upload(1), Upload(2), _MARKER)),
)

# A version by what a copy must have of it; None for a delete marker.
Version = tuple[bytes, str, dict[str, str], dict[str, str]] | None


@dataclass(frozen=True)
class HistoryRun:
    """The syncs of one setting.

    Attributes:
        refused: why a row can't be tried here, by its name.
        finished: the first sync, and the second one, which has nothing to do.
        source, store: the versions of each key after them, oldest first.
    """

    refused: Mapping[str, str]
    finished: tuple[Finished, ...] = ()
    source: Mapping[str, list[Version]] = field(default_factory=dict)
    store: Mapping[str, list[Version]] = field(default_factory=dict)


def run_histories(source: MatrixSide, store: MatrixSide, home: Path, options: Mapping[str, Any]) -> HistoryRun:
    """Write the versions of all rows that both servers can keep, sync twice, and read both buckets."""
    refused: dict[str, str] = {}
    for side in (source, store):
        reason = None if side.keeps_versions else "the server keeps no versions"
        refused |= {} if reason is None else {case.name: reason for case in HISTORY_CASES}
        if reason is None and not _shows_order(side):
            reason = "the server lists delete markers apart, and gives times in whole seconds"
            refused |= {case.name: reason for case in HISTORY_CASES if case.has_marker}
    usable = [case for case in HISTORY_CASES if case.name not in refused]
    if not usable:
        return HistoryRun(refused)
    for case in usable:
        for upload in case.history:
            if upload is None:
                source.bucket.delete(source.whole(case.key))
            else:
                put(source.bucket.client, source.bucket.name, source.whole(case.key), upload)
    (home / "hyve.toml").write_text(sync_table(NAME, source.place, store.place, **options, versions="all"))
    finished = tuple(run_command("sync", "--home", str(home), "--json") for _ in range(2))
    found = ({case.key: _versions(side, case.key) for case in usable} for side in (source, store))
    return HistoryRun(refused, finished, *found)


def _shows_order(side: MatrixSide) -> bool:
    """Whether a listing shows which of a version and a delete marker is the newer one, as plain requests show."""
    key = "order of versions"
    side.bucket.put({side.whole(key): b"1"})
    side.bucket.delete(side.whole(key))
    side.bucket.put({side.whole(key): b"2"})
    listed = _listed(side, key)
    in_one_order = [is_marker for _, _, is_marker in listed] == [False, True, False]
    for _, version, _ in listed:
        side.bucket.client.delete_object(Bucket=side.bucket.name, Key=side.whole(key), VersionId=version)
    return in_one_order or any(_FRACTION.search(time) for time, _, _ in listed)


def _versions(side: MatrixSide, key: str) -> list[Version]:
    """The versions of a key, oldest first."""
    listed = _listed(side, key)
    kinds = [is_marker for _, _, is_marker in listed]
    if kinds == sorted(kinds):
        # Delete markers may be listed apart.
        listed = sorted(listed, key=lambda entry: entry[0], reverse=True)
    return [None if is_marker else _read(side, key, version) for _, version, is_marker in reversed(listed)]


def _read(side: MatrixSide, key: str, version: str) -> Version:
    client, where = side.bucket.client, {"Bucket": side.bucket.name, "Key": side.whole(key), "VersionId": version}
    found = client.get_object(**where)
    tags = client.get_object_tagging(**where)["TagSet"]
    content = found["Body"].read()
    return content, found["ContentType"], found["Metadata"], {tag["Key"]: tag["Value"] for tag in tags}


def _listed(side: MatrixSide, key: str) -> list[tuple[str, str, bool]]:
    """Time, id and kind of each version and delete marker of a key in the server's order, which boto3 does not keep."""
    bodies: list[bytes] = []

    def keep(response_dict: dict[str, Any], **_: Any) -> None:
        bodies.append(response_dict["body"])

    event = "before-parse.s3.ListObjectVersions"
    side.bucket.client.meta.events.register(event, keep)
    try:
        side.bucket.client.list_object_versions(Bucket=side.bucket.name, Prefix=side.whole(key))
    finally:
        side.bucket.client.meta.events.unregister(event, keep)
    found = [entry for entry in ET.fromstring(bodies[-1]) if entry.tag.endswith(("}Version", "}DeleteMarker"))]
    return [
        (
            next(str(child.text) for child in entry if child.tag.endswith("}LastModified")),
            next(str(child.text) for child in entry if child.tag.endswith("}VersionId")),
            entry.tag.endswith("}DeleteMarker"),
        )
        for entry in found
    ]
