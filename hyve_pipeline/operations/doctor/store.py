"""Checks what only a store requires: that it can be written, and that overwritten objects can be restored."""

import hashlib
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.model.copy_task import NO_OBJECT, CopyRules, CopyTask
from hyve_pipeline.core.model.findings import Finding, Verdict, failed
from hyve_pipeline.core.model.plan import Transfer
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.copying.condition_trial import ConditionTrial, try_conditions
from hyve_pipeline.s3.copying.copy_object import copy_object
from hyve_pipeline.s3.objects.annotations import list_annotations, put_annotation
from hyve_pipeline.s3.objects.delete import delete_objects, delete_version
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.objects.multipart_api import list_uploads
from hyve_pipeline.s3.objects.properties import ObjectProperties
from hyve_pipeline.s3.objects.put import Content
from hyve_pipeline.s3.objects.source_responses import CopyResult
from hyve_pipeline.s3.objects.tags import Tags
from hyve_pipeline.s3.objects.versions import list_versions, versioning_state
from hyve_pipeline.s3.streaming.streamer import Streamer
from hyve_pipeline.s3.streaming.whole import put_whole
from hyve_pipeline.s3.wire.checksums import DEFAULT_ALGORITHM, Checksums
from hyve_pipeline.s3.wire.errors import S3RequestError, bucket_error

# Prefix of the keys that are written to try the store; Hyve uses it for nothing else.
TRIAL_KEY = ".hyve-doctor-"

_TRIAL_CONTENT = b"put by hyve doctor to try whether this can be done, and deleted again"
_TRIAL_ANNOTATION = "hyve-doctor"
_TRIAL_TAGS: Tags = (("hyve", "doctor"),)

# Larger objects are not copied for a check.
_MOST_TRIAL_BYTES = 16 * 1024**2


def examine_versions(store: Connection, *, has_trash: bool) -> Finding:
    """Check whether objects that are overwritten or deleted in the store can be restored."""
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


def examine_source_versions(source: Connection) -> Finding:
    """Check whether the source shows what it was earlier."""
    try:
        state = (versioning_state(source) or "never enabled").lower()
    except S3RequestError as error:
        state = f"not known ({error.code})"
    can = "possible" if state == "enabled" else "not possible"
    return Finding("versioning", "source", Verdict.OK, f"{state}: 'hyve dryrun --as-of' is {can}")


def examine_uploads(store: Connection) -> Finding:
    """Check for open multipart uploads: their parts are in no listing, and are billed."""
    prefix = store.place.prefix
    try:
        uploads = sorted(list_uploads(store, prefix), key=lambda upload: upload[1])
    except S3RequestError as error:
        return Finding("uploads", "store", Verdict.UNTRIED, f"open uploads can't be listed ({error.code})")
    if not uploads:
        return Finding("uploads", "store", Verdict.OK, "no upload in parts is open")
    key, since = uploads[0]
    found = counted(len(uploads), "upload in parts is", "uploads in parts are")
    detail = (
        f"{found} open, since {since or 'an unknown time'} (key {key!r}): unless something "
        f"works on them now, abort them, or give {store.bucket} a life cycle rule that does"
    )
    return Finding("uploads", "store", Verdict.WARN, detail)


def try_writing(
    source: Connection | None,
    store: Connection,
    first: CopyTask | None,
    transfer: Transfer,
    rules: CopyRules,
    storage_classes: Collection[str],
) -> Iterator[Finding]:
    """Write new objects below the store's prefix as a sync does, and delete them.

    Args:
        source: the source, or None where it can't be reached.
        store: the store.
        first: the source's first object, which is copied unless it is too large.
        transfer: how it is copied.
        rules: how objects are copied.
        storage_classes: those of the source's objects; a small object is written to each.
    """
    base = f"{store.place.prefix}{TRIAL_KEY}{secrets.token_hex(8)}"
    written: dict[str, CopyResult] = {}
    done = "objects were put"
    try:
        if source is not None and first is not None and first.size <= _MOST_TRIAL_BYTES:
            written[base] = _copy(
                source, store, first._replace(store_key=base, rules=rules, store_etag=NO_OBJECT), transfer
            )
            done = "an object was copied from the source, others were put"
        for number, storage_class in enumerate(dict.fromkeys(("STANDARD", *storage_classes)), start=1):
            key = f"{base}-{number}"
            written[key] = _put(store, key, storage_class, rules)
    except S3RequestError as error:
        yield failed("writing", "store", HyveError(str(bucket_error(error, store.place))))
        for _ in _clean_up(store, written, done):
            pass  # what to fix first was reported
        return
    try:
        trial = try_conditions(store, f"{base}-condition", _TRIAL_CONTENT)
        written[f"{base}-condition"] = CopyResult(trial.etag, trial.version_id, None, len(_TRIAL_CONTENT))
        yield Finding("conditions", "store", Verdict.OK, _described(trial))
    except S3RequestError as error:
        yield Finding("conditions", "store", Verdict.UNTRIED, f"nothing is known of conditions on writes: {error}")
    if rules.tags != "skip":
        key = f"{base}-tagged"
        try:
            written[key] = _put(store, key, "STANDARD", rules, tags=_TRIAL_TAGS)
        except S3RequestError as error:
            detail = f"objects that have tags would fail: {bucket_error(error, store.place)}"
            yield Finding("tags", "store", Verdict.WARN, detail)
    if rules.annotations == "copy":
        yield from _try_annotating(store, f"{base}-1", written[f"{base}-1"].etag)
    yield from _clean_up(store, written, done)


def _try_annotating(store: Connection, key: str, etag: str) -> Iterator[Finding]:
    """Put an annotation, if the server has answered a list of them as S3 does."""
    try:
        if list_annotations(store, key).result() is None:
            return
        text = Content.of(_TRIAL_CONTENT, DEFAULT_ALGORITHM, needs_md5=True)
        put_annotation(store, key, etag, _TRIAL_ANNOTATION, text).result()
    except S3RequestError as error:
        detail = f"objects that have annotations would fail: {bucket_error(error, store.place)}"
        yield Finding("annotations", "store", Verdict.WARN, detail)
        return
    yield Finding("annotations", "store", Verdict.OK, "objects can get annotations")


def _described(trial: ConditionTrial) -> str:
    """Which writes keep the conditions If-Match and If-None-Match, and what follows for the others."""
    kept = [name for name, is_kept in trial.kept.items() if is_kept]
    others = [name for name, is_kept in trial.kept.items() if not is_kept]
    parts = [f"If-Match and If-None-Match are kept by {', '.join(kept)}"] if kept else []
    if others:
        which = f"not by {', '.join(others)}" if kept else "no write keeps If-Match or If-None-Match"
        parts.append(f"{which}: a HEAD is sent for the store's object right before")
    if trial.refuses_match:
        which = ", ".join(trial.refuses_match)
        parts.append(f"a matching If-Match is refused by {which}: a HEAD is sent right before it, and no condition")
    if trial.are_demanded:
        parts.append("a policy (s3:if-match, s3:if-none-match) demands them, and each write of a sync has one")
    return "; ".join(parts)


def _copy(source: Connection, store: Connection, task: CopyTask, transfer: Transfer) -> CopyResult:
    if transfer.by == "server":
        return copy_object(source, store, task).result()
    with Streamer(source, store, memory=4 * _MOST_TRIAL_BYTES, threads=1, window=Window(1)) as streamer:
        return streamer.copy(task).result()


def _put(store: Connection, key: str, storage_class: str, rules: CopyRules, tags: Tags = ()) -> CopyResult:
    """Write a small object as if it were streamed from a source object with this storage class and these tags."""
    etag = hashlib.md5(_TRIAL_CONTENT, usedforsecurity=False).hexdigest()
    properties = ObjectProperties(
        etag=etag,
        version_id=None,
        headers=(),
        storage_class=storage_class,
        checksums=Checksums(),
        is_etag_md5=True,
        tags=tags,
    )
    task = CopyTask(key, key, len(_TRIAL_CONTENT), etag, storage_class, rules, NO_OBJECT)
    return put_whole(store, store, task, (properties, _TRIAL_CONTENT)).result()


def _clean_up(store: Connection, written: Mapping[str, CopyResult], done: str) -> Iterator[Finding]:
    """Delete objects as a sync does, with their versions, and report whether that succeeded."""
    if not written:
        return
    try:
        result = delete_objects(store, list(written), {key: one.etag for key, one in written.items()}).result()
        deleted, errors = {**result.deleted}, result.errors
        if errors and result.is_conditional:
            # Some servers compare ETags differently: then a sync deletes without the condition too.
            again = delete_objects(store, list(errors)).result()
            deleted, errors = {**deleted, **again.deleted}, again.errors
        for key, failure in errors.items():
            raise HyveError(
                f"{store.bucket} key {key!r} was put but can't be deleted: allow s3:DeleteObject "
                f"({failure.code}: {failure.message}); delete it yourself"
            )
        for key in written:
            if head_object(store, key).result() is not None:
                raise HyveError(f"{store.bucket} key {key!r} is still there after it was deleted; delete it yourself")
    except S3RequestError as error:
        yield failed("writing", "store", HyveError(str(bucket_error(error, store.place))))
        return
    except HyveError as error:
        yield failed("writing", "store", error)
        return
    rest = ""
    for key, one in written.items():
        versions = _versions_of(store, key, one.version_id, deleted[key].delete_marker_version_id)
        kept = [version for version in versions if not _has_removed(store, key, version)]
        if kept:
            rest = f"; {counted(len(kept), 'version')} of {key!r} left, as s3:DeleteObjectVersion is not allowed"
    yield Finding("writing", "store", Verdict.OK, f"{done} and deleted again{rest}")


def _versions_of(store: Connection, key: str, *known: str | None) -> set[str]:
    """The known versions of a key, and all others that it has: trying a condition may have written one more."""
    versions = {version for version in known if version is not None}
    if versions:
        with suppress(S3RequestError):
            versions.update(version.version_id for version in list_versions(store, key).result())
    return versions


def _has_removed(store: Connection, key: str, version: str) -> bool:
    """Delete one version permanently, if that is allowed."""
    try:
        delete_version(store, key, version).result()
    except S3RequestError:
        return False
    return True
