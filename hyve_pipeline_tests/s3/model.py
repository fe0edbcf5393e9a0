"""A bucket that lists its keys as S3 may: with short pages, empty pages, and truncation where it likes."""

import random
import threading
from bisect import bisect_right
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.connection.listing_dialect import ListingDialect
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline_tests.s3.scripted import listing, listing_entry


class ModelBucket:
    """Stands in for a connection; it answers ListObjectsV2 on a thread of its own, in any order.

    Attributes:
        place: where it claims to be.
        requests: how many it was asked.
        most_open: how many requests were open at the same time.
        throttled: how many it throttled.
        listing_dialect: how it lists.
    """

    def __init__(self, keys: Collection[str], seed: int, prefix: str, refused: float) -> None:
        self.place = Place(bucket="model", prefix=prefix)
        self.listing_dialect = ListingDialect()
        self.requests = 0
        self.most_open = 0
        self.throttled = 0
        self._keys = sorted(key for key in keys if key.startswith(prefix))
        self._chance = random.Random(seed)
        self._refused = refused
        self._open: list[tuple[Request, Future[Response]]] = []
        self._changed = threading.Condition()
        self._is_closed = False

    def send(self, request: Request) -> "Future[Response]":
        """Take a request."""
        answer: Future[Response] = Future()
        with self._changed:
            self.requests += 1
            self._open.append((request, answer))
            self.most_open = max(self.most_open, len(self._open))
            self._changed.notify()
        return answer

    def answer_all(self) -> None:
        """Answer until it is closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._open or self._is_closed)
                if self._is_closed:
                    return
                request, answer = self._open.pop(self._chance.randrange(len(self._open)))
            if self._chance.random() < self._refused:
                error = S3RequestError("model", request, "SlowDown", "Please reduce your rate.", status=503)
                self.throttled += 1
                answer.set_exception(error)
            else:
                answer.set_result(Response(200, (), self._page(dict(request.query))))

    def close(self) -> None:
        """Let `answer_all` end."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _page(self, query: dict[str, str]) -> bytes:
        token = query.get("continuation-token")
        after = bytes.fromhex(token.partition("-")[0]).decode() if token else query.get("start-after", "")
        left = self._keys[bisect_right(self._keys, after) :]
        shown = left[: int(query["max-keys"])]
        has_token = self._chance.random() < 0.8
        if shown and self._chance.random() < 0.4:
            # Only a token leads on from a page without keys.
            shown = shown[: self._chance.randint(0 if has_token else 1, len(shown))]
        is_truncated = len(shown) < len(left)
        position = (shown[-1] if shown else after).encode().hex()
        return listing(
            [listing_entry(key, size=len(key)) for key in shown],
            truncated=is_truncated,
            token=f"{position}-{self.requests}" if is_truncated and has_token else None,
        )


@contextmanager
def model_bucket(
    keys: Collection[str], *, seed: int = 0, prefix: str = "", refused: float = 0.0
) -> Iterator[ModelBucket]:
    """A bucket of these keys while the block runs.

    Args:
        keys: all keys.
        seed: chooses the order of answers and the kind of pages.
        prefix: what is listed.
        refused: the share of requests that are answered 503 SlowDown.
    """
    bucket = ModelBucket(keys, seed, prefix, refused)
    thread = threading.Thread(target=bucket.answer_all)
    thread.start()
    try:
        yield bucket
    finally:
        bucket.close()
        thread.join()
