"""Listing: the walk through one range of keys, page by page, complete or failed.

A sync deletes what a listing did not show. So nothing that is odd about a page is passed over: whatever
does not fit together ends the walk with an `IncompleteInventoryError`, and only a walk that came to its
end gives a proof.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from itertools import pairwise
from urllib.parse import unquote, unquote_plus

from hyve_pipeline.core.base.arrow_columns import count_up_to, is_ascending
from hyve_pipeline.core.base.errors import IncompleteInventoryError, InterruptedRunError
from hyve_pipeline.core.model.inventory import KeyRange, RangeEnd, RangeProof
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.cut_points import shared_length
from hyve_pipeline.s3.listing.fast_pages import read_uniform_page
from hyve_pipeline.s3.listing.pages import Envelope, ListingAnswer, MalformedPageError, Page, read_any_page
from hyve_pipeline.s3.wire.errors import S3RequestError, bucket_error
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response

MAX_KEYS = 1000  # the most that S3 puts on one page

# Asks for the element RestoreStatus of objects that were restored. Servers that don't know it leave it out.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
RESTORE_STATUS: Pairs = (("x-amz-optional-object-attributes", "RestoreStatus"),)

# How often a walk that waits for a page looks whether it was given up.
_LOOK_UP_SECONDS = 0.5


def parse_answer(body: bytes) -> ListingAnswer:
    """Read an answer to ListObjectsV2.

    Raises:
        MalformedPageError: it is cut short, or anything in it is missing or does not fit together.
    """
    return read_uniform_page(body) or read_any_page(body)


class Walk:
    """How far the walk through one range of keys has come: which page to ask for, and what its answer means.

    It sends nothing itself. Its keys are whole keys, prefix included.

    Attributes:
        range: the keys that it is to find; `give_away` shortens it.
        position: the last key that the server showed, or where the range begins.
        pages: how many answers were taken.
        varying: how many leading characters the keys of the later half of the way have in common.
    """

    def __init__(self, place: Place, key_range: KeyRange, max_keys: int = MAX_KEYS, headers: Pairs = ()) -> None:
        """Describe the walk.

        Args:
            place: the bucket and prefix.
            key_range: in whole keys, prefix included.
            max_keys: keys asked for in one page, at most 1,000.
            headers: headers of each request, such as `RESTORE_STATUS`.
        """
        self.range = key_range
        self.position = key_range.after
        self.pages = 0
        self.varying = 0
        self._place = place
        self._max_keys = max_keys
        self._headers = headers
        self._way_on: tuple[str, str] | None = ("start-after", key_range.after) if key_range.after else None
        self._keys = 0
        self._passed = ""
        self._first_key: str | None = None
        self._last_key: str | None = None
        self._tokens: set[str] = set()
        self._end: RangeEnd | None = None

    @property
    def has_ended(self) -> bool:
        """Whether every key of the range was seen."""
        return self._end is not None

    @property
    def proof(self) -> RangeProof:
        """How the walk went.

        Raises:
            IncompleteInventoryError: the walk has not come to its end.
        """
        if self._end is None:
            raise self.incomplete("the walk has not come to its end")
        return RangeProof(
            range=self.range,
            first_key=self._first_key,
            last_key=self._last_key,
            keys=self._keys,
            pages=self.pages,
            end=self._end,
        )

    def request(self) -> Request:
        """What asks for the next page."""
        query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", str(self._max_keys))]
        if self._place.prefix:
            query.append(("prefix", self._place.prefix))
        if self._way_on is not None:
            query.append(self._way_on)
        return Request("ListObjectsV2", "GET", query=tuple(query), headers=self._headers)

    def take(self, body: bytes) -> Page:
        """Take the answer to `request`.

        Returns:
            Its objects, as far as they are in the range; there may be none.

        Raises:
            IncompleteInventoryError: the answer does not fit together, or not to the ones before.
        """
        self.pages += 1
        try:
            answer = parse_answer(body)
        except MalformedPageError as error:
            raise self.incomplete(str(error)) from error
        self._check_is_meant(answer.envelope)
        page = answer.page
        if len(page):
            self._check_keys(page)
            self.position = page.last_key
            if self.pages & (self.pages - 1) == 0:
                self._passed = page.first_key  # at each power of two, so that it is far behind, but not for ever
            self.varying = shared_length(self._passed, page.last_key)
        until = self.range.until
        if until is not None and self.position > until:
            self._end = RangeEnd.PASSED_BOUND
            page = page.head(count_up_to(page.table.column("key"), until))
        elif not answer.envelope.is_truncated:
            self._end = RangeEnd.END_OF_LISTING
        elif self.position == until:
            self._end = RangeEnd.PASSED_BOUND
        else:
            self._way_on = self._find_way_on(answer)
        if len(page):
            self._first_key = page.first_key if self._first_key is None else self._first_key
            self._last_key = page.last_key
            self._keys += len(page)
        return page

    def give_away(self, cut: str) -> "Walk":
        """A new walk through the keys after `cut`, which this one leaves out from now on.

        Args:
            cut: after the walk's position and before the end of its range.
        """
        if not self.position < cut or (self.range.until is not None and not cut < self.range.until):
            raise ValueError(f"{cut!r} is not between {self.position!r} and {self.range.until!r}")
        upper = Walk(self._place, KeyRange(after=cut, until=self.range.until), self._max_keys, self._headers)
        self.range = KeyRange(after=self.range.after, until=cut)
        return upper

    def failure(self, error: S3RequestError) -> Exception:
        """The error for a page that could not be had."""
        if self.pages == 0 and not self.range.after:
            return bucket_error(error, self._place)
        self.pages += 1
        return self.incomplete(f"it failed: {error}")

    def incomplete(self, problem: str) -> IncompleteInventoryError:
        """The error for what is wrong with the page taken last."""
        return IncompleteInventoryError(
            f"the listing of {self._place.uri} is not complete, page {self.pages}: {problem}; "
            "nothing was planned, run it again"
        )

    def _find_way_on(self, answer: ListingAnswer) -> tuple[str, str]:
        """The parameter that asks for the page after this one."""
        token = answer.envelope.next_token
        if token:
            if token in self._tokens:
                raise self.incomplete("the server repeats a continuation token")
            if len(answer.page):
                self._tokens.clear()  # older pages that are shown again are noticed by their keys
            self._tokens.add(token)
            return "continuation-token", token
        if len(answer.page):
            return "start-after", answer.page.last_key
        raise self.incomplete("it is truncated, but has neither a continuation token nor a key to go on from")

    def _check_is_meant(self, envelope: Envelope) -> None:
        """Hold what a page says of its request against the request.

        The keys of a page that was meant for a later range, as a broken proxy may give it, would fit in here, and
        all between would be missing. Servers tell what they were asked for; some do not encode it, some leave it
        out, and some go on telling where the first page began:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
        """
        parameter, asked = self._way_on or ("start-after", "")
        by_token = parameter == "continuation-token"
        begins = {self.range.after, self.position} if by_token else {asked}
        for told, expected in ((envelope.start_after, begins), (envelope.token, {asked} if by_token else {""})):
            if told is not None and not _forms(told) & {_in_one_line(text) for text in expected}:
                raise self.incomplete(f"the server says that it is about what follows {told!r}, and not {asked!r}")

    def _check_keys(self, page: Page) -> None:
        """Hold a page's keys against the prefix, the page before, and S3's order."""
        if self.position and page.first_key <= self.position:
            raise self.incomplete(f"it begins with {page.first_key!r}, which is not after {self.position!r}")
        if not is_ascending(page.table.column("key")):
            before, after = next(pair for pair in pairwise(page.keys) if pair[0] >= pair[1])
            raise self.incomplete(f"its keys are not in ascending order: {after!r} follows {before!r}")
        # Between two keys that begin with the prefix, in order, there can only be more of them.
        for key in (page.first_key, page.last_key):
            if not key.startswith(self._place.prefix):
                raise self.incomplete(f"{key!r} does not begin with the prefix {self._place.prefix!r}")


def _forms(written: str) -> set[str]:
    """What a text of an answer may mean: it is encoded, or it is not."""
    return {_in_one_line(form) for form in (written, unquote(written), unquote_plus(written))}


def _in_one_line(text: str) -> str:
    """The text without the difference between line ends, which XML does not keep."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


class RangeWalk:
    """One walk through one range of keys, one page after the other.

    Iterate it once, to the end; then `proof` says how the walk went. The next page is on its way while the
    current one is worked on.
    """

    def __init__(
        self,
        connection: Connection,
        key_range: KeyRange,
        max_keys: int = MAX_KEYS,
        stop: threading.Event | None = None,
    ) -> None:
        """Describe the walk; nothing is sent yet.

        Args:
            connection: the bucket and prefix.
            key_range: in whole keys, prefix included.
            max_keys: keys asked for in one page, at most 1,000.
            stop: when it is set, the walk is given up, even while a page is awaited.
        """
        self._connection = connection
        self._walk = Walk(connection.place, key_range, max_keys)
        self._stop = stop or threading.Event()
        self._started = False

    @property
    def proof(self) -> RangeProof:
        """How the walk went.

        Raises:
            IncompleteInventoryError: the walk has not come to its end.
        """
        return self._walk.proof

    def __iter__(self) -> Iterator[Page]:
        """Walk the range; pages without keys in it are not given.

        Raises:
            BucketError: the bucket cannot be listed at all.
            IncompleteInventoryError: a page failed, or does not fit to the others.
            InterruptedRunError: it was given up.
        """
        if self._started:
            raise RuntimeError("a range can be walked only once: make another walk")
        self._started = True
        return self._pages()

    def _pages(self) -> Iterator[Page]:
        walk = self._walk
        pending = self._connection.send(walk.request())
        while not walk.has_ended:
            try:
                response = self._await(pending)
            except S3RequestError as error:
                raise walk.failure(error) from error
            page = walk.take(response.body)
            if not walk.has_ended:
                pending = self._connection.send(walk.request())
            if len(page):
                yield page

    def _await(self, pending: "Future[Response]") -> Response:
        """The answer, unless the walk is given up before it comes: a server may stay silent for long."""
        while not self._stop.is_set():
            done, _ = wait([pending], timeout=_LOOK_UP_SECONDS)
            if done:
                return pending.result()
        raise given_up(self._connection.place)


def given_up(place: Place) -> InterruptedRunError:
    """The error of a listing that somebody stopped."""
    return InterruptedRunError(f"the listing of {place.uri} was given up")


def list_range(connection: Connection, key_range: KeyRange, max_keys: int = MAX_KEYS) -> RangeWalk:
    """The walk through a range of keys, see `RangeWalk`."""
    return RangeWalk(connection, key_range, max_keys)
