"""The comparison of two inventories of objects, by one rule."""

from collections.abc import Mapping
from datetime import UTC, datetime

from hyve_pipeline.core.base.etags import HEX_ETAG_PATTERN, differing_etags
from hyve_pipeline.core.model.diff import (
    ALTERED_REASON,
    ARCHIVED_CLASSES,
    CONTENT_UNKNOWN,
    NEWER,
    NO_ETAG,
    PLAIN_MD5_PATTERN,
    ChangeSet,
)
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.memory import INTERRUPTED
from hyve_pipeline.core.model.range_differ import JOINED_SIDES, LAST_INTERRUPTED, SIDE_COLUMNS, RangeDiffer, side_ranges
from hyve_pipeline.core.settings.options import CompareRule

# The rules of modification; their results are the reasons in the plan. Null means unchanged. `s` is the source's row
# and `t` the store's.
_ETAGS_DIFFER = differing_etags("s.etag", "t.etag")
_MODIFIED_REASON: dict[CompareRule, str] = {
    "last_modified": f"""CASE
        WHEN s.size <> t.size THEN 'size differs'
        WHEN s.last_modified > t.last_modified THEN 'source is newer'
        WHEN s.last_modified = t.last_modified AND {_ETAGS_DIFFER} THEN 'same time, ETag differs' END""",
    "size": "CASE WHEN s.size <> t.size THEN 'size differs' END",
    "etag": f"""CASE
        WHEN regexp_matches(s.etag, {PLAIN_MD5_PATTERN}) AND regexp_matches(t.etag, {PLAIN_MD5_PATTERN})
            THEN CASE WHEN {_ETAGS_DIFFER} THEN 'ETag differs' END
        WHEN s.size <> t.size THEN 'size differs'
        WHEN s.last_modified > t.last_modified THEN 'source is newer' END""",
    # Equal ETags of multipart uploads are of equal parts; different ones say nothing.
    "content": f"""CASE
        WHEN s.size <> t.size THEN 'size differs'
        WHEN regexp_matches(s.etag, {PLAIN_MD5_PATTERN}) AND regexp_matches(t.etag, {PLAIN_MD5_PATTERN})
            THEN CASE WHEN {_ETAGS_DIFFER} THEN 'ETag differs' END
        WHEN {_ETAGS_DIFFER} OR NOT regexp_full_match(s.etag, '{HEX_ETAG_PATTERN}') THEN '{CONTENT_UNKNOWN}' END""",
}


class Differ(RangeDiffer):
    """Compares ranges of two inventories by one rule and one set of filters.

    Args:
        rule: the rule by which an object counts as modified.
        filters: what the sync includes; tags are not compared here.
        source_prefix: the prefix to remove from the source's keys.
        store_prefix: the prefix to remove from the store's keys.
        compared: the time of the comparison, after which a restored object must still be readable; by default now.
        source_as_of: what the store has of a later time is not deleted, though the source lacks it: the time of the
            report that the source's rows are from. None for a listing.
        gives_unchanged: whether to return the rows of unchanged objects too.
        overwrites_altered: whether altered objects count as modified.
    """

    def __init__(
        self,
        rule: CompareRule,
        filters: Filters,
        *,
        source_prefix: str = "",
        store_prefix: str = "",
        compared: datetime | None = None,
        source_as_of: datetime | None = None,
        gives_unchanged: bool = False,
        overwrites_altered: bool = False,
    ) -> None:
        prefixes = {"source": source_prefix, "store": store_prefix}
        altered = ChangeSet.MODIFIED if overwrites_altered else ChangeSet.ALTERED
        super().__init__(
            _classification(rule, filters, prefixes, altered),
            {"compared": compared or datetime.now(UTC), "as_of": source_as_of},
            "set = 'unchanged' AND NOT is_archived AND NOT is_archived_in_store" if gives_unchanged else None,
        )


# What is remembered of a key, `m`, goes before the rule, where the listing gives the ETags that it takes.
_REMEMBERED_REASON = f"""
                    WHEN m.source_etag = '{INTERRUPTED}' THEN '{LAST_INTERRUPTED}'
                    WHEN s.etag <> '' AND (s.size <> m.size OR {differing_etags("s.etag", "m.source_etag")})
                        THEN 'source changed since it was copied'
                    WHEN s.etag <> '' AND t.etag <> '' AND m.store_etag IS NOT NULL THEN
                        CASE WHEN t.size <> m.size OR {differing_etags("t.etag", "m.store_etag")}
                            THEN '{ALTERED_REASON}' END"""


def _classification(rule: CompareRule, filters: Filters, prefixes: Mapping[str, str], altered: ChangeSet) -> str:
    archived = ", ".join(f"'{name}'" for name in ARCHIVED_CLASSES)
    return f"""
        WITH {side_ranges(prefixes)},
        joined AS (
            SELECT
                coalesce(s.relative, t.relative) AS key,
                CASE
                    WHEN t.relative IS NULL THEN 'missing in store'
                    WHEN s.relative IS NULL THEN 'missing in source'
                    WHEN s.relative IN (SELECT key FROM undone_rows) THEN 'undone'{_REMEMBERED_REASON}
                    ELSE {_MODIFIED_REASON[rule]}
                END AS difference,
                s.storage_class IN ({archived}) AND coalesce(s.restored_until <= $compared, true) AS is_archived,
                t.storage_class IN ({archived}) AS is_archived_in_store,
                coalesce(s.etag = '', false) AS lacks_source_etag,
                coalesce(t.etag = '', false) AS lacks_store_etag,
                s.relative IS NULL AS only_in_store,
                coalesce(only_in_store AND t.last_modified >= $as_of::TIMESTAMPTZ, false) AS is_newer,
                t.relative IS NULL AS only_in_source,
                {filters.passes("s", "t", "s.relative IS NOT NULL")} AS passes,
                coalesce(s.size, t.size) AS size,
                {SIDE_COLUMNS}
            FROM {JOINED_SIDES}
        ),
        classified AS (SELECT
            * EXCLUDE (
                difference, is_newer, only_in_store, only_in_source, lacks_source_etag, lacks_store_etag, passes
            ),
            CASE
                WHEN NOT ({filters.condition("key")}) OR passes IS NOT TRUE THEN 'excluded'
                WHEN difference IS NULL THEN 'unchanged'
                WHEN difference = '{ALTERED_REASON}' AND '{altered}' = 'altered' THEN 'altered'
                WHEN lacks_source_etag OR lacks_store_etag OR is_newer THEN 'skipped'
                WHEN only_in_store THEN 'duplicate'
                WHEN is_archived THEN 'skipped'
                WHEN only_in_source THEN 'new'
                ELSE 'modified'
            END AS set,
            CASE
                WHEN lacks_source_etag THEN '{NO_ETAG} in the source''s listing, ' || difference
                WHEN lacks_store_etag THEN '{NO_ETAG} in the store''s listing, ' || difference
                WHEN is_newer THEN '{NEWER}, ' || difference
                WHEN is_archived THEN 'archived as ' || storage_class || ', ' || difference
            END AS hindrance,
            coalesce(hindrance, difference, '') AS reason
        FROM joined)"""  # noqa: S608 - the condition quotes its globs, the rest is fixed text
