"""The headers, tags and annotations of a new object of the store.

If the store refuses optional ones, the object is written without them, and the result says so.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache, partial
from http import HTTPStatus
from urllib.parse import quote, urlencode

from hyve_pipeline.core.model.copy_task import CopyRules
from hyve_pipeline.core.model.object_lock import NO_LOCK, ObjectLock
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import Optional, may_be_unsupported
from hyve_pipeline.s3.connection.server_abilities import (
    ANNOTATION_DIRECTIVE,
    ANNOTATIONS,
    LOCKS_IN_WRITES,
    REDIRECTS,
    TAGGING_DIRECTIVE,
    TAGS,
    TAGS_IN_WRITES,
    TAGS_READ,
    Ability,
    kept_tags,
    storage_class_ability,
)
from hyve_pipeline.s3.objects.annotations import AnnotationsOf
from hyve_pipeline.s3.objects.carry_annotations import carry_annotations
from hyve_pipeline.s3.objects.object_lock import LOCK_HEADERS, lock_headers, put_lock
from hyve_pipeline.s3.objects.properties import REDIRECT, ObjectProperties, read_properties
from hyve_pipeline.s3.objects.tags import Tags, put_tags, read_tags
from hyve_pipeline.s3.objects.write_headers import STORAGE_CLASS_HEADER, storage_class_headers
from hyve_pipeline.s3.wire.errors import NOT_PERMITTED, S3RequestError
from hyve_pipeline.s3.wire.futures import completed, follow, recover, retry, then
from hyve_pipeline.s3.wire.messages import Pairs, Request

# The most that fits into a header; a PutObjectTagging request can have all tags of an object.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html
_MOST_TAGGING = 2048

_TAGGING_HEADER = "x-amz-tagging"

_OPTIONAL_TAGS = Optional(TAGS_IN_WRITES, (_TAGGING_HEADER, "x-amz-tagging-directive"), ("tagging", "tags"))
_OPTIONAL_DIRECTIVE = Optional(TAGGING_DIRECTIVE, ("x-amz-tagging-directive",), ("tagging",))
_NO_ANNOTATIONS = ("x-amz-object-annotation-directive", "EXCLUDE")
_OPTIONAL_ANNOTATIONS = Optional(ANNOTATION_DIRECTIVE, (_NO_ANNOTATIONS[0],), ("annotation",))
_OPTIONAL_LOCK = Optional(LOCKS_IN_WRITES, (f"{LOCK_HEADERS}*",), ("lock", "retention"))
_OPTIONAL_REDIRECT = Optional(REDIRECTS, (REDIRECT,), ("redirect",))

# After each write without them, what is missing is put by requests of their own, or lost.
_OPTIONAL = _OPTIONAL_REDIRECT, _OPTIONAL_ANNOTATIONS, _OPTIONAL_LOCK


@dataclass(frozen=True, slots=True)
class NewObject:
    """What an object gets when it is written, and afterwards.

    Attributes:
        headers: of the request that writes it, without checksums and what all objects of the store get.
        tags: all of its tags, also those in a header.
        optional: the headers that may be left out.
        rules: how it is copied.
        annotations: the annotations that are put afterwards.
        lock: what protects it.
    """

    headers: Pairs
    tags: Tags
    optional: tuple[Optional, ...]
    rules: CopyRules
    annotations: AnnotationsOf | None = None
    lock: ObjectLock = NO_LOCK

    @property
    def has_separate_tags(self) -> bool:
        """Whether it has tags that are not among the headers."""
        return bool(self.tags) and not any(name == _TAGGING_HEADER for name, _ in self.headers)


def new_object(properties: ObjectProperties, rules: CopyRules, *, is_copied: bool = False) -> NewObject:
    """A new object with the properties of another.

    Args:
        properties: those of the other.
        rules: how it is copied.
        is_copied: whether it is written by a CopyObject, which must not copy tags and annotations by itself.
    """
    tags = () if rules.tags == "skip" else properties.tags or ()
    class_headers = storage_class_headers(rules.storage_class, properties.storage_class)
    lock = properties.lock if rules.keeps_locks else NO_LOCK
    headers = (*properties.headers, *class_headers, *_tagging(tags), *properties.grants)
    if properties.annotations is None:
        # A locked object takes no annotations.
        headers = (*headers, *lock_headers(lock))
    if is_copied:
        headers = (*headers, ("x-amz-tagging-directive", "REPLACE"))
        if rules.annotations == "exclude" or properties.annotations is not None:
            headers = (*headers, _NO_ANNOTATIONS)
    optional = (*_optional_class(rules, class_headers), _OPTIONAL_TAGS, *_OPTIONAL)
    optional = tuple(one for one in optional if one.covers_any(headers))
    return NewObject(headers, tags, optional, rules, properties.annotations, lock)


@lru_cache(maxsize=256)  # nearly all objects of a shard are alike in this
def copied_object(storage_class: str, rules: CopyRules, more: Pairs) -> NewObject:
    """A CopyObject's result: only what the server does not copy by itself.

    Args:
        storage_class: of the source's object.
        rules: how it is copied.
        more: redirect and grants of the source's object, as headers.
    """
    class_headers = storage_class_headers(rules.storage_class, storage_class)
    directive = (("x-amz-tagging-directive", "REPLACE"),) if rules.tags == "skip" else ()
    if rules.annotations == "exclude":
        directive = (*directive, _NO_ANNOTATIONS)
    headers = (*class_headers, *more, *directive)
    optional = (*_optional_class(rules, class_headers), _OPTIONAL_DIRECTIVE, *_OPTIONAL)
    return NewObject(headers, (), tuple(one for one in optional if one.covers_any(headers)), rules)


def settle(
    store: Connection,
    key: str,
    etag: str,
    version_id: str | None,
    new: NewObject,
    without: Sequence[Ability],
    *,
    anew: bool = True,
    operation: str = "PutObject",
) -> "Future[tuple[str, ...]]":
    """Give an object that was written the tags that were not in its request, its annotations, and its lock.

    Args:
        store: the bucket.
        key: the object.
        etag: its ETag without quotes.
        version_id: the version that was written, or None.
        new: the object.
        without: what the server lacks, so those headers were left out.
        anew: False if it is unknown what an earlier attempt has written.
        operation: the request that had its headers.

    Returns:
        A future that gives what the object lacks, in words; or raises `S3RequestError`: then it is not done.
    """
    lost = tuple(ability.loses for ability in without if ability.loses is not None)
    if anew and not new.has_separate_tags and TAGS_IN_WRITES not in without:
        settled = _confirm_tags(store, key, version_id, new, lost, operation)
    else:
        settled = _give_tags(store, key, version_id, new, lost)
    if new.annotations is not None and new.annotations.entries:
        settled = _give_annotations(store, key, etag, new.annotations, settled, anew=anew)
    if not new.lock:
        return settled
    return follow(settled, lambda lost: then(confirm_lock(store, key, etag, version_id, new.lock), lambda _: lost))


def confirm_lock(store: Connection, key: str, etag: str, version_id: str | None, lock: ObjectLock) -> "Future[None]":
    """Protect an object of the store, as far as it is not protected yet.

    Args:
        store: the bucket.
        key: the object.
        etag: the ETag without quotes that it must still have.
        version_id: the version that was written, or None.
        lock: what protects its source.

    Returns:
        A future that raises `S3RequestError` if that could not be done.
    """

    def put(found: ObjectProperties) -> "Future[None]":
        missing = lock.missing_in(found.lock)
        return put_lock(store, key, version_id or found.version_id, missing) if missing else completed(None)

    return follow(read_properties(store, key, etag), put)


def _give_annotations(
    store: Connection,
    key: str,
    etag: str,
    annotations: AnnotationsOf,
    settled: "Future[tuple[str, ...]]",
    *,
    anew: bool,
) -> "Future[tuple[str, ...]]":
    """Put annotations after what is settled before, and give what the object lacks."""

    def judge(lost: tuple[str, ...], has_annotations: bool) -> tuple[str, ...]:
        if has_annotations:
            return lost
        store.abilities.note(ANNOTATIONS)
        return (*lost, "annotations")

    def go_on(lost: tuple[str, ...]) -> "Future[tuple[str, ...]]":
        return then(carry_annotations(store, key, etag, annotations, are_new=anew), partial(judge, lost))

    return follow(settled, go_on)


def _confirm_tags(
    store: Connection, key: str, version_id: str | None, new: NewObject, lost: tuple[str, ...], operation: str
) -> "Future[tuple[str, ...]]":
    """Find out once for each server whether an object gets the tags that such a request had, and put them if not."""
    kept = kept_tags(operation)
    if store.place.server == AWS or store.abilities.has_proved(kept) or not new.tags:
        return completed(lost)
    if store.abilities.lacks(kept) or store.abilities.lacks(TAGS):
        return _give_tags(store, key, version_id, new, lost)

    def judge(read: tuple[Tags | None] | None) -> "Future[tuple[str, ...]]":
        if read is None:
            return completed(lost)
        (found,) = read
        if found is not None and sorted(found) == sorted(new.tags):
            store.abilities.prove(kept)
            return completed(lost)
        if found is not None:
            store.abilities.note(kept)
        return _give_tags(store, key, version_id, new, lost)

    def unknown(error: BaseException) -> tuple[None] | None:
        if not isinstance(error, S3RequestError):
            raise error
        if error.code in NOT_PERMITTED:
            # To read the store's tags takes a permission that copies do not need otherwise: nobody need ask again.
            store.abilities.prove(kept)
        if error.status != HTTPStatus.INTERNAL_SERVER_ERROR or store.abilities.has_proved(TAGS):
            return None
        # So some servers answer what they don't know, for as long as they are asked.
        store.abilities.note(TAGS_READ)
        return (None,)

    return store.abilities.try_out(
        kept,
        lambda: follow(recover(then(read_tags(store, key), lambda tags: (tags,)), unknown), judge),
        lambda: _confirm_tags(store, key, version_id, new, lost, operation),
    )


def _give_tags(
    store: Connection, key: str, version_id: str | None, new: NewObject, lost: tuple[str, ...]
) -> "Future[tuple[str, ...]]":
    """Put all tags by a request of their own."""
    if not new.tags:
        return completed(lost)
    if new.rules.tags == "copy" and store.abilities.lacks(TAGS):
        return completed((*lost, "tags"))

    def go_without(error: BaseException) -> "Future[tuple[str, ...]]":
        if not isinstance(error, S3RequestError) or new.rules.tags != "copy" or not may_be_unsupported(error):
            raise error
        store.abilities.note(TAGS, instead_of=(TAGS_IN_WRITES, TAGS_READ))
        return completed((*lost, "tags"))

    def put(found: Tags | None) -> "Future[tuple[str, ...]]":
        if found is None:
            reason = 'the server has no object tags: object_tags = "copy" copies without them'
            raise S3RequestError(store.bucket, Request("PutObjectTagging", "PUT", key), "NotImplemented", reason)
        return then(put_tags(store, key, new.tags, version_id), lambda _: lost)

    # A server without tags would overwrite the object with this request: it must have answered GetObjectTagging before.
    put_safely = put(()) if store.abilities.has_proved(TAGS) else follow(read_tags(store, key), put)
    return retry(put_safely, go_without)


def _tagging(tags: Tags) -> Pairs:
    """The header with the tags of a new object, if there are any and they fit."""
    value = urlencode(tags, quote_via=quote)
    return ((_TAGGING_HEADER, value),) if tags and len(value) <= _MOST_TAGGING else ()


def _optional_class(rules: CopyRules, headers: Pairs) -> tuple[Optional, ...]:
    # A class that the options name is not optional.
    if rules.storage_class != "source" or not headers:
        return ()
    words = ("storage class", "storage-class", "storageclass")
    return (Optional(storage_class_ability(headers[0][1]), (STORAGE_CLASS_HEADER,), words),)
