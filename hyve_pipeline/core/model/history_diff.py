"""The comparison of two inventories of all versions, one bounded key range at a time.

The store's history of a key must be the beginning of the source's. Then what the source has more is copied, in its
order. A store that has anything else is left as it is: the key is altered.
"""

from hyve_pipeline.core.model.diff import CONTENT_UNKNOWN
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.history import DELETE_MARKER, SEPARATOR
from hyve_pipeline.core.model.memory import INTERRUPTED
from hyve_pipeline.core.model.range_differ import JOINED_SIDES, LAST_INTERRUPTED, SIDE_COLUMNS, RangeDiffer, side_ranges

# The reasons of keys whose store has versions that are not known to be the first ones of the source.
UNPROVED_REASONS = (CONTENT_UNKNOWN, LAST_INTERRUPTED, "undone")

# The end of the reason of a key whose object is there in the store, and is to be hidden by a delete marker.
HIDDEN = ", deleted there"

# The reason of a key whose history is not known.
UNKNOWN_ORDER = "the order or the ETag of a version is not known"


class HistoryDiffer(RangeDiffer):
    """Compares ranges of two inventories of all versions, as `core.model.object_diff.Differ` does those of objects.

    Their rows are as in `core.model.history.HISTORY_SCHEMA`; the ETags of the memory are digests of histories.

    Args:
        filters: the globs of the sync.
        source_prefix: the prefix to remove from the source's keys.
        store_prefix: the prefix to remove from the store's keys.
    """

    def __init__(self, filters: Filters, *, source_prefix: str = "", store_prefix: str = "") -> None:
        super().__init__(_classification(filters, {"source": source_prefix, "store": store_prefix}))


def _classification(filters: Filters, prefixes: dict[str, str]) -> str:
    # What `core.model.history.digests` computes.
    digest = "md5(array_to_string(s.history[1:t.length], chr(10)))"
    kinds = f"[split_part(text, '{SEPARATOR}', 1) for text in {{}}]"
    more = "(s.length - t.length) || ' more in the source'"
    return f"""
        WITH {side_ranges(prefixes, "*, len(history) AS length")},
        joined AS (
            SELECT
                coalesce(s.relative, t.relative) AS key,
                coalesce(t.length, 0) AS there,
                -- Whether the store's history is known to be the beginning of the source's.
                t.history = s.history[1:t.length]
                    OR coalesce(m.store_etag = t.etag AND m.source_etag = {digest}, false) AS is_beginning,
                CASE
                    WHEN s.relative IS NULL THEN 'the source has no version of it'
                    WHEN t.relative IS NULL THEN 'missing in store'
                    WHEN t.length > s.length THEN 'the store has ' || (t.length - s.length) || ' versions more'
                    WHEN {kinds.format("t.history")} <> {kinds.format("s.history[1:t.length]")}
                        THEN 'the store has another version than the source'
                    WHEN NOT is_beginning AND s.length = t.length AND m.source_etag = s.etag AND m.store_etag <> t.etag
                        THEN 'the store has another version than was copied'
                END AS difference,
                s.etag = '' OR t.etag = '' AS is_unknown,
                s.relative IS NULL OR (t.relative IS NOT NULL AND difference IS NOT NULL) AS is_altered,
                CASE
                    WHEN m.source_etag = '{INTERRUPTED}' THEN '{LAST_INTERRUPTED}'
                    WHEN s.relative IN (SELECT key FROM undone_rows) THEN 'undone'
                    WHEN NOT is_beginning THEN '{CONTENT_UNKNOWN}'
                    WHEN s.length > t.length THEN {more} || CASE
                        WHEN s.history[-1] = '{DELETE_MARKER}' AND t.history[-1] <> '{DELETE_MARKER}'
                        THEN '{HIDDEN}' ELSE '' END
                END AS missing,
                len([place for place in s.archived if place > there]) > 0 AS is_archived,
                -- What is to be copied; of a key that is left as it is, what is there.
                CASE WHEN is_altered THEN t.size
                    ELSE list_sum([
                        split_part(text, '{SEPARATOR}', 1)::BIGINT
                        for text in s.history[there + 1:] if text <> '{DELETE_MARKER}'
                    ]) END AS bytes,
                s.size AS source_size,
                {SIDE_COLUMNS}
            FROM {JOINED_SIDES}
        ),
        classified AS (SELECT
            * EXCLUDE (
                difference, missing, is_altered, is_unknown, is_archived, is_beginning, there, bytes, source_size
            ),
            CASE
                WHEN NOT ({filters.condition("key")}) THEN 'excluded'
                WHEN coalesce(is_unknown, false) THEN 'skipped'
                WHEN is_altered THEN 'altered'
                WHEN store_etag IS NOT NULL AND missing IS NULL THEN 'unchanged'
                WHEN is_archived THEN 'skipped'
                WHEN store_etag IS NULL THEN 'new'
                ELSE 'modified'
            END AS set,
            CASE WHEN set IN ('unchanged', 'excluded') THEN coalesce(source_size, store_size)
                ELSE coalesce(bytes, 0) END AS size,
            CASE
                WHEN coalesce(is_unknown, false) THEN '{UNKNOWN_ORDER}'
                WHEN set = 'skipped' THEN 'a version is archived'
                ELSE coalesce(difference, missing, '')
            END AS reason
        FROM joined)"""  # noqa: S608 - the condition quotes its globs, the rest is fixed text
