"""Pairs of versions of both buckets, each with what proves that its contents are equal: the SQL for `pairs`.

A pair is what both histories of a key have in one place: two versions, or two delete markers.
"""

import pyarrow as pa
import pyarrow.compute as pc

from hyve_pipeline.core.base.etags import HEX_ETAG_PATTERN
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.history import DELETE_MARKER, SEPARATOR, length_of
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.proof import How, Unlike
from hyve_pipeline.core.model.ranges import below

# The fields of a leaf.
LEAF = ("key", "place::VARCHAR", "size_text", "source_etag", "store_etag", "checksum")

# How many versions of the store were there before a copy.
BEFORE_SCHEMA = pa.schema([pa.field("key", pa.string()), pa.field("length", pa.int32())])


def before_copies(copies: pa.Table, listed: pa.Table, prefix: str) -> pa.Table:
    """How many versions the store had of each key before this plan copied more, as in `BEFORE_SCHEMA`.

    Args:
        copies: the plan's copies, with ``key`` and ``store_etag``, the digest of what the store had.
        listed: what the store has now, with ``key`` and ``history``; whole keys.
        prefix: what these keys begin with.
    """
    continued = copies.filter(pc.field("store_etag").is_valid())
    digests = dict(zip(*(continued.column(name).to_pylist() for name in ("key", "store_etag")), strict=True))
    wanted = pa.array([prefix + key for key in digests], pa.string())
    rows = listed.filter(pc.field("key").isin(wanted)).select(["key", "history"]) if digests else listed.slice(0, 0)
    keys = [key[len(prefix) :] for key in rows.column("key").to_pylist()]
    histories = zip(keys, rows.column("history").to_pylist(), strict=True)
    lengths = [length_of(history, digests[key]) for key, history in histories]
    return pa.table({"key": keys, "length": lengths}, BEFORE_SCHEMA)


def classification(plan: Plan) -> str:
    """The SQL of one row a pair of versions, with what proves its contents equal, or why it is no pair."""
    listed = ", ".join(
        f"{side} AS (SELECT * FROM (SELECT etag, history, {below(prefix)} AS key FROM {side}_rows) "  # noqa: S608
        "WHERE key >= $first AND ($end IS NULL OR key < $end))"
        for side, prefix in (("source", plan.source.prefix), ("store", plan.store.prefix))
    )
    is_included = Filters.of(plan.options).condition("coalesce(s.key, t.key)")
    sizes, etags = (
        {side: pattern.format(f"{side}_text") for side in ("source", "store")}
        for pattern in (
            f"TRY_CAST(split_part({{0}}, '{SEPARATOR}', 1) AS BIGINT)",
            f"coalesce({{0}}[nullif(instr({{0}}, '{SEPARATOR}'), 0) + 1:], '')",
        )
    )
    # No untrusted text: globs and prefixes are quoted.
    return f"""
        WITH {listed},
        done AS (SELECT key, max_by(etag, number) AS store_etag FROM done_rows GROUP BY key),
        copies AS (
            SELECT key, source_etag, done.store_etag, done.key IS NULL AS is_outdated,
                CASE WHEN copies_rows.store_etag IS NULL THEN 0 ELSE length END AS before
            FROM copies_rows LEFT JOIN done USING (key) LEFT JOIN before_rows USING (key)
        ),
        changes AS (SELECT key, set FROM changes_rows WHERE set IN ('altered', 'skipped')),
        keys AS (
            SELECT
                coalesce(s.key, t.key) AS key,
                s.history AS source_history,
                t.history AS store_history,
                {is_included} AS is_included,
                coalesce(x.set = 'altered', false) AS is_altered,
                coalesce(x.set = 'skipped' OR p.is_outdated, false) AS is_outdated,
                s.etag = '' OR t.etag = '' AS is_unknown,
                -- Digests of histories, as `core.model.history` computes them.
                CASE WHEN s.etag = p.source_etag AND t.etag = p.store_etag THEN p.before END AS copied_from,
                m.store_etag = t.etag
                    AND m.source_etag = md5(array_to_string(s.history[1:len(t.history)], chr(10))) AS is_remembered
            FROM source s FULL OUTER JOIN store t ON s.key = t.key
            LEFT JOIN copies p ON p.key = s.key
            LEFT JOIN changes x ON x.key = coalesce(s.key, t.key)
            LEFT JOIN memory_rows m ON m.key = s.key
        ),
        texts AS (
            SELECT * EXCLUDE (source_history, store_history),
                unnest(source_history) AS source_text,
                unnest(store_history) AS store_text,
                unnest(range(1, 1 + greatest(coalesce(len(source_history), 0), coalesce(len(store_history), 0))))
                    AS place
            FROM keys
        ),
        versions AS (
            SELECT * EXCLUDE (source_text, store_text),
                source_text,
                store_text,
                split_part(coalesce(source_text, store_text), '{SEPARATOR}', 1) AS size_text,
                coalesce({sizes["source"]}, {sizes["store"]}, 0) AS size,
                {etags["source"]} AS source_etag,
                {etags["store"]} AS store_etag
            FROM texts
        ),
        contents AS (
            SELECT key, place, source_etag, store_etag, max_by(how, number) AS how,
                max_by(checksum, number) AS checksum
            FROM contents_rows WHERE place IS NOT NULL GROUP BY ALL
        )
        SELECT v.key, v.place, v.size, v.size_text, v.source_etag, v.store_etag, coalesce(c.checksum, '') AS checksum,
            CASE
                WHEN NOT is_included THEN '{Unlike.EXCLUDED}'
                WHEN store_text IS NULL THEN '{Unlike.ONLY_IN_SOURCE}'
                WHEN source_text IS NULL THEN '{Unlike.ONLY_IN_STORE}'
                WHEN is_altered THEN '{Unlike.ALTERED}'
                WHEN is_unknown THEN '{Unlike.OUTDATED}'
                WHEN split_part(source_text, '{SEPARATOR}', 1) <> split_part(store_text, '{SEPARATOR}', 1)
                    THEN '{Unlike.DIFFERENT_SIZE}'
                WHEN source_text = '{DELETE_MARKER}' THEN '{How.DELETE_MARKER}'
                WHEN c.how IS NOT NULL THEN c.how
                WHEN v.source_etag = v.store_etag AND regexp_full_match(v.source_etag, '{HEX_ETAG_PATTERN}')
                    THEN CASE WHEN contains(v.source_etag, '-') THEN '{How.PARTS_ETAG}' ELSE '{How.MD5_ETAG}' END
                WHEN v.place > copied_from THEN '{How.COPIED}'
                WHEN is_remembered THEN '{How.REMEMBERED}'
                WHEN is_outdated THEN '{Unlike.OUTDATED}'
                ELSE '{How.NOT_PROVED}'
            END AS class
        FROM versions v LEFT JOIN contents c ON c.key = v.key AND c.place = v.place
            AND c.source_etag = v.source_etag AND c.store_etag = v.store_etag"""  # noqa: S608
