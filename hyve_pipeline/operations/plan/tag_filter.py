"""Leaves out objects that do not have the tags of the filter.

No listing has tags, so those of each object are read that would be copied, deleted, repaired or reported.
"""

from collections.abc import Collection
from contextlib import ExitStack

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import rows_with, rows_without, total
from hyve_pipeline.core.base.errors import BucketError, ConfigurationError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import LISTED_SETS, ChangeSet, RangeDiff, rows_of_set
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.runtime.progress import expect, report
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.as_of import connect_source
from hyve_pipeline.operations.requests.in_flight import run_in_flight
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.objects.tags import read_tags
from hyve_pipeline.s3.wire.errors import ObjectChangedError, S3RequestError, bucket_error

# The activity, for progress reports.
READ_TAGS = "read tags"

# Why an object is left out.
_OTHER_TAGS = "has other tags than filter.tag"


class TagFilter:
    """Reads tags with many requests in flight, and leaves out the objects that lack those of the filter.

    The source's object decides. Of what only the store has, the store's own does, unless copies do not get tags.

    Args:
        context: the sync.
        source: the inventory of the source.
        store: that of the store.
        stack: closes the connections.
    """

    def __init__(self, context: SyncContext, source: Inventory, store: Inventory, stack: ExitStack) -> None:
        options = context.settings.options
        self._wanted = set({} if options.filter is None else options.filter.tag.items())
        self._copies_have_tags = options.object_tags != "skip"
        self._source = connect_source(context, source, stack)
        self._store = stack.enter_context(context.connect(store.place))
        self._window = Window(options.concurrency, lambda: self._source.throttled + self._store.throttled)

    def refine(self, found: RangeDiff, sets: Collection[ChangeSet] = LISTED_SETS) -> RangeDiff:
        """Move the objects without these tags from some sets to the excluded ones; their rows are kept.

        Raises:
            BucketError: the tags of an object could not be read.
            ConfigurationError: the source's server has no tags.
        """
        rows = rows_with(found.rows, "set", [name.value for name in sets])
        if not rows.num_rows:
            return found
        left_out: set[str] = set()

        def take(key: str | None) -> None:
            report(READ_TAGS, 1, 0)
            if key is not None:
                left_out.add(key)

        expect(READ_TAGS, rows.num_rows, 0)
        columns = (rows.column(name).to_pylist() for name in ("key", "source_last_modified"))
        # One failure ends it: there will be no plan.
        works = (self._judge(key, is_in_source=written is not None) for key, written in zip(*columns, strict=True))
        run_in_flight(works, self._window, take)
        return _without(found, rows, left_out)

    async def _judge(self, key: str, *, is_in_source: bool) -> str | None:
        """The key if its object is left out, else None."""
        if not is_in_source and not self._copies_have_tags:
            return None
        bucket = self._source if is_in_source else self._store
        whole = bucket.place.key_of(key)
        try:
            tags = await Tries().answer(lambda: read_tags(bucket, whole))
        except ObjectChangedError:
            # It is gone: the next plan has it.
            return key
        except S3RequestError as error:
            reason = f"the tags of {displayed(whole)} are not known, so no plan was made: run it again"
            raise BucketError(f"{bucket_error(error, bucket.place)}; {reason}") from error
        if tags is None and is_in_source:
            reason = "has no tags, so no object could take part: remove it"
            raise ConfigurationError(f"options.filter.tag: the server of {bucket.place.uri} {reason}")
        return None if tags is None or self._wanted <= set(tags) else key


def _without(found: RangeDiff, rows: pa.Table, left_out: set[str]) -> RangeDiff:
    """The range with some of its listed rows as excluded ones."""
    if not left_out:
        return found
    moved = rows_with(rows, "key", sorted(left_out))
    counts = dict(found.counts)
    for name in map(ChangeSet, set(moved.column("set").to_pylist())):
        of_set = rows_with(moved, "set", [name.value])
        counts[name] -= Count(objects=of_set.num_rows, bytes=total(of_set.column("size")))
    excluded = Count(objects=moved.num_rows, bytes=total(moved.column("size")))
    counts[ChangeSet.EXCLUDED] = counts.get(ChangeSet.EXCLUDED, Count()) + excluded
    kept = rows_without(found.rows, "key", left_out)
    rewritten = rows_of_set(moved, ChangeSet.EXCLUDED, [_OTHER_TAGS] * moved.num_rows)
    return RangeDiff(pa.concat_tables([kept, rewritten]).sort_by("key"), counts, found.unchanged)
