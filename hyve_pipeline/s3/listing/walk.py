"""The state of a listing of one range of keys.

A sync deletes what a listing did not show. So nothing odd about a page is ignored: any contradiction ends the walk with
an `IncompleteInventoryError`, and only a walk that has ended gives a proof.
"""

from dataclasses import dataclass
from itertools import pairwise

from hyve_pipeline.core.base.arrow_columns import count_up_to, is_ascending
from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA, KeyRange, RangeEnd, RangeProof
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.listing_dialect import ListingDialect
from hyve_pipeline.s3.listing.cut_points import shared_length
from hyve_pipeline.s3.listing.envelope import Envelope
from hyve_pipeline.s3.listing.fast_pages import read_uniform_page
from hyve_pipeline.s3.listing.key_encoding import AmbiguousPlusError, Plus, forms_of, in_one_line
from hyve_pipeline.s3.listing.malformed import ADVICE, MalformedPageError, UnsupportedListingError, shown
from hyve_pipeline.s3.listing.pages import ListingAnswer, Page, read_any_page
from hyve_pipeline.s3.listing.plus_sign import settle_plus
from hyve_pipeline.s3.wire.errors import S3RequestError, bucket_error
from hyve_pipeline.s3.wire.messages import Pairs, Request, Response

MAX_KEYS = 1000  # the most that S3 puts on one page

# Requests the element RestoreStatus of restored objects. Servers that don't support it leave it out.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
RESTORE_STATUS: Pairs = (("x-amz-optional-object-attributes", "RestoreStatus"),)

# A page that is damaged or contradicts itself is requested this many times, with pauses that grow threefold.
MOST_DAMAGED = 4
FIRST_PAUSE_SECONDS = 0.1
PAUSE_GROWTH = 3

# Servers may send pages without keys while they skip hidden ones. A longer row of them is a listing that never ends.
_MOST_EMPTY_PAGES = 1_000

# The listing of an access point has the name of the bucket behind it.
_ALIASES = ("-s3alias", "--ol-s3")


class DamagedPageError(IncompleteInventoryError):
    """A page is damaged, or contradicts itself, its request or the pages before; it may be requested again."""


@dataclass(frozen=True, slots=True)
class _PageParameter:
    """The parameter that selects a page, and its value."""

    parameter: str = "start-after"
    value: str = ""


def parse_answer(body: bytes, plus: Plus | None = None) -> ListingAnswer:
    """Read an answer to ListObjectsV2.

    Args:
        body: the answer's body.
        plus: what a ``+`` in an encoded key stands for, if that is known of the server.

    Raises:
        MalformedPageError: it is truncated, incomplete, or contradicts itself.
        AmbiguousPlusError: keys have a ``+``, and nothing shows what it stands for.
    """
    return read_uniform_page(body, plus) or read_any_page(body, plus)


def check_bucket(name: str | None, place: Place) -> None:
    """Check the bucket that a page names, if it does.

    Raises:
        MalformedPageError: it is another one.
    """
    if name not in (None, place.bucket) and not place.bucket.endswith(_ALIASES):
        raise MalformedPageError(f"it is of the bucket {shown(name or '')}")


def check_place(envelope: Envelope, place: Place) -> None:
    """Check the bucket and prefix that a page names, if it does.

    Raises:
        MalformedPageError: it is of another one.
    """
    check_bucket(envelope.name, place)
    if envelope.prefix is not None and in_one_line(place.prefix) not in forms_of(envelope.prefix):
        raise MalformedPageError(f"it is of the prefix {shown(envelope.prefix)}, not of {place.prefix!r}")


def read_page(connection: Connection, walk: "Walk", response: Response) -> Page:
    """Take an answer, and find out what a ``+`` in its keys stands for if the answer does not show it.

    Raises:
        DamagedPageError: the answer contradicts itself, or the ones before.
        IncompleteInventoryError: the listing has failed, and another request would not help.
    """
    try:
        return walk.take(response)
    except AmbiguousPlusError as error:
        plus = settle_plus(connection, error.written)
        if plus is None:
            raise walk.failed(f"{error}, and none of the possible keys exists") from error
        connection.listing_dialect.plus = plus
        return walk.take(response)


class Walk:
    """The state of a walk through one range of keys: which page to request, and what its answer means.

    It sends nothing itself. Its keys are whole keys, prefix included.

    Attributes:
        range: the keys that it is to find; `split` shortens it.
        position: the last key that the server has listed, or the beginning of the range.
        pages: the number of answers taken.
        varying: how many leading characters the keys of the later half of the way have in common.
    """

    def __init__(
        self,
        place: Place,
        key_range: KeyRange,
        max_keys: int = MAX_KEYS,
        headers: Pairs = (),
        dialect: ListingDialect | None = None,
    ) -> None:
        """Describe the walk.

        Args:
            place: the bucket and prefix.
            key_range: in whole keys, prefix included.
            max_keys: keys requested in one page, at most 1,000.
            headers: headers of each request, such as `RESTORE_STATUS`.
            dialect: how the server lists, as far as it is known; the walk adds what it finds out.
        """
        self.range = key_range
        self.position = key_range.after
        self.pages = 0
        self.varying = 0
        self._place = place
        self._max_keys = max_keys
        self._headers = headers
        self._dialect = dialect or ListingDialect()
        self._next = _PageParameter(value=key_range.after)
        self._asked = self._next
        self._empty_pages = 0
        self._keys = 0
        self._passed = ""
        self._first_key: str | None = None
        self._last_key: str | None = None
        self._tokens: set[str] = set()
        self._end: RangeEnd | None = None

    @property
    def has_ended(self) -> bool:
        """Whether every key of the range was listed."""
        return self._end is not None

    @property
    def proof(self) -> RangeProof:
        """The proof that the range was listed completely.

        Raises:
            IncompleteInventoryError: the walk has not ended.
        """
        if self._end is None:
            raise self.incomplete("the walk has not ended")
        return RangeProof(
            range=self.range,
            first_key=self._first_key,
            last_key=self._last_key,
            keys=self._keys,
            pages=self.pages,
            end=self._end,
        )

    def request(self) -> Request:
        """The request for the next page."""
        query = [("encoding-type", "url"), ("max-keys", str(self._max_keys))]
        if self._place.prefix:
            query.append(("prefix", self._place.prefix))
        self._asked = self._next
        if self._dialect.by_marker and self._asked.parameter != "marker":
            self._asked = _PageParameter("marker", self.position)
        if self._asked.value:
            query.append((self._asked.parameter, self._asked.value))
        if self._asked.parameter == "marker":
            return Request("ListObjects", "GET", query=tuple(query), headers=self._headers)
        return Request("ListObjectsV2", "GET", query=(("list-type", "2"), *query), headers=self._headers)

    def take(self, response: Response) -> Page:
        """Take the answer to `request`.

        Returns:
            Its objects that are in the range; there may be none.

        Raises:
            DamagedPageError: the answer contradicts itself, or the ones before. The walk has not moved, and `request`
                is for the same page.
            AmbiguousPlusError: likewise, because it must first be found out what a ``+`` in a key stands for.
            IncompleteInventoryError: the listing never ends.
        """
        try:
            check_length(response)
            answer = parse_answer(response.body, self._dialect.plus)
            if self._is_version_1(answer):
                # Whatever start-after is, it lists the first keys: the page is requested again, by marker.
                return Page(INVENTORY_SCHEMA.empty_table())
            self._check_echo(answer.envelope)
            page = answer.page
            self._check_keys(page)
            position = page.last_key if len(page) else self.position
            end = self._end_at(position, answer.envelope)
            following = self._next if end is not None else self._next_page(answer)
        except AmbiguousPlusError:
            raise
        except UnsupportedListingError as error:
            raise self.failed(str(error)) from error
        except MalformedPageError as error:
            raise DamagedPageError(self._described(f"{error}; {ADVICE}")) from error
        if len(page):
            self._dialect.is_encoding = answer.envelope.is_encoded
        self.pages += 1
        self.position = position
        self._next = following
        self._end = end
        self._empty_pages = 0 if len(page) else self._empty_pages + 1
        if len(page):
            if self.pages & (self.pages - 1) == 0:
                self._passed = page.first_key  # at each power of two: the beginning of the later half of the way
            self.varying = shared_length(self._passed, page.last_key)
        elif end is None and self._empty_pages >= _MOST_EMPTY_PAGES:
            raise self.failed(f"the last {self._empty_pages:,} pages had no key, and announce more")
        until = self.range.until
        if until is not None and position > until:
            page = page.head(count_up_to(page.table.column("key"), until))
        if len(page):
            self._first_key = page.first_key if self._first_key is None else self._first_key
            self._last_key = page.last_key
            self._keys += len(page)
        return page

    def _end_at(self, position: str, envelope: Envelope) -> RangeEnd | None:
        """Why the walk ends with a page up to `position`; None if it continues."""
        until = self.range.until
        if until is not None and position > until:
            return RangeEnd.PASSED_BOUND
        if not envelope.is_truncated:
            return RangeEnd.END_OF_LISTING
        return RangeEnd.PASSED_BOUND if position == until else None

    def split(self, cut: str) -> "Walk":
        """Shorten the range up to `cut`, and return a new walk through the keys after it.

        Args:
            cut: after the walk's position and before the end of its range.
        """
        if not self.position < cut or (self.range.until is not None and not cut < self.range.until):
            raise ValueError(f"{cut!r} is not between {self.position!r} and {self.range.until!r}")
        upper = Walk(
            self._place, KeyRange(after=cut, until=self.range.until), self._max_keys, self._headers, self._dialect
        )
        self.range = KeyRange(after=self.range.after, until=cut)
        return upper

    def failure(self, error: S3RequestError) -> Exception:
        """The error for a page whose request failed."""
        if self.pages == 0 and not self.range.after:
            return bucket_error(error, self._place)
        return self.incomplete(f"it failed: {error}")

    def incomplete(self, problem: str) -> IncompleteInventoryError:
        """The error for a problem with the page that was requested last."""
        return self.failed(f"{problem}; {ADVICE}")

    def failed(self, problem: str) -> IncompleteInventoryError:
        """Likewise, if another run would not help."""
        return IncompleteInventoryError(self._described(problem))

    def _described(self, problem: str) -> str:
        return f"the listing of {self._place.uri} is not complete, page {self.pages + 1}: {problem}"

    def _is_version_1(self, answer: ListingAnswer) -> bool:
        """Whether the server ignored the parameters of ListObjectsV2, as it has only ListObjects (version 1).

        Such a server sends the first page whatever the parameters are. Some answer with their `Marker`; others are
        recognised by a page that begins before `start-after`.
        """
        asked, envelope, page = self._asked, answer.envelope, answer.page
        if asked.parameter != "start-after" or envelope.is_version_2:
            return False
        is_first_page = len(page) > 0 and page.first_key <= asked.value
        if envelope.marker is None and not is_first_page:
            return False
        self._dialect.by_marker = True
        return bool(asked.value)

    def _next_page(self, answer: ListingAnswer) -> _PageParameter:
        """What selects the page after this one."""
        token = answer.envelope.next_token
        if token and self._asked.parameter != "marker":
            if token in self._tokens:
                raise MalformedPageError("the server repeats a continuation token")
            if len(answer.page):
                self._tokens.clear()  # repeated older pages are noticed by their keys
            self._tokens.add(token)
            return _PageParameter("continuation-token", token)
        parameter = "marker" if self._dialect.by_marker else "start-after"
        if len(answer.page):
            # Not the server's NextMarker: it could skip keys.
            return _PageParameter(parameter, answer.page.last_key)
        raise MalformedPageError("it is truncated, but has neither a continuation token nor a key to continue from")

    def _check_echo(self, envelope: Envelope) -> None:
        """Check the parameters that a page repeats against the request.

        A page of a later range, as a broken proxy may return it, would be in order here, and all keys between would be
        missing. Servers repeat the parameters; some do not encode them, some leave them out, and some always repeat
        those of the first page: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
        """
        check_place(envelope, self._place)
        # A server may have a lower limit, and reports it.
        if envelope.max_keys is not None and not 0 < envelope.max_keys <= self._max_keys:
            raise MalformedPageError(f"it is of {envelope.max_keys:,} keys at most, not of {self._max_keys:,}")
        if self._dialect.is_encoding not in (None, envelope.is_encoded):
            raise MalformedPageError("its keys are encoded in another way than those of other pages")
        asked = self._asked
        by_token = asked.parameter == "continuation-token"
        begins = {self.range.after, self.position} if by_token else {asked.value}
        token = {asked.value} if by_token else {""}
        marker = {asked.value} if asked.parameter == "marker" else {"", *begins}
        for said, expected in ((envelope.start_after, begins), (envelope.token, token), (envelope.marker, marker)):
            if said is not None and not forms_of(said) & {in_one_line(text) for text in expected}:
                raise MalformedPageError(
                    f"the server says that it begins after {shown(said)}, not after {shown(asked.value)}"
                )

    def _check_keys(self, page: Page) -> None:
        """Check a page's keys against the request, the page before, and S3's order."""
        if not len(page):
            return
        if len(page) > self._max_keys:
            raise MalformedPageError(f"it has {len(page):,} keys, and {self._max_keys:,} were requested")
        if self.position and page.first_key <= self.position:
            problem = f"it begins with {shown(page.first_key)}, which is not after {shown(self.position)}"
            if self._asked.parameter == "marker":
                raise UnsupportedListingError(
                    "the server supports neither start-after (ListObjectsV2) nor marker (ListObjects), so only its "
                    f"first page can be listed: {problem}"
                )
            raise MalformedPageError(problem)
        if not is_ascending(page.table.column("key")):
            before, after = next(pair for pair in pairwise(page.keys) if pair[0] >= pair[1])
            raise MalformedPageError(f"its keys are not in ascending order: {shown(after)} follows {shown(before)}")
        # All keys between two that begin with the prefix, in order, begin with it too.
        for key in (page.first_key, page.last_key):
            if not key.startswith(self._place.prefix):
                raise MalformedPageError(f"{shown(key)} does not begin with the prefix {self._place.prefix!r}")


def check_length(response: Response) -> None:
    """Check that a page is as long as its Content-Length.

    Raises:
        MalformedPageError: it is not.
    """
    said = response.header("content-length")
    if said is None or response.header("content-encoding") is not None:
        return
    if said.isdecimal() and len(said) < len("10" * 10) and int(said) != len(response.body):
        raise MalformedPageError(f"it has {len(response.body):,} bytes instead of {int(said):,}")
