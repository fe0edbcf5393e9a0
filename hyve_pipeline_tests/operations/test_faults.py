"""Every operation meets every kind of fault: what passes is tried again, what does not is told, and nothing is lost."""

import itertools
import re
import threading
import time
from collections.abc import Callable
from xml.sax.saxutils import escape

import pytest

from hyve_pipeline.core.base.errors import BucketError, IncompleteInventoryError
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import apply, planned
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import MakePair, Pair
from hyve_pipeline_tests.tally import THOROUGHNESS, counts

Matches = Callable[[Received], bool]
Breaks = Callable[[Answer], Answer]

_OPERATIONS: dict[str, Matches] = {
    "list": lambda received: "list-type" in received.query and received.query.get("max-keys") == "1000",
    "copy": lambda received: "x-amz-copy-source" in received.headers,
    "delete": lambda received: "delete" in received.query,
    "head": lambda received: received.method == "HEAD",
}

# What the server has done by then is done: only its answer is broken.
_PASSING: dict[str, Breaks] = {
    "500": lambda _: error_answer(500, "InternalError"),
    "503": lambda _: error_answer(503, "SlowDown"),
    "hang up": lambda answer: Answer(hang_up=True),
    "cut short": lambda answer: Answer(answer.body, answer.status, answer.headers, cut=len(answer.body) // 2),
    "error in 200": lambda _: Answer(error_answer(500, "InternalError").body, 200, {}),
    "not XML": lambda _: Answer(b"<html>a proxy's page", 200, {}),
    "late": lambda answer: _later(answer),
}

# Pages that were sent whole and are none, which only another answer to the same question gets over.
_DAMAGED_PAGES: dict[str, Breaks] = {
    "not XML": _PASSING["not XML"],
    "half a page": lambda answer: Answer(answer.body[: len(answer.body) // 2], 200, {}),
    "no keys": lambda answer: Answer(re.sub(rb"<Key>[^<]*</Key>", b"", answer.body), 200, {}),
    "a lost object": lambda answer: Answer(re.sub(rb"<Contents>.*?</Contents>", b"", answer.body, count=1), 200, {}),
}


def _later(answer: Answer) -> Answer:
    time.sleep(1.0)
    return answer


# What a listing does not get over: refusals, and pages that are damaged however often they are asked for.
_LISTING_FAULTS: dict[str, Breaks] = {
    "403": lambda _: error_answer(403, "AccessDenied"),
    "400": lambda _: error_answer(400, "InvalidRequest"),
    "404": lambda _: error_answer(404, "NoSuchBucket"),
    **_DAMAGED_PAGES,
}


class _Once:
    """Breaks the answer to the n-th request of one operation, or of all from then on."""

    def __init__(
        self, faulty: FaultyServer, operation: str, number: int, breaks: Breaks, *, lasting: bool = False
    ) -> None:
        self.is_done = False
        self._faulty = faulty
        self._matches = _OPERATIONS[operation]
        self._left = number
        self._breaks = breaks
        self._lasting = lasting
        self._lock = threading.Lock()

    def __call__(self, received: Received) -> Answer | None:
        if not self._matches(received):
            return None
        answer = self._faulty.forward(received)
        if b"<ListBucketResult" in answer.body and b"<Contents>" not in answer.body:
            return answer  # a page without objects has nothing to lose
        with self._lock:
            self._left -= 1
            if self._left > 0 or (self._left < 0 and not self._lasting):
                return answer
        self.is_done = True
        return self._breaks(answer)


@pytest.fixture
def pair(make_pair: MakePair, faulty: FaultyServer) -> Pair:
    """A sync behind the proxy, several pages long, with something of everything to do."""
    pair = make_pair(through=faulty)
    faulty.page_keys = 5
    pair.source.put({f"new/{number:02d}": b"new" for number in range(12)} | {"same": b"1"})
    pair.store.put({f"gone/{number:02d}": b"gone" for number in range(8)})
    pair.store.take_from(pair.source, ["same"])
    return pair


def _sync(pair: Pair) -> tuple[int, int]:
    """Do all of a sync; how many objects failed, of copies and of deletes."""
    context = pair.context(concurrency=4, max_deletes="100%")
    plan = planned(context)
    failed = [sum(summary.tally.failed for summary in apply(context, plan, "copy"))]
    failed.append(sum(summary.tally.failed for summary in apply(context, plan, "delete")) if not failed[0] else 0)
    if not any(failed):
        assert verify_plan(context, plan).verified
    return failed[0], failed[1]


def _positions(number: int) -> tuple[int, ...]:
    """Which requests meet a fault: the first or a later one in turn, both when there is time."""
    return (1, 3) if THOROUGHNESS > 1 else ((1, 3)[number % 2],)


# An answer to HEAD has no body to be broken.
_OF_HEAD = ("500", "503", "hang up", "late")


def _meeting(operation: str, fault: str) -> bool:
    """Whether a fault can be one of an operation."""
    if fault in _DAMAGED_PAGES and fault not in _PASSING:
        return operation == "list"
    return operation != "head" or fault in _OF_HEAD


@pytest.mark.parametrize(
    ("fault", "position"),
    [(fault, position) for number, fault in enumerate(_PASSING | _DAMAGED_PAGES) for position in _positions(number)],
)
def test_a_fault_that_passes(fault: str, position: int, pair: Pair, faulty: FaultyServer) -> None:
    """Each operation of one sync meets it once; all deletes go in one request."""
    meetings = {
        operation: _Once(
            faulty, operation, 1 if operation == "delete" else position, (_PASSING | _DAMAGED_PAGES)[fault]
        )
        for operation in _OPERATIONS
        if _meeting(operation, fault)
    }
    faulty.fault = lambda received: next(filter(None, (meeting(received) for meeting in meetings.values())), None)
    assert _sync(pair) == (0, 0)
    assert [operation for operation, meeting in meetings.items() if not meeting.is_done] == []
    assert pair.store.read() == pair.source.read()
    counts["faults injected"] += len(meetings)


def test_a_listing_that_fails_changes_nothing(pair: Pair, faulty: FaultyServer) -> None:
    before = pair.store.listing()
    for number, (fault, breaks) in enumerate(_LISTING_FAULTS.items()):
        for position in _positions(number):
            # A page that is refused by 400 once is requested in another way.
            lasts = fault in _DAMAGED_PAGES or fault == "400"
            once = faulty.fault = _Once(faulty, "list", position, breaks, lasting=lasts)
            with pytest.raises((BucketError, IncompleteInventoryError)) as caught:
                _sync(pair)
            assert once.is_done, fault
            counts["faults injected"] += 1
            assert any(name in str(caught.value) for name in (pair.source.name, pair.store.name)), fault
            assert pair.store.listing() == before, fault
    faulty.fault = lambda _: None
    assert _sync(pair) == (0, 0)
    assert pair.store.read() == pair.source.read()


class _Again:
    """From the n-th page of a bucket's listing on, answers every request for a page with the one before."""

    def __init__(self, faulty: FaultyServer, bucket: str, number: int) -> None:
        self.is_done = False
        self._faulty = faulty
        self._bucket = bucket
        self._left = number
        self._last: Answer | None = None
        self._lock = threading.Lock()

    def __call__(self, received: Received) -> Answer | None:
        if not _OPERATIONS["list"](received) or not received.path.startswith(f"/{self._bucket}"):
            return None
        with self._lock:
            self._left -= 1
            if self._left <= 0 and self._last is not None:
                self.is_done = True
                return self._last
            answer = self._faulty.forward(received)
            if b"<Contents>" in answer.body:
                self._last = answer = _telling_token(received, answer)
            return answer


def _telling_token(received: Received, answer: Answer) -> Answer:
    """The page as S3 writes it: with the token that it was asked for."""
    token = received.query.get("continuation-token")
    if token is None:
        return answer
    told = f"<ContinuationToken>{escape(token)}</ContinuationToken><IsTruncated>".encode()
    return Answer(answer.body.replace(b"<IsTruncated>", told, 1), answer.status, {})


def test_a_page_that_comes_again_and_again_changes_nothing(pair: Pair, faulty: FaultyServer) -> None:
    before = pair.store.listing()
    for bucket, position in itertools.product((pair.source.name, pair.store.name), (2, 3)):
        again = faulty.fault = _Again(faulty, bucket, position)
        with pytest.raises(IncompleteInventoryError, match=bucket):
            _sync(pair)
        assert again.is_done
        counts["faults injected"] += 1
        assert pair.store.listing() == before


# A DeleteObjects that is refused by 400 is no such case: some servers do not know it, and delete one object at a time.
@pytest.mark.parametrize(
    ("operation", "status", "code", "failed"),
    [
        ("copy", 403, "AccessDenied", (1, 0)),
        ("copy", 400, "InvalidDigest", (1, 0)),
        ("delete", 403, "AccessDenied", (0, 8)),
    ],
)
def test_a_refusal_is_not_tried_again_and_stops_what_follows(
    operation: str, status: int, code: str, failed: tuple[int, int], pair: Pair, faulty: FaultyServer
) -> None:
    def refuse(received: Received) -> Answer | None:
        is_wanted = _OPERATIONS[operation](received) and (operation == "delete" or received.path.endswith("/07"))
        return error_answer(status, code) if is_wanted else None

    faulty.fault = refuse
    faulty.received.clear()
    assert _sync(pair) == failed
    assert len([received for received in faulty.received if refuse(received) is not None]) == 1
    # No delete, since a copy has failed; or none, since deletes were refused.
    assert set(pair.store.keys()) >= {f"gone/{number:02d}" for number in range(8)}
    faulty.fault = lambda _: None
    assert _sync(pair) == (0, 0)
    assert pair.store.read() == pair.source.read()
