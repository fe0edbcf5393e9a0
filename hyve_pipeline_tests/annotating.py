"""A server that has annotations as Amazon S3 has them: in a proxy, before a server that has none."""

import hashlib
import re
import threading
from collections.abc import Callable
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from hyve_pipeline.s3.wire.checksums import ALGORITHMS, HEADER, checksum
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.scripted import DATE, HTTP_DATE, NAMESPACE, Answer, Received, error_answer

_MOST_BYTES = 1024**2

# Text and headers of its checksum, of each annotation by name.
_Kept = dict[str, tuple[bytes, dict[str, str]]]

# The parameters of requests that leave the object as it is.
_OTHERS = {"tagging", "uploads", "retention", "legal-hold", "acl", "partNumber"}


class AnnotatingServer:
    """The fault of a `FaultyServer` that has annotations.

    Attributes:
        kept: text and headers of its checksum by name, of each object by bucket and key.
        buckets: those whose requests know annotations; None for all.
        denied: operations that a policy denies.
        page: the most entries of a page of a list.
        before: called right before each request, as another program may be that fast.
        puts: bucket and key, and the name of each annotation that was put.
        keeps_versions: versions that were overwritten keep theirs, told apart by their ETags.
    """

    def __init__(self, server: FaultyServer) -> None:
        self.kept: dict[str, _Kept] = {}
        self.buckets: set[str] | None = None
        self.denied: set[str] = set()
        self.page = 1000
        self.before: Callable[[Received], object] = lambda _: None
        self.puts: list[tuple[str, str]] = []
        self.keeps_versions = False
        self._former: dict[tuple[str, str], _Kept] = {}
        self._server = server
        self._lock = threading.Lock()
        server.fault = self

    def annotate(self, bucket: str, key: str, **texts: bytes) -> None:
        """Give an object annotations, as another program would."""
        self.kept.setdefault(f"{bucket}/{key}", {}).update({name: (text, {}) for name, text in texts.items()})
        self._keep_version(f"/{bucket}/{quote(key)}")

    def of(self, bucket: str, key: str) -> dict[str, bytes]:
        """The annotations of an object."""
        return {name: text for name, (text, _) in self.kept.get(f"{bucket}/{key}", {}).items()}

    def __call__(self, received: Received) -> Answer | None:
        self.before(received)
        where = unquote(received.path.removeprefix("/"))
        if "/" not in where or (self.buckets is not None and where.partition("/")[0] not in self.buckets):
            return None
        if "annotation" in received.query:
            with self._lock:
                return self._annotation(received, where)
        is_write = received.method in ("PUT", "POST", "DELETE") and not _OTHERS & received.query.keys()
        is_abort = received.method == "DELETE" and "uploadId" in received.query
        if not is_write or is_abort:
            return None
        answer = self._server.forward(received)
        if answer.status in (200, 204) and b"<Error>" not in answer.body:
            with self._lock:
                self._written(received, where)
        return answer

    def _written(self, received: Received, where: str) -> None:
        """What an object is written with, it has no more than that."""
        copied = received.headers.get("x-amz-copy-source")
        found: _Kept = {}
        if copied is not None and received.headers.get("x-amz-object-annotation-directive", "COPY") == "COPY":
            path, _, version = copied.partition("?")
            found = dict(self._of(path, version))
        self.kept[where] = found
        self._keep_version(received.path)

    def _annotation(self, received: Received, where: str) -> Answer:
        name = received.query.get("annotationName")
        operation = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}[received.method] + "ObjectAnnotation"
        operation = "ListObjectAnnotations" if received.method == "GET" and name is None else operation
        if operation in self.denied:
            return error_answer(403, "AccessDenied")
        version = f"versionId={received.query['versionId']}" if "versionId" in received.query else ""
        etag = self._etag_of(received.path, version)
        if etag is None:
            return error_answer(404, "NoSuchKey")
        if name is None:
            return self._list(received, where, self._of(received.path, version))
        if received.method == "GET":
            return self._get(self._of(received.path, version), name)
        if received.headers.get("x-amz-object-if-match", etag) != etag:
            return error_answer(412, "PreconditionFailed")
        return self._put(received, where, name)

    def _keep_version(self, path: str) -> None:
        if self.keeps_versions and (etag := self._etag_of(path)) is not None:
            where = unquote(path).removeprefix("/")
            self._former.setdefault((where, etag), self.kept[where])

    def _etag_of(self, path: str, version: str = "") -> str | None:
        """The ETag of an object, or of a version by its query; None if there is none."""
        # Any signature will do; without one, only what is public is shown.
        signed = {"authorization": "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request"}
        head = self._server.forward(Received("HEAD", f"{path}?{version}".rstrip("?"), signed, b""))
        return {key.lower(): value for key, value in head.headers.items()}["etag"] if head.status == 200 else None

    def _of(self, path: str, version: str) -> _Kept:
        """Texts and checksums of an object, or of a version by its query."""
        where = unquote(path).removeprefix("/")
        present = self.kept.get(where, {})
        if not version:
            return present
        etag = self._etag_of(f"/{path.removeprefix('/')}", version)
        return self._former.get((where, etag or ""), present)

    def _list(self, received: Received, where: str, kept: _Kept) -> Answer:
        names = sorted(kept)
        first = int(received.query.get("continuation-token", "0"))
        shown = names[first : first + self.page]
        token = "".join(f"<ContinuationToken>{first}</ContinuationToken>" for _ in range(bool(first)))
        if first + self.page < len(names):
            token += f"<NextContinuationToken>{first + self.page}</NextContinuationToken>"
        entries = "".join(
            f"<AnnotationEntry><AnnotationName>{escape(name)}</AnnotationName><ETag>{_etag(text)}</ETag>"
            f"<LastModified>{DATE}</LastModified><Size>{len(text)}</Size></AnnotationEntry>"
            for name in shown
            for text, _ in (kept[name],)
        )
        key = escape(where.partition("/")[2])
        body = (
            f'<ListObjectAnnotationsOutput xmlns="{NAMESPACE}"><Annotations>{entries}</Annotations>'
            f"<Bucket>{where.partition('/')[0]}</Bucket><Key>{key}</Key>"
            f"<AnnotationCount>{len(shown)}</AnnotationCount>{token}</ListObjectAnnotationsOutput>"
        )
        return Answer(body.encode())

    def _get(self, kept: _Kept, name: str) -> Answer:
        if name not in kept:
            return error_answer(404, "NoSuchAnnotation")
        text, checksums = kept[name]
        return Answer(text, headers={"ETag": _etag(text), "Last-Modified": HTTP_DATE, **checksums})

    def _put(self, received: Received, where: str, name: str) -> Answer:
        text = received.body
        if not re.fullmatch(r"(?!aws|s3)[\w.-]+", name, re.IGNORECASE) or len(name.encode()) > 512:
            return error_answer(400, "InvalidAnnotationName")
        if not 1 <= len(text) <= _MOST_BYTES:
            return error_answer(400, "InvalidRequest")
        checksums = {
            header: value
            for algorithm in ALGORITHMS
            if (value := received.headers.get(header := HEADER + algorithm.lower())) is not None
        }
        if any(value != checksum(header.removeprefix(HEADER).upper(), text) for header, value in checksums.items()):
            return error_answer(400, "BadDigest")
        self.kept.setdefault(where, {})[name] = text, checksums
        self.puts.append((where, name))
        body = f"<PutObjectAnnotationOutput><AnnotationName>{name}</AnnotationName></PutObjectAnnotationOutput>"
        return Answer(body.encode(), headers={"ETag": _etag(text), **checksums})


def _etag(text: bytes) -> str:
    return f'"{hashlib.md5(text, usedforsecurity=False).hexdigest()}"'
