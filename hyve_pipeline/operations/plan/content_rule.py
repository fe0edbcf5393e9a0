"""The rule ``content``: compares the objects that ETags can't decide by checksum, else by reading both."""

from contextlib import ExitStack
from dataclasses import replace

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import rows_with, rows_without, total
from hyve_pipeline.core.base.errors import BucketError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import CONTENT_UNKNOWN, ChangeSet, RangeDiff, rows_of_set
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.runtime.progress import expect, report
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.as_of import connect_source
from hyve_pipeline.operations.requests.contents import COMPARE_CONTENT, ContentPair, Contents
from hyve_pipeline.operations.requests.in_flight import run_in_flight
from hyve_pipeline.s3.wire.errors import ObjectChangedError, ObjectUnreadableError, S3RequestError, bucket_error

_DIFFERS = "content differs"
_UNREADABLE = "content can't be read now"
_CHANGED = "changed since it was listed"


class ContentRule:
    """Decides what the comparison by ETags left open, with several objects at a time.

    Args:
        context: the sync.
        source: the inventory of the source.
        store: that of the store.
        stack: closes the connections.
        reads: whether objects are read that checksums can't decide; else their reason stays `CONTENT_UNKNOWN`.
    """

    def __init__(
        self,
        context: SyncContext,
        source: Inventory,
        store: Inventory,
        stack: ExitStack,
        *,
        reads: bool = True,
    ) -> None:
        self._source = connect_source(context, source, stack)
        self._contents = Contents(self._source, stack.enter_context(context.connect(store.place)), reads=reads)

    def refine(self, found: RangeDiff) -> RangeDiff:
        """Move the objects of equal content from the modified ones to the unchanged ones, and say why others are not.

        Raises:
            BucketError: a request failed for good, so that an object could not be compared.
        """
        open_rows = rows_with(rows_with(found.rows, "set", ["modified"]), "reason", [CONTENT_UNKNOWN])
        if not open_rows.num_rows:
            return found
        reasons: dict[str, str | None] = {}

        def take(judged: tuple[ContentPair, str | None]) -> None:
            pair, reason = judged
            report(COMPARE_CONTENT, 1, pair.size)
            reasons[pair.key] = reason

        expect(COMPARE_CONTENT, open_rows.num_rows, total(open_rows.column("size")))
        columns = (open_rows.column(name).to_pylist() for name in ("key", "size", "source_etag", "store_etag"))
        # One failure ends it: there will be no plan.
        run_in_flight((self._judge(pair) for pair in map(ContentPair, *columns)), self._contents.window, take)
        return _decided(found, open_rows, reasons)

    async def _judge(self, pair: ContentPair) -> tuple[ContentPair, str | None]:
        """The pair, and why it is modified; None if it is not."""
        try:
            found = await self._contents.compare(pair)
        except ObjectChangedError:
            return pair, _CHANGED
        except ObjectUnreadableError:
            return pair, _UNREADABLE
        except S3RequestError as error:
            reason = f"the content of {displayed(pair.key)} is not known, so no plan was made: run it again"
            raise BucketError(f"{bucket_error(error, self._source.place)}; {reason}") from error
        if found is None:
            return pair, CONTENT_UNKNOWN
        return pair, None if found.is_equal else _DIFFERS


def _decided(found: RangeDiff, open_rows: pa.Table, reasons: dict[str, str | None]) -> RangeDiff:
    """The range with the open rows decided: without a reason they are unchanged."""
    equal = [key for key, reason in reasons.items() if reason is None]
    modified = rows_without(open_rows, "key", equal)
    said = [reasons[key] or "" for key in modified.column("key").to_pylist()]
    others = rows_without(found.rows, "key", reasons.keys())
    rows = pa.concat_tables([others, rows_of_set(modified, ChangeSet.MODIFIED, said)]).sort_by("key")
    if not equal:
        return replace(found, rows=rows)
    moved = rows_with(open_rows, "key", equal)
    moved = rows_of_set(moved, ChangeSet.UNCHANGED, [""] * moved.num_rows)
    count = Count(objects=moved.num_rows, bytes=total(moved.column("size")))
    unchanged = found.counts.get(ChangeSet.UNCHANGED, Count()) + count
    counts = {
        **found.counts,
        ChangeSet.MODIFIED: found.counts[ChangeSet.MODIFIED] - count,
        ChangeSet.UNCHANGED: unchanged,
    }
    return RangeDiff(rows, counts, pa.concat_tables([found.unchanged, moved]).sort_by("key"))
