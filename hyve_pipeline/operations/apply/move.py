"""Copies an object that has only moved within the store, from the key where the store still has its bytes.

The store's object must be the planned one, and is proved to have the content of the source's. The copy gets the
properties of the source's object, not those of the store's. Where any of that fails, the object is copied as any other.
"""

from dataclasses import replace

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import SortedRows
from hyve_pipeline.operations.requests.copy_route import CopyRoute, is_unknown_operation
from hyve_pipeline.operations.requests.object_properties import read_carried
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.server_abilities import COPIES
from hyve_pipeline.s3.objects.acl import read_grants
from hyve_pipeline.s3.objects.annotations import AnnotationsOf
from hyve_pipeline.s3.objects.pinned_write import StoreChangedError
from hyve_pipeline.s3.objects.properties import ObjectProperties
from hyve_pipeline.s3.objects.source_responses import CopyResult
from hyve_pipeline.s3.wire.checksums import PLAIN_MD5
from hyve_pipeline.s3.wire.errors import ObjectChangedError, ObjectUnreadableError, S3RequestError


class Moves:
    """The objects of a shard that have only moved.

    Args:
        context: the sync.
        plan: the plan.
        shard: one of its shards of copies.
        source: the source.
        store: the store.
        route: how objects are written.

    Raises:
        StateError: the plan's file of moves is missing or damaged.
    """

    def __init__(
        self, context: SyncContext, plan: Plan, shard: Shard, source: Connection, store: Connection, route: CopyRoute
    ) -> None:
        self._source = source
        self._store = store
        self._route = route
        # By whole key of the source: the store's whole key, and its ETag.
        self._from: dict[str, tuple[str, str]] = {}
        self._made: set[str] = set()
        with SortedRows(context.state, plan.moves) as rows:
            found = rows.read(RelativeRange(shard.first_key, shard.last_key + "\0"))
        for key, store_key, etag in zip(*(column.to_pylist() for column in found.columns), strict=True):
            if shard.first_key <= key <= shard.last_key:
                self._from[source.place.key_of(key)] = store.place.key_of(store_key), etag

    def has(self, source_key: str) -> bool:
        """Whether an object has only moved, by the plan."""
        return source_key in self._from

    def explain(self, source_key: str) -> str | None:
        """For the journal: where an object was copied from within the store; None if it was not."""
        return f"copied within the store, from {self._from[source_key][0]}" if source_key in self._made else None

    async def copy(self, task: CopyTask, tries: Tries) -> CopyResult | None:
        """Copy an object within the store.

        Returns:
            None if it must be copied as any other, and nothing was written.

        Raises:
            StoreChangedError: the store has an object there already.
            ObjectChangedError: the source's object is no longer the planned one.
            S3RequestError: another failure; with `written`, if something else is there now.
        """
        found = self._from.get(task.source_key)
        if found is None or self._store.abilities.lacks(COPIES):
            return None
        key, etag = found
        rules = task.rules
        wanted = await read_carried(self._source, task.source_key, task.source_etag, rules, tries)
        try:
            there = await read_carried(self._store, key, etag, rules, tries)
        except (ObjectChangedError, ObjectUnreadableError):
            return None
        if not _have_one_content(wanted.properties, there.properties):
            return None
        grants = ()
        if rules.copies_grants:
            grants = await tries.answer(lambda: read_grants(self._source, task.source_key))
        annotations = None
        if wanted.md5s or there.md5s:
            # None, where the source's server has none: CopyObject would take those of the store's object.
            annotations = wanted.annotations or AnnotationsOf(self._source, task.source_key, ())
        # Checksums and ETag are those of the store's object, all other properties those of the source's.
        carried = replace(
            there.properties,
            headers=wanted.properties.headers,
            storage_class=wanted.properties.storage_class,
            tags=wanted.tags,
            grants=grants,
            annotations=annotations,
            lock=wanted.properties.lock,
        )
        within = task._replace(source_key=key, source_etag=etag)
        try:
            result = await tries.answer(lambda: self._route.rewrite(within, carried))
        except StoreChangedError:
            raise
        except S3RequestError as error:
            if isinstance(error, ObjectChangedError | ObjectUnreadableError) or is_unknown_operation(error):
                return None
            raise
        self._made.add(task.source_key)
        return result._replace(source_version_id=wanted.properties.version_id)


def _have_one_content(one: ObjectProperties, other: ObjectProperties) -> bool:
    """Whether two objects are proved to have one content: by an ETag that is an MD5 on both sides, or a checksum."""
    if one.is_etag_md5 and other.is_etag_md5 and PLAIN_MD5.fullmatch(one.etag) and same_etag(one.etag, other.etag):
        return True
    if not (one.checksums.is_of_whole and other.checksums.is_of_whole):
        return False
    return any(other.checksums.values.get(name) == value for name, value in one.checksums.values.items())
