"""Examines what only a store needs: that it can be written, and that what it loses can be had back."""

import secrets

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.findings import Finding, Verdict, failed
from hyve_pipeline.core.model.plan import Transfer
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.copying.copy_object import copy_object
from hyve_pipeline.s3.objects.delete import delete_objects, delete_version
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.objects.multipart_api import list_uploads
from hyve_pipeline.s3.objects.put import put_empty_object
from hyve_pipeline.s3.objects.source_responses import CopyResult
from hyve_pipeline.s3.objects.versions import versioning_state
from hyve_pipeline.s3.streaming.streamer import Streamer
from hyve_pipeline.s3.wire.errors import S3RequestError, bucket_error

# What the object is called that is put into the store to try it; no run of Hyve makes such a key otherwise.
TRIAL_KEY = ".hyve-doctor-"

# Larger objects are not copied only to try it.
_MOST_TRIAL_BYTES = 16 * 1024**2


def examine_versions(store: Connection, *, has_trash: bool) -> Finding:
    """Examine whether what is overwritten or deleted in the store can be had back."""
    try:
        state = versioning_state(store) or "never enabled"
    except S3RequestError as error:
        state = f"not known ({error.code})"
    if state == "Enabled":
        return Finding("versioning", "store", Verdict.OK, "enabled: what is overwritten or deleted stays as a version")
    if has_trash:
        return Finding("versioning", "store", Verdict.OK, f"{state}; the trash keeps what is overwritten or deleted")
    detail = (
        f"{state}, and there is no trash: what is overwritten or deleted is gone; "
        f"enable versioning of {store.bucket}, or set options.trash"
    )
    return Finding("versioning", "store", Verdict.WARN, detail)


def examine_uploads(store: Connection) -> Finding:
    """Examine whether uploads in parts were left open: their parts are in no listing, and paid for."""
    prefix = store.place.prefix
    try:
        uploads = sorted(list_uploads(store, prefix), key=lambda upload: upload[1])
    except S3RequestError as error:
        return Finding("uploads", "store", Verdict.UNTRIED, f"open uploads can't be listed ({error.code})")
    if not uploads:
        return Finding("uploads", "store", Verdict.OK, "no upload in parts is open")
    key, since = uploads[0]
    detail = (
        f"{len(uploads)} uploads in parts are open, since {since or 'an unknown time'} (key {key!r}): unless something "
        f"works on them now, abort them, or give {store.bucket} a life cycle rule that does"
    )
    return Finding("uploads", "store", Verdict.WARN, detail)


def try_writing(source: Connection | None, store: Connection, first: CopyTask | None, transfer: Transfer) -> Finding:
    """Put an object of its own name below the store's prefix, and delete it again.

    Args:
        source: the source, or None where it can't be reached.
        store: the store.
        first: the source's first object, which is copied where it is not too large; else an empty one is put.
        transfer: who copies it.
    """
    key = f"{store.place.prefix}{TRIAL_KEY}{secrets.token_hex(8)}"
    try:
        if source is not None and first is not None and first.size <= _MOST_TRIAL_BYTES:
            task = CopyTask(first.source_key, key, first.size, first.source_etag, "STANDARD")
            version_id = _copy(source, store, task, transfer).version_id
            done = "an object was copied from the source"
        else:
            version_id = put_empty_object(store, key).result()
            done = "an object was put"
    except S3RequestError as error:
        return failed("writing", "store", HyveError(str(bucket_error(error, store.place))))
    try:
        result = delete_objects(store, [key]).result()
        failure = result.errors.get(key)
        if failure is not None:
            raise HyveError(
                f"{store.bucket} key {key!r} was put but can't be deleted: allow s3:DeleteObject "
                f"({failure.code}: {failure.message}); delete it yourself"
            )
        if head_object(store, key).result() is not None:
            raise HyveError(f"{store.bucket} key {key!r} is still there after it was deleted; delete it yourself")
    except S3RequestError as error:
        return failed("writing", "store", HyveError(str(bucket_error(error, store.place))))
    except HyveError as error:
        return failed("writing", "store", error)
    versions = [version_id, result.deleted[key].delete_marker_version_id]
    left = [version for version in versions if version is not None and not _has_removed(store, key, version)]
    rest = f"; {len(left)} versions of {key!r} are left, as s3:DeleteObjectVersion is not allowed" if left else ""
    return Finding("writing", "store", Verdict.OK, f"{done} and deleted again{rest}")


def _copy(source: Connection, store: Connection, task: CopyTask, transfer: Transfer) -> CopyResult:
    if transfer.by == "server":
        return copy_object(source, store, task).result()
    with Streamer(source, store, memory=4 * _MOST_TRIAL_BYTES, threads=1, window=Window(1)) as streamer:
        return streamer.copy(task).result()


def _has_removed(store: Connection, key: str, version: str) -> bool:
    """Remove one version for good, where that is allowed."""
    try:
        delete_version(store, key, version).result()
    except S3RequestError:
        return False
    return True
