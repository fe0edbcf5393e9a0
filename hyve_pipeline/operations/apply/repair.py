"""Repairs an object that is equal in content and differs in headers, metadata, tags, annotations or storage class."""

from dataclasses import dataclass, replace

from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.planned_object import PlannedObject
from hyve_pipeline.core.model.property_drift import ANNOTATIONS, LOCK, STORAGE_CLASS, TAGS, WEBSITE_REDIRECT, drift
from hyve_pipeline.operations.requests.copy_route import CopyRoute
from hyve_pipeline.operations.requests.object_properties import (
    WholeProperties,
    ignored_by,
    read_carried,
    read_counted_tags,
)
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.server_abilities import storage_class_ability
from hyve_pipeline.s3.objects.acl import read_grants
from hyve_pipeline.s3.objects.carry_annotations import carry_annotations
from hyve_pipeline.s3.objects.object_lock import put_lock
from hyve_pipeline.s3.objects.properties import REDIRECT, ObjectProperties
from hyve_pipeline.s3.objects.tags import put_tags


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair left in the store.

    Attributes:
        etag: the object's ETag without quotes.
        version_id: its version, where the repair made a new one.
        source_version_id: the version of the source's object that it is like now, or None.
        had_drifted: False where nothing differed any more, so that nothing was done.
        condition_ignored: the server rewrote another object than the planned one, since it ignores the condition.
        lost: what the object still lacks, since the store refuses it.
    """

    etag: str
    version_id: str | None = None
    source_version_id: str | None = None
    had_drifted: bool = True
    condition_ignored: bool = False
    lost: tuple[str, ...] = ()


async def repair_object(
    source: Connection, store: Connection, route: CopyRoute, row: PlannedObject, tries: Tries
) -> Repaired:
    """Give the store's object the properties of the source's, as far as they are compared; the others stay.

    Both are read again, as they may have changed since the plan.

    Args:
        source: the source.
        store: the store.
        route: how the objects of the shard are treated.
        row: the object, as the plan has it.
        tries: counts repeated requests.

    Raises:
        ObjectChangedError: one of the two is no longer the planned one.
        ObjectUnreadableError: one of the two can't be read now.
        S3RequestError: another failure.
    """
    source_key, store_key = source.place.key_of(row.key), store.place.key_of(row.key)
    wanted = await read_carried(source, source_key, row.source_etag or "", route.rules, tries)
    found = await read_carried(store, store_key, row.store_etag or "", route.rules, tries)
    ignored = ignored_by(route.rules)
    names = drift(wanted.carried, found.carried, ignored)
    if not names:
        return Repaired(found.properties.etag, source_version_id=wanted.properties.version_id, had_drifted=False)
    done = await _put_alone(store, store_key, names, wanted, found, tries)
    if done is not None:
        return done
    grants = await tries.answer(lambda: read_grants(source, source_key)) if route.rules.copies_grants else ()
    tags = found.tags if wanted.tags is None else wanted.tags
    if TAGS in ignored:
        tags = await read_counted_tags(store, store_key, found.properties, tries)
    carried = replace(
        _with_headers_of(wanted.properties, found.properties, ignored),
        tags=tags,
        grants=grants,
        annotations=wanted.annotations if wanted.md5s or found.md5s else None,
    )
    # Each property is decided: what the options say of copies must not replace one that stays.
    kept_tags = "copy" if TAGS in ignored else route.rules.tags
    rules = replace(route.rules, storage_class="source", tags=kept_tags, annotations=None)
    task = CopyTask(store_key, store_key, row.size, row.store_etag or "", rules=rules, store_etag=row.store_etag)
    result = await tries.answer(lambda: route.rewrite(task, carried))
    return Repaired(
        result.etag,
        result.version_id,
        wanted.properties.version_id,
        condition_ignored=result.condition_ignored,
        lost=result.lost,
    )


async def _put_alone(
    store: Connection,
    store_key: str,
    names: tuple[str, ...],
    wanted: WholeProperties,
    found: WholeProperties,
    tries: Tries,
) -> Repaired | None:
    """Repair what differs without writing the object again; None where that is not possible."""
    repaired = Repaired(found.properties.etag, source_version_id=wanted.properties.version_id)
    # A class that the store has refused before would be refused again, at the cost of writing the whole object.
    wanted_class = storage_class_ability(wanted.properties.storage_class)
    if names == (STORAGE_CLASS,) and store.abilities.lacks(wanted_class):
        return replace(repaired, had_drifted=False, lost=(wanted_class.loses,) if wanted_class.loses else ())
    # To remove all tags takes a request and a permission of its own, or an empty set, which not all servers accept.
    if names == (TAGS,) and (tags := wanted.tags):
        await tries.answer(lambda: put_tags(store, store_key, tags))
        return repaired
    if names == (ANNOTATIONS,) and (annotations := wanted.annotations) and not _has_others(wanted, found):
        await tries.answer(lambda: carry_annotations(store, store_key, repaired.etag, annotations, are_new=False))
        return repaired
    if names == (LOCK,):
        missing = wanted.properties.lock.missing_in(found.properties.lock)
        await tries.answer(lambda: put_lock(store, store_key, found.properties.version_id, missing))
        return repaired
    return None


def _with_headers_of(wanted: ObjectProperties, found: ObjectProperties, ignored: tuple[str, ...]) -> ObjectProperties:
    """The store's object with headers, class and lock of the source's, but for what is not compared."""
    headers = wanted.headers
    if WEBSITE_REDIRECT in ignored:
        headers = (*(pair for pair in headers if pair[0] != REDIRECT), *found.redirect)
    return replace(
        found,
        headers=headers,
        storage_class=found.storage_class if STORAGE_CLASS in ignored else wanted.storage_class,
        lock=wanted.lock.joined(found.lock),
    )


def _has_others(wanted: WholeProperties, found: WholeProperties) -> bool:
    """Whether the store's object has annotations that the source's lacks.

    They go when the object is written again: where the store keeps versions, the one before still has them, while
    DeleteObjectAnnotation is for good.
    """
    names = {name for name, _ in wanted.md5s or ()}
    return any(name not in names for name, _ in found.md5s or ())
