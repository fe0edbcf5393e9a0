"""A store that keeps the conditions of writes as AWS does: in a proxy, before a server that ignores some of them."""

import threading
from collections.abc import Callable

from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.scripted import Answer, Received

_MATCH, _NONE_MATCH = "if-match", "if-none-match"


def operation_of(received: Received) -> str | None:
    """The operation of a request that makes an object; None of all others."""
    if received.path.count("/") < 2 or received.path.endswith("/"):
        return None
    if received.method == "POST" and "uploadId" in received.query:
        return "CompleteMultipartUpload"
    if received.method != "PUT" or {"uploadId", "tagging", "versioning"} & received.query.keys():
        return None
    return "CopyObject" if "x-amz-copy-source" in received.headers else "PutObject"


def condition_of(received: Received) -> tuple[str, str] | None:
    """The condition of a write on what it would overwrite, if it has one."""
    found = [(name, received.headers[name]) for name in (_MATCH, _NONE_MATCH) if name in received.headers]
    return found[0] if found else None


class ConditionalStore:
    """The fault of a `FaultyServer` that keeps the conditions of writes to one bucket.

    Attributes:
        demands: the bucket's policy refuses writes without a condition.
        names_condition: a refusal names the condition that does not hold.
        before: called right before a write is judged, as another writer may be that fast.
        conflicts: so many writes are answered 409, as if another were under way.
        keeps: the operations whose conditions are kept; those of the others are ignored.
        lost: the answers of so many writes are lost.
        writes: the operation, the key and the condition of each write, and the status of its answer.
    """

    def __init__(self, server: FaultyServer, bucket: str, *, demands: bool = False) -> None:
        self.demands = demands
        self.names_condition = True
        self.before: Callable[[Received], object] = lambda _: None
        self.conflicts = 0
        self.keeps = {"CopyObject", "PutObject", "CompleteMultipartUpload"}
        self.lost = 0
        self.writes: list[tuple[str, str, tuple[str, str] | None, int]] = []
        self._server = server
        self._bucket = bucket
        self._lock = threading.Lock()
        server.fault = self

    def __call__(self, received: Received) -> Answer | None:
        operation = operation_of(received)
        if operation is None or not received.path.startswith(f"/{self._bucket}/"):
            return None
        self.before(received)
        condition = condition_of(received)
        with self._lock:
            answer = self._refusal(received, operation, condition)
            if answer is None:
                kept = {name: value for name, value in received.headers.items() if name not in (_MATCH, _NONE_MATCH)}
                forwarded = Received(received.method, received.target, kept, received.body)
                answer = self._server.forward(forwarded)
                if self.lost and answer.status == 200:
                    self.lost -= 1
                    answer = Answer(hang_up=True)
            self.writes.append((operation, received.path, condition, 0 if answer.hang_up else answer.status))
            return answer

    def _refusal(self, received: Received, operation: str, condition: tuple[str, str] | None) -> Answer | None:
        if condition is None:
            return _error(403, "AccessDenied", "explicit deny in a resource-based policy") if self.demands else None
        if self.conflicts:
            self.conflicts -= 1
            return _error(409, "ConditionalRequestConflict", "The conditional request cannot succeed")
        if operation not in self.keeps:
            return None
        header, value = condition
        # moto wants a signature, and does not check it.
        signed = {name: received.headers[name] for name in ("authorization",) if name in received.headers}
        head = self._server.forward(Received("HEAD", received.path, signed, b""))
        etag = {name.lower(): found for name, found in head.headers.items()}.get("etag", "").strip('"')
        is_there = head.status == 200
        if header == _MATCH and not is_there:
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        if header == _NONE_MATCH and not is_there:
            return None
        if header == _MATCH and value == f'"{etag}"':
            return None
        named = {_MATCH: "If-Match", _NONE_MATCH: "If-None-Match"}[header] if self.names_condition else ""
        return _error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", named)


def _error(status: int, code: str, message: str, condition: str = "") -> Answer:
    named = f"<Condition>{condition}</Condition>" if condition else ""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message>{named}<RequestId>R1</RequestId></Error>"
    return Answer(f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode(), status)
