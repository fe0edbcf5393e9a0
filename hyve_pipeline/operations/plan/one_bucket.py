"""Detects from their listings whether source and store are one bucket under two names; nothing is written.

Names of servers do not show that: a proxy, a second host name or a forwarded port are other names. But whole keys,
prefix included, with their ETags and times do: another bucket's object was written at another time.

Inventories of some keys have each object under one name alone, where source and store name it differently. So some of
their objects are looked at in the other bucket, too, under the name that they have in their own.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.ranges import RangeDatabase, RelativeRange, below, cut_ranges
from hyve_pipeline.core.model.safety_rules import SharedKeys
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.core.settings.mapping import MappingRule, key_mapping
from hyve_pipeline.core.settings.places import AWS, Place
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import open_inventory
from hyve_pipeline.s3.wire.errors import naming_bucket
from hyve_pipeline.state.files import Folder

# So many keys in both listings suffice, where none of them can be planned to be deleted.
_ENOUGH = 100_000

# So many objects of each side are looked at in the other bucket, and as many of those that a plan could delete or
# overwrite: if it is the same bucket, each of them is there.
_MOST_LOOKED_AT = 50

# The suffix of aliases of access points, which are second names of buckets on AWS.
_ALIAS = "-s3alias"

_COLUMNS = ["key", "etag", "last_modified"]


def find_shared_keys(context: SyncContext, source: Inventory, store: Inventory) -> SharedKeys | None:
    """The evidence of two listings whether they are of one bucket.

    Args:
        context: the sync.
        source: the inventory of the source, with the keys that were listed; if it is of some keys, with those of plans.
        store: that of the store, likewise.

    Returns:
        The whole keys that can be in both, and how many agree; None where the names alone show that there are two
        buckets, or no key can be in both.

    Raises:
        StateError: an inventory's file is damaged or can't be read.
        BucketError: a bucket can't be reached, where inventories are of some keys.
        IncompleteInventoryError: a bucket did not say of a key whether it is there, likewise.
    """
    ours, theirs = source.place, store.place
    longer = max(ours.prefix, theirs.prefix, key=len)
    has_alias = ours.server == theirs.server == AWS and any(place.bucket.endswith(_ALIAS) for place in (ours, theirs))
    if ours.server == theirs.server and ours.bucket != theirs.bucket and not has_alias:
        return None
    if not (longer.startswith(ours.prefix) and longer.startswith(theirs.prefix)):
        return None
    filters, rules = Filters.of(context.settings.options), context.settings.mapping
    if source.named is not None and (rules or ours.prefix != theirs.prefix):
        keys, same, planned, example = _looked_at(context, source, store, longer, filters)
    else:
        with _Comparison(context.state, source, store, longer, filters, rules) as comparison:
            keys, same, planned, example = comparison.counted(context.bounds.range_rows)
    found = SharedKeys(
        keys=keys,
        same=same,
        planned=planned,
        example=example,
        has_one_name=has_alias or ours.bucket == theirs.bucket,
        # Of some keys each is looked at by a request of its own: one bucket may differ from itself.
        were_apart=_were_apart(context, ours, theirs) or (source.named is None and 0 < keys >= same * 2),
    )
    if example is not None and found.are_one_bucket and _are_two(context, ours, theirs, example):
        return found.model_copy(update={"planned": 0, "were_apart": True})
    return found


def _looked_at(
    context: SyncContext, source: Inventory, store: Inventory, prefix: str, filters: Filters
) -> tuple[int, int, int, str | None]:
    """As `_Comparison.counted`, of some objects of inventories that are of some keys; each is looked at on both sides.

    Raises:
        BucketError, IncompleteInventoryError: a bucket did not answer.
    """
    # Imported late: commands that only read plans need no S3 library.
    from hyve_pipeline.operations.inventory.object_rows import rows_of_keys

    below_store = len(store.place.prefix)
    # By whole keys, whether the plan could delete or overwrite them though the source has them for another object.
    chosen: dict[str, bool] = {}
    for inventory in (source, store):
        left = {True: _MOST_LOOKED_AT, False: _MOST_LOOKED_AT}
        for key in _keys_in_bucket(context, inventory):
            if not any(left.values()):
                break
            if key.startswith(prefix):
                is_other = _is_other(key, source.place.prefix, store.place.prefix, context.settings.mapping)
                could_be_planned = is_other and filters.matches(key[below_store:])
                if left[could_be_planned]:
                    left[could_be_planned] -= 1
                    chosen[key] = could_be_planned
    found: list[dict[str, dict[str, Any] | None]] = []
    for place in (source.place, store.place):
        with context.connect(place) as connection, naming_bucket(place):
            found.append(rows_of_keys(connection, sorted(chosen), context.settings.options.concurrency))
    ours, theirs = found
    there = [key for key, row in ours.items() if row is not None or theirs[key] is not None]
    same = [key for key in there if _identity(ours[key]) == _identity(theirs[key])]
    return len(there), len(same), sum(chosen[key] for key in same), next(iter(same), None)


def _keys_in_bucket(context: SyncContext, inventory: Inventory) -> Iterator[str]:
    """The whole keys that the objects of an inventory have in their bucket."""
    prefix = inventory.place.prefix
    with open_inventory(context.state, inventory, ["key"]) as rows:
        for key_range in cut_ranges(rows.chunks, context.bounds.range_rows):
            for key in rows.read(key_range).column("key").to_pylist():
                yield inventory.place.key_of(key[len(prefix) :])


def _identity(row: dict[str, Any] | None) -> tuple[str, datetime] | None:
    return None if row is None else (row["etag"], row["last_modified"])


def _is_other(key: str, source_prefix: str, store_prefix: str, rules: tuple[MappingRule, ...]) -> bool:
    """Whether the store has a whole key, by prefix or mapping, for another whole key of the source."""
    if not rules:
        return source_prefix != store_prefix
    found = key_mapping(rules).to_source(key[len(store_prefix) :])
    return found is not None and source_prefix + found != key


def _were_apart(context: SyncContext, source: Place, store: Place) -> bool:
    """Whether an earlier plan of the same places found them to differ, which two listings of one bucket can't.

    Otherwise a small store that was filled in the same second as its source would count as the same bucket, where times
    have whole seconds.
    """
    try:
        earlier = context.plans.newest()
    except StateError:
        return False
    if earlier is None or earlier.figures.shared is None or not earlier.figures.shared.were_apart:
        return False
    return earlier.source.is_same_place(source) and earlier.store.is_same_place(store)


def _are_two(context: SyncContext, source: Place, store: Place, key: str) -> bool:
    """Whether requests show that an object on which both listings agree is not the same on both sides."""
    # Imported late: commands that only read plans need no S3 library.
    from hyve_pipeline.s3.objects.identity import are_two_objects

    with context.connect(source) as one, context.connect(store) as other:
        return are_two_objects(one, other, key)


class _Comparison(Closing):
    """Compares two inventories by whole keys, of those that can be in both.

    Args:
        state: the sync's state.
        source, store: the inventories.
        prefix: the longer one of their prefixes, which all these keys have.
        filters: the globs of the sync.
        rules: those of its mapping.
    """

    def __init__(
        self,
        state: Folder,
        source: Inventory,
        store: Inventory,
        prefix: str,
        filters: Filters,
        rules: tuple[MappingRule, ...],
    ) -> None:
        self._database = RangeDatabase()
        self._readers = [open_inventory(state, inventory, _COLUMNS) for inventory in (source, store)]
        # The part of the longer prefix after each side's own, which the keys of that side's ranges begin with.
        self._between = [prefix[len(inventory.place.prefix) :] for inventory in (source, store)]
        # Where all whole keys stay as they are, what is in both is never deleted. Otherwise what is excluded is not.
        self._rules = rules
        self._source_prefix, self._store_prefix = source.place.prefix, store.place.prefix
        self._keeps_keys = not any(self._between) and not rules
        planned = "false" if self._keeps_keys else f"t.is_other AND {filters.condition('t.relative')}"
        sides = ", ".join(
            f"{name} AS (SELECT {below(prefix)} AS rest, {below(inventory.place.prefix)} AS relative, etag, "  # noqa: S608
            f"last_modified, {is_other} FROM {name}_rows WHERE starts_with(key, $prefix) AND {below(prefix)} >= $first "
            f"AND ($end IS NULL OR {below(prefix)} < $end))"
            for name, inventory, is_other in (("source", source, "NULL"), ("store", store, "is_other"))
        )
        # No untrusted text: the filters quote theirs, and of prefixes only the length is used.
        self._query = f"""
            WITH {sides}, joined AS (
                SELECT coalesce(s.rest, t.rest) AS rest,
                    coalesce(s.etag = t.etag AND s.last_modified = t.last_modified, false) AS is_same,
                    coalesce({planned}, false) AS is_planned
                FROM source AS s FULL OUTER JOIN store AS t ON s.rest = t.rest
            )
            SELECT count(*), count(*) FILTER (is_same), count(*) FILTER (is_same AND is_planned),
                min(rest) FILTER (is_same) FROM joined"""  # noqa: S608
        self._prefix = prefix

    def counted(self, range_rows: int) -> tuple[int, int, int, str | None]:
        """How many keys there are, how many agree, how many of these are to be deleted, and the first that agrees."""
        keys = same = planned = 0
        example: str | None = None
        chunks = [
            (key[len(between) :], rows)
            for reader, between in zip(self._readers, self._between, strict=True)
            for key, rows in reader.chunks
            if key.startswith(between)
        ]
        for key_range in cut_ranges(chunks, range_rows):
            found = self._compare(key_range)
            keys, same, planned = keys + found[0], same + found[1], planned + found[2]
            example = example if example is not None or found[3] is None else self._prefix + found[3]
            if self._keeps_keys and keys >= _ENOUGH:
                break
        return keys, same, planned, example

    def _compare(self, key_range: RelativeRange) -> tuple[int, int, int, str | None]:
        tables = {
            name: reader.read(_side_range(between, key_range))
            for name, reader, between in zip(("source_rows", "store_rows"), self._readers, self._between, strict=True)
        }
        listed = tables["store_rows"]
        tables["store_rows"] = listed.append_column("is_other", self._are_others(listed.column("key")))
        bounds = {"prefix": self._prefix, "first": key_range.first, "end": key_range.end}
        with self._database.showing(tables) as connection:
            (found,) = connection.execute(self._query, bounds).fetchall()
        return found

    def _are_others(self, keys: pa.ChunkedArray) -> pa.Array:
        if not self._rules:
            return pa.repeat(pa.scalar(self._source_prefix != self._store_prefix), len(keys))
        prefixes = self._source_prefix, self._store_prefix
        return pa.array([_is_other(key, *prefixes, self._rules) for key in keys.to_pylist()], pa.bool_())

    def close(self) -> None:
        """Close the files and the database."""
        self._database.close()
        for reader in self._readers:
            reader.close()


def _side_range(between: str, key_range: RelativeRange) -> RelativeRange:
    """A range of keys without the longer prefix, as one of keys without a side's own prefix."""
    if key_range.end is not None:
        end = between + key_range.end
    else:
        # The first key after all that begin with it: prefixes end with a slash.
        end = between[:-1] + chr(ord("/") + 1) if between else None
    return RelativeRange(between + key_range.first, end)
