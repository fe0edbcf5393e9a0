"""Rows about a store that another program writes to: a sync overwrites nothing that its plan has not seen."""

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline_tests.matrix.abilities import Scratch, why
from hyve_pipeline_tests.matrix.runs import NAME, MatrixSide, run_command
from hyve_pipeline_tests.matrix.uploads import Upload, put, sending
from hyve_pipeline_tests.syncs import next_second, sync_table

_THEIRS = b"written by another program"
_SMALL = Upload()
_IN_PARTS = Upload(5 * MIB + 1, (5 * MIB, 1))

# Conditions of a new and of a modified object that do not hold, as there is an object, and another one.
_OF_NEW = {"If-None-Match": "*"}
_OF_MODIFIED = {"If-Match": '"00000000000000000000000000000000"'}


@dataclass(frozen=True)
class Race:
    """A row: an object that another program writes to the store after the plan was made.

    Attributes:
        name: what it is about.
        key: its key.
        upload: the source's object.
        is_new: whether the store has no such object when the plan is made.
    """

    name: str
    key: str
    upload: Upload
    is_new: bool

    def operation(self, *, copies: bool) -> str:
        """The operation that writes the object."""
        if self.upload.parts:
            return "CompleteMultipartUpload"
        return "CopyObject" if copies else "PutObject"


RACES = (
    Race("a new object", "races/new", _SMALL, is_new=True),
    Race("a new object in parts", "races/new in parts", _IN_PARTS, is_new=True),
    Race("a modified object", "races/old", _SMALL, is_new=False),
    Race("a modified object in parts", "races/old in parts", _IN_PARTS, is_new=False),
)


def run_races(source: MatrixSide, store: MatrixSide, home: Path, options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Plan all rows, let another program write, copy, and give the journal's row of each key."""
    store.bucket.put({store.whole(race.key): b"old" for race in RACES if not race.is_new})
    next_second()
    for race in RACES:
        put(source.bucket.client, source.bucket.name, source.whole(race.key), race.upload)
    (home / "hyve.toml").write_text(sync_table(NAME, source.place, store.place, **options))
    planned = run_command("dryrun", "--home", str(home))
    assert planned.code == 0, planned.err
    store.bucket.put({store.whole(race.key): _THEIRS for race in RACES})
    copied = run_command("copy", "--home", str(home))
    assert copied.code == 1, copied.err
    files = sorted((home / "state" / NAME / "journals").rglob("0*.parquet"))
    rows = {row["key"]: row for file in files for row in pq.read_table(file).to_pylist()}
    kept = store.bucket.client
    for race in RACES:
        found = kept.get_object(Bucket=store.bucket.name, Key=store.whole(race.key))["Body"].read()
        assert found == _THEIRS, race.name
    return rows


def ignored(scratch: Scratch, operation: str, *, is_new: bool) -> str | None:
    """Why a server needs a look before a write, as a plain request shows; None where it keeps the condition."""
    condition = _OF_NEW if is_new else _OF_MODIFIED
    shown = f"{next(iter(condition))} of {operation}"
    client, where = scratch.client, {"Bucket": scratch.bucket, "Key": f"{scratch.prefix}condition"}
    client.put_object(**where, Body=b"1")
    try:
        _write(client, where, operation, condition)
    except ClientError as error:
        is_kept = error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.PRECONDITION_FAILED
        return None if is_kept else f"the server refuses {shown}: {why(error)}"
    except BotoCoreError as error:
        return f"the server refuses {shown}: {why(error)}"
    return f"the server ignores {shown}: a HEAD is sent right before"


def _write(client: Any, where: dict[str, str], operation: str, condition: dict[str, str]) -> None:
    if operation == "PutObject":
        with sending(condition):
            client.put_object(**where, Body=b"2")
    elif operation == "CopyObject":
        with sending(condition):
            client.copy_object(**where, CopySource=where, MetadataDirective="REPLACE")
    else:
        upload = client.create_multipart_upload(**where)["UploadId"]
        etag = client.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"2")["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        with sending(condition):
            client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)
