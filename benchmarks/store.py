"""What the S3 server for benchmarks answers: everything in memory, made-up objects, no checks.

It stores no content: an object is its key, size, ETag and date, and content is generated on request (see
`benchmarks.contents`). Its buckets are in `benchmarks.buckets`.

It answers as AWS does where that decides how many requests a tool needs: the number of tags comes with each object that
has some, and Content-MD5 and CRC64NVME are checked.
"""

import base64
import gc
import hashlib
import html
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from benchmarks.buckets import Bucket, Entry, make_entry
from benchmarks.contents import CHECKSUM, Uploads, checksum, content_checksum, content_etag, ranged

_XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_DELETED_KEY = re.compile("<Key>(.*?)</Key>", re.DOTALL)


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    body: bytes = b""
    headers: str = ""


class Request(NamedTuple):
    """What came in; header names in lower case."""

    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def _error(status: int, code: str) -> Answer:
    return Answer(status, _XML + f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())


def _described(bucket: Bucket, entry: Entry, request: Request) -> str:
    """The headers of an object."""
    date = formatdate(entry.modified, usegmt=True)
    tags = bucket.tags.get(request.key)
    more = "" if tags is None else f"x-amz-tagging-count: {tags.count('&') + 1}\r\n"
    if "x-amz-checksum-mode" in request.headers and entry.etag == content_etag(entry.size):
        more += f"{CHECKSUM}: {content_checksum(entry.size)}\r\nx-amz-checksum-type: FULL_OBJECT\r\n"
    return (
        f'ETag: "{entry.etag}"\r\nLast-Modified: {date}\r\nContent-Type: image/jpeg\r\nAccept-Ranges: bytes\r\n{more}'
    )


def _written(request: Request, md5: bytes) -> Answer:
    """The answer to a write of content: refused if a checksum that came with it is of other bytes."""
    sent = request.headers.get("content-md5")
    if sent is not None and sent != base64.b64encode(md5).decode():
        return _error(400, "BadDigest")
    headers = f'ETag: "{md5.hex()}"\r\nContent-Length: 0\r\n'
    sent = request.headers.get(CHECKSUM)
    if sent is None:
        return Answer(200, b"", headers)
    if sent != checksum(request.body):
        return _error(400, "BadDigest")
    return Answer(200, b"", f"{headers}{CHECKSUM}: {sent}\r\n")


def _refusal(bucket: Bucket, request: Request) -> Answer | None:
    """The refusal of a write whose condition on what it would overwrite does not hold, as AWS keeps it."""
    headers = request.headers
    if "if-none-match" not in headers and "if-match" not in headers:
        return None
    present = bucket.objects.get(request.key)
    if "if-none-match" in headers:
        return None if present is None else _error(412, "PreconditionFailed")
    if present is None:
        return _error(404, "NoSuchKey")
    return None if headers["if-match"].strip('"') == present.etag else _error(412, "PreconditionFailed")


class Store:
    """All buckets, the counters, and the simulated latency.

    Attributes:
        counts: requests by operation, and the keys that were listed, copied and deleted.
        latencies: seconds by which an operation's answers are delayed.
        slow_downs: the share of requests that are answered 503 SlowDown.
        tls_port: where it listens for TLS.
    """

    def __init__(self, authority: str) -> None:
        """Have no buckets; `authority` is the certificate to trust, in PEM."""
        self.tls_port = 0
        self._authority = authority
        self.buckets: dict[str, Bucket] = {}
        self.counts: Counter[str] = Counter()
        self.latencies: dict[str, float] = {}
        self.slow_downs = 0.0
        self._snapshots: dict[str, dict[str, Entry]] = {}
        self._uploads = Uploads()
        self._chance = random.Random(1)  # noqa: S311 - which requests fail is the same in every run

    def control(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Prepare the server, and return the counters since the last call.

        Args:
            wish: ``fill`` (bucket: [objects, modified]), ``contents`` (bucket: [objects, bytes of each, modified]),
                ``differ`` (bucket: [objects with other content, more objects]), ``snapshot`` (bucket), ``latencies``,
                ``slow_downs``, ``compare`` (two buckets), ``restored`` (a bucket of a snapshot), ``tls`` (the port, and
                the certificate to trust).
        """
        for name, (count, modified) in wish.get("fill", {}).items():
            self.buckets.setdefault(name, Bucket()).fill(count, modified)
            _ = self.buckets[name].order
        for name, (count, size, modified) in wish.get("contents", {}).items():
            self.buckets.setdefault(name, Bucket()).fill_with_content(count, size, modified)
        for name, (others, more) in wish.get("differ", {}).items():
            self.buckets[name].differ(others, more)
        if "snapshot" in wish:
            self._snapshots[wish["snapshot"]] = dict(self.buckets[wish["snapshot"]].objects)
        self.latencies = wish.get("latencies", self.latencies)
        self.slow_downs = wish.get("slow_downs", self.slow_downs)
        report: dict[str, Any] = {"counts": self.counts, "cpu": time.process_time()}
        if "tls" in wish:
            report["tls"] = [self.tls_port, self._authority]
        if "compare" in wish:
            compared, copies = (self.buckets[name] for name in wish["compare"])
            report["same tags"] = compared.tags == copies.tags
            source, store = compared.objects, copies.objects
            # A multipart object has another ETag; the MD5s of its parts have covered every byte.
            report["equal"] = source.keys() == store.keys() and all(
                entry.size == store[key].size and ("-" in store[key].etag or entry.etag == store[key].etag)
                for key, entry in source.items()
            )
        if "restored" in wish:
            present = self.buckets[wish["restored"]].objects
            before = self._snapshots[wish["restored"]]
            report["lost"] = sum(
                present[key].etag != entry.etag if key in present else True for key, entry in before.items()
            )
        self.counts = Counter()
        gc.collect()
        return report

    def answer(self, request: Request) -> tuple[Answer, float]:
        """An answer, and the seconds by which it is delayed."""
        name, operation = self._operation(request)
        self.counts[name] += 1
        if self.slow_downs and self._chance.random() < self.slow_downs:
            self.counts["slowed down"] += 1
            return _error(503, "SlowDown"), 0.0
        bucket = self.buckets.get(request.bucket)
        answer = operation(bucket, request) if bucket is not None else _error(404, "NoSuchBucket")
        return answer, self.latencies.get(name, 0.0)

    def _operation(self, request: Request) -> tuple[str, Callable[[Bucket, Request], Answer]]:
        method, query = request.method, request.query
        if request.key:
            if method == "PUT" and "x-amz-copy-source" in request.headers:
                return "CopyObject", self._copy
            if "uploads" in query:
                return "CreateMultipartUpload", self._create
            if "uploadId" in query:
                known = {"PUT": ("UploadPart", self._put_part), "POST": ("CompleteMultipartUpload", self._complete)}
                return known.get(method, (f"{method} upload", self._refuse))
            if "tagging" in query:
                return "GetObjectTagging", self._tags
            known = {
                "HEAD": ("HeadObject", self._head),
                "GET": ("GetObject", self._get),
                "PUT": ("PutObject", self._put),
                "DELETE": ("DeleteObject", self._delete_one),
            }
            return known.get(method, (f"{method} object", self._refuse))
        if method == "HEAD":
            return "HeadBucket", lambda *_: Answer(200)
        if method == "GET" and query.get("list-type") == "2":
            return "ListObjectsV2", self._list
        if method == "POST" and "delete" in query:
            return "DeleteObjects", self._delete_many
        if method == "GET" and "location" in query:
            return "GetBucketLocation", lambda *_: Answer(200, _XML + b"<LocationConstraint%b/>" % _NAMESPACE)
        if method == "GET" and "website" in query:
            return "GetBucketWebsite", lambda *_: _error(404, "NoSuchWebsiteConfiguration")
        if method == "GET" and "versioning" in query:
            return "GetBucketVersioning", lambda *_: Answer(200, _XML + b"<VersioningConfiguration%b/>" % _NAMESPACE)
        return f"{method} bucket {' '.join(query)}", self._refuse

    def _refuse(self, _bucket: Bucket, _request: Request) -> Answer:
        self.counts["refused"] += 1
        return _error(501, "NotImplemented")

    def _list(self, bucket: Bucket, request: Request) -> Answer:
        query = request.query
        after = query.get("continuation-token") or query.get("start-after", "")
        limit = min(int(query.get("max-keys", "1000")), 1000)
        prefix = query.get("prefix", "")
        keys, folders, following = bucket.page(prefix, query.get("delimiter", ""), after, limit)
        self.counts["keys listed"] += len(keys)
        objects = bucket.objects
        parts = [_XML, b"<ListBucketResult", _NAMESPACE, b"><Name>", request.bucket.encode(), b"</Name>"]
        parts.append(
            f"<Prefix>{prefix}</Prefix><KeyCount>{len(keys) + len(folders)}</KeyCount><MaxKeys>{limit}</MaxKeys>"
            f"<IsTruncated>{'true' if following else 'false'}</IsTruncated>".encode()
        )
        if "encoding-type" in query:
            parts.append(b"<EncodingType>url</EncodingType>")
        if following:
            parts.append(f"<NextContinuationToken>{following}</NextContinuationToken>".encode())
        parts += [objects[key].xml for key in keys]
        parts += [f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>".encode() for folder in folders]
        parts.append(b"</ListBucketResult>")
        return Answer(200, b"".join(parts))

    def _copy(self, bucket: Bucket, request: Request) -> Answer:
        source, _, key = unquote(request.headers["x-amz-copy-source"]).removeprefix("/").partition("/")
        entry = self.buckets[source].objects.get(key) if source in self.buckets else None
        if entry is None:
            return _error(404, "NoSuchKey")
        wanted = request.headers.get("x-amz-copy-source-if-match")
        if wanted is not None and wanted.strip('"') != entry.etag:
            return _error(412, "PreconditionFailed")
        refusal = _refusal(bucket, request)
        if refusal is not None:
            return refusal
        now = time.time()
        present = bucket.objects.get(request.key)
        if present is not None and present.etag == entry.etag:
            self.counts["copied again"] += 1
        bucket.put(request.key, make_entry(request.key, entry.size, entry.etag, now))
        self.counts["copied"] += 1
        date = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now))
        result = f"<LastModified>{date}</LastModified><ETag>&quot;{entry.etag}&quot;</ETag>".encode()
        return Answer(200, b"%b<CopyObjectResult%b>%b</CopyObjectResult>" % (_XML, _NAMESPACE, result))

    def _head(self, bucket: Bucket, request: Request) -> Answer:
        entry = bucket.objects.get(request.key)
        if entry is None:
            return Answer(404)
        return Answer(200, b"", f"{_described(bucket, entry, request)}Content-Length: {entry.size}\r\n")

    def _tags(self, bucket: Bucket, request: Request) -> Answer:
        pairs = parse_qsl(bucket.tags.get(request.key, ""), keep_blank_values=True)
        tags = "".join(f"<Tag><Key>{name}</Key><Value>{value}</Value></Tag>" for name, value in pairs)
        return Answer(200, _XML + f"<Tagging><TagSet>{tags}</TagSet></Tagging>".encode())

    def _get(self, bucket: Bucket, request: Request) -> Answer:
        entry = bucket.objects.get(request.key)
        if entry is None:
            return _error(404, "NoSuchKey")
        if request.headers.get("if-match", entry.etag).strip('"') != entry.etag:
            return _error(412, "PreconditionFailed")
        body, content_range = ranged(entry.size, request.headers.get("range"))
        headers = f"{_described(bucket, entry, request)}Content-Length: {len(body)}\r\n"
        if content_range is None:
            return Answer(200, body, headers)
        return Answer(206, body, f"{headers}Content-Range: {content_range}\r\n")

    def _put(self, bucket: Bucket, request: Request) -> Answer:
        refusal = _refusal(bucket, request)
        if refusal is not None:
            return refusal
        md5 = hashlib.md5(request.body, usedforsecurity=False).digest()
        answer = _written(request, md5)
        if answer.status == 200:
            entry = make_entry(request.key, len(request.body), md5.hex(), time.time())
            bucket.put(request.key, entry, request.headers.get("x-amz-tagging"))
            self.counts["copied"] += 1
        return answer

    def _create(self, _bucket: Bucket, request: Request) -> Answer:
        upload_id = f"<UploadId>{self._uploads.begin(request.headers.get('x-amz-tagging'))}</UploadId>".encode()
        result = b"<InitiateMultipartUploadResult%b>%b</InitiateMultipartUploadResult>" % (_NAMESPACE, upload_id)
        return Answer(200, _XML + result)

    def _put_part(self, _bucket: Bucket, request: Request) -> Answer:
        query = request.query
        return _written(request, self._uploads.put(query["uploadId"], int(query["partNumber"]), request.body))

    def _complete(self, bucket: Bucket, request: Request) -> Answer:
        refusal = _refusal(bucket, request)
        if refusal is not None:
            return refusal
        size, etag, tags = self._uploads.complete(request.query["uploadId"])
        bucket.put(request.key, make_entry(request.key, size, etag, time.time()), tags)
        self.counts["copied"] += 1
        fields = f"<ETag>&quot;{etag}&quot;</ETag>".encode()
        result = b"<CompleteMultipartUploadResult%b>%b</CompleteMultipartUploadResult>" % (_NAMESPACE, fields)
        return Answer(200, _XML + result)

    def _delete_one(self, bucket: Bucket, request: Request) -> Answer:
        self.counts["deleted"] += bucket.remove(request.key)
        return Answer(204)

    def _delete_many(self, bucket: Bucket, request: Request) -> Answer:
        text = request.body.decode()
        written = _DELETED_KEY.findall(text)
        self.counts["deleted"] += sum(bucket.remove(html.unescape(key)) for key in written)
        deleted = "" if "<Quiet>true" in text else "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in written)
        return Answer(200, b"%b<DeleteResult%b>%b</DeleteResult>" % (_XML, _NAMESPACE, deleted.encode()))
