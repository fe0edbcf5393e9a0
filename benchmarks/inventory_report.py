"""What reading a report of S3 Inventory costs: ``python -m benchmarks.inventory_report [--sorted] [FORMAT] [ROWS]``.

By default one million rows in each of the three formats. The rows of a report are in no order, across and within its
files, unless `--sorted` is given: then they are sorted within each file, and not across them.

A report is made up and written to a folder, which a small server gives away as a bucket. The reading is a process of
its own, whose peak memory and CPU seconds are measured; those of the server are its own.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from benchmarks.measure import MIB, Usage, run

_MILLION = 1_000_000
_FILE_ROWS = 500_000
_FORMATS = ("CSV", "ORC", "Parquet")
_FOLDER = "objects/all/"
_ENDINGS = {"CSV": "csv.gz", "ORC": "orc", "Parquet": "parquet"}

# In CSV; the names in the other formats, and their types there.
_COLUMNS = {
    "Bucket": ("bucket", "string", "required binary {} (STRING)"),
    "Key": ("key", "string", "required binary {} (STRING)"),
    "Size": ("size", "bigint", "optional int64 {}"),
    "LastModifiedDate": ("last_modified_date", "timestamp", "optional int64 {} (TIMESTAMP(MILLIS,true))"),
    "ETag": ("e_tag", "string", "optional binary {} (STRING)"),
    "StorageClass": ("storage_class", "string", "optional binary {} (STRING)"),
    "EncryptionStatus": ("encryption_status", "string", "optional binary {} (STRING)"),
}


def main(arguments: list[str]) -> None:
    """Measure, and print a table in Markdown."""
    if arguments[:1] == ["make"]:
        _make(Path(arguments[1]), int(arguments[2]), arguments[3], is_sorted=arguments[4:] == ["--sorted"])
    elif arguments[:1] == ["serve"]:
        _serve(Path(arguments[1]))
    elif arguments[:1] == ["read"]:
        _read(Path(arguments[1]), arguments[2])
    else:
        _measure(arguments)


def _measure(arguments: list[str]) -> None:
    options = [argument for argument in arguments if argument == "--sorted"]
    formats = [argument for argument in arguments if argument in _FORMATS] or _FORMATS
    sizes = [int(argument) for argument in arguments if argument.isdecimal()] or [_MILLION]
    heads = ("rows", "format", "files", "MB", "s", "CPU s", "CPU s a million rows", "peak MiB")
    print(f"| {' | '.join(heads)} |\n|--:|---|--:|--:|--:|--:|--:|--:|")
    for size in sizes:
        for name in formats:
            with tempfile.TemporaryDirectory(prefix="hyve-report-bench-") as folder:
                _step("make", folder, str(size), name, *options)
                files = [path for path in Path(folder).rglob("*") if path.suffix not in (".json", ".checksum")]
                files = [path for path in files if path.is_file()]
                megabytes = sum(path.stat().st_size for path in files) / 1e6
                with _server(folder) as endpoint:
                    usage = _step("read", f"{folder}/home", endpoint)
                row = f"| {size:,} | {name} | {len(files)} | {megabytes:.0f} | {usage.wall:.1f} | {usage.cpu:.1f} "
                print(f"{row}| {usage.cpu / size * _MILLION:.2f} | {usage.memory / MIB:.0f} |", flush=True)


def _step(*arguments: str) -> Usage:
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent), "PATH": "", "HOME": "/nowhere"}
    environment |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}
    if "TMPDIR" in os.environ:
        environment["TMPDIR"] = os.environ["TMPDIR"]
    return run([sys.executable, "-m", "benchmarks.inventory_report", *arguments], environment)


def _make(folder: Path, rows: int, report_format: str, *, is_sorted: bool) -> None:
    """Make up a report."""
    as_of = datetime.now(UTC)
    data = folder / _FOLDER / "data"
    data.mkdir(parents=True)
    files: list[dict[str, Any]] = []
    count = -(-rows // _FILE_ROWS)
    for number in range(count):
        path = data / f"{number:06d}.{_ENDINGS[report_format]}"
        _write(path, _made_up(range(number, rows, count), is_sorted=is_sorted), report_format)
        with path.open("rb") as stream:
            md5 = hashlib.file_digest(stream, "md5").hexdigest()
        files.append({"key": f"{_FOLDER}data/{path.name}", "size": path.stat().st_size, "MD5checksum": md5})
    manifest = {
        "sourceBucket": "objects",
        "destinationBucket": "arn:aws:s3:::reports",
        "version": "2016-11-30",
        "creationTimestamp": str(int(as_of.timestamp() * 1000)),
        "fileFormat": report_format,
        "fileSchema": _schema(report_format),
        "files": files,
    }
    report = folder / _FOLDER / f"{as_of:%Y-%m-%dT%H-%MZ}"
    report.mkdir()
    content = json.dumps(manifest).encode()
    (report / "manifest.json").write_bytes(content)
    (report / "manifest.checksum").write_text(hashlib.md5(content, usedforsecurity=False).hexdigest())


def _schema(report_format: str) -> str:
    if report_format == "CSV":
        return ", ".join(_COLUMNS)
    if report_format == "ORC":
        return f"struct<{','.join(f'{name}:{kind}' for name, kind, _ in _COLUMNS.values())}>"
    return f"message s3.inventory {{ {' '.join(form.format(name) + ';' for name, _, form in _COLUMNS.values())} }}"


def _made_up(numbers: range, *, is_sorted: bool) -> Any:
    """Rows: a table with the columns of the report."""
    # Imported late: the process that measures must be small, see `measure.run`.
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    order = np.arange(numbers.start, numbers.stop, numbers.step, dtype=np.int64)
    if not is_sorted:
        np.random.default_rng(numbers.start).shuffle(order)

    def padded(values: Any, width: int) -> Any:
        options = pc.PadOptions(width, "0")
        return pc.call_function("utf8_lpad", [pa.array(values).cast(pa.string())], options)

    def joined(*parts: Any) -> Any:
        return pc.call_function("binary_join_element_wise", [*parts, ""])

    # Digits without a pattern, as those of an MD5 are.
    digits = [padded((order * factor + 12345) % 10**16, 16) for factor in (6_364_136_223, 1_442_695_041)]
    count = len(order)
    return pa.table(
        {
            "bucket": pa.repeat(pa.scalar("objects"), count),
            "key": joined("albums/", padded(order // 5000, 8), "/photo-", padded(order, 12), ".jpg"),
            "size": pa.array(order * 7919 % 5_000_000),
            "last_modified_date": pa.array(order * 1000 % (10**9 * 1000)).cast(pa.timestamp("ms", tz="UTC")),
            "e_tag": joined(*digits),
            "storage_class": pa.repeat(pa.scalar("STANDARD"), count),
            "encryption_status": pa.repeat(pa.scalar("SSE-S3"), count),
        }
    )


def _write(path: Path, table: Any, report_format: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from pyarrow import csv, orc

    place = table.schema.get_field_index("last_modified_date")
    if report_format == "Parquet":
        pq.write_table(table, path, compression="snappy", row_group_size=100_000)
    elif report_format == "ORC":
        naive = table.set_column(place, "last_modified_date", table.column(place).cast(pa.timestamp("ms")))
        orc.write_table(naive, str(path), compression="zlib")
    else:
        options = pc.StrftimeOptions("%Y-%m-%dT%H:%M:%SZ")
        times = pc.call_function("strftime", [table.column(place)], options)
        table = table.set_column(place, "last_modified_date", times)
        with pa.CompressedOutputStream(str(path), "gzip") as stream:
            csv.write_csv(table, stream, csv.WriteOptions(include_header=False, quoting_style="all_valid"))


def _read(home: Path, endpoint: str) -> None:
    """Read the report as the inventory of a source."""
    from hyve_pipeline.core.settings.model import SyncSettings
    from hyve_pipeline.core.settings.places import BucketSettings
    from hyve_pipeline.operations.context import Home, SyncContext
    from hyve_pipeline.operations.inventory.take import take_inventories

    side = BucketSettings(
        bucket="objects", region="us-east-1", endpoint_url=endpoint, inventory=f"s3://reports/{_FOLDER}"
    )
    store = BucketSettings(bucket="store", region="us-east-1", endpoint_url=endpoint)
    context = SyncContext(Home(home), SyncSettings(name="images", source=side, store=store))
    print(take_inventories(context, ["source"])["source"].objects)


@contextmanager
def _server(folder: str) -> Iterator[str]:
    """The folder as a bucket, for a while; the URL of the server."""
    command = [sys.executable, "-m", "benchmarks.inventory_report", "serve", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def _serve(folder: Path) -> None:
    """Answer requests for a bucket whose objects are the files of a folder; all other buckets are empty."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
            query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            if not key:
                self._answer(200, _listing(folder, bucket, query).encode(), {"Content-Type": "application/xml"})
                return
            content = folder / key
            size = content.stat().st_size
            first, last = 0, size - 1
            if asked := self.headers.get("range"):
                first, last = (int(text) for text in asked.removeprefix("bytes=").split("-"))
            with content.open("rb") as stream:
                stream.seek(first)
                body = b"" if self.command == "HEAD" else stream.read(last - first + 1)
            headers = {"ETag": f'"{size}"', "Last-Modified": formatdate(usegmt=True)}
            headers |= {"Content-Range": f"bytes {first}-{last}/{size}"} if asked else {}
            self._answer(206 if asked else 200, body, headers, size if self.command == "HEAD" else len(body))

        do_HEAD = do_GET  # noqa: N815

        def _answer(self, status: int, body: bytes, headers: dict[str, str], length: int | None = None) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body) if length is None else length)}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


def _listing(folder: Path, bucket: str, query: dict[str, str]) -> str:
    """A page of a listing with a delimiter; the folder has few entries on each level."""
    prefix = query.get("prefix", "")
    entries = sorted((folder / prefix).iterdir()) if bucket == "reports" else []
    written = "".join(
        f"<CommonPrefixes><Prefix>{quote(prefix + path.name)}/</Prefix></CommonPrefixes>"
        if path.is_dir()
        else f"<Contents><Key>{quote(prefix + path.name)}</Key><Size>{path.stat().st_size}</Size>"
        "<LastModified>2026-01-31T00:00:00.000Z</LastModified><ETag>x</ETag></Contents>"
        for path in entries
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket}</Name><Prefix>{quote(prefix)}</Prefix><KeyCount>{len(entries)}</KeyCount>"
        f"<MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{written}"
        "</ListBucketResult>"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
