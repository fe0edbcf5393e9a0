"""Reads the properties, tags and annotations of an object, if it still is the listed one."""

from dataclasses import dataclass

from hyve_pipeline.core.model.copy_task import CopyRules
from hyve_pipeline.core.model.property_drift import (
    ANNOTATIONS,
    LOCK,
    STORAGE_CLASS,
    TAGS,
    WEBSITE_REDIRECT,
    Carried,
    Pairs,
)
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.objects.annotations import AnnotationsOf, list_annotations, read_annotation
from hyve_pipeline.s3.objects.object_lock import prove_locks_readable
from hyve_pipeline.s3.objects.properties import ObjectProperties, read_properties
from hyve_pipeline.s3.objects.tags import Tags, counted_tags, read_tags
from hyve_pipeline.s3.wire.checksums import PLAIN_MD5


@dataclass(frozen=True, slots=True)
class WholeProperties:
    """An object's properties without its tags and annotations, and these.

    Attributes:
        properties: the properties.
        tags: the tags; None if the server does not support tags, or they are not copied.
        annotations: the annotations, also if there are none; None if the server does not support annotations, or they
            are not copied.
        md5s: names of annotations, and the MD5s of their texts; None likewise.
    """

    properties: ObjectProperties
    tags: Tags | None
    annotations: AnnotationsOf | None = None
    md5s: Pairs | None = None

    @property
    def carried(self) -> Carried:
        """All of them, in the form that is compared."""
        return Carried(self.properties.named, self.tags, self.md5s, self.properties.lock)


def ignored_by(rules: CopyRules) -> tuple[str, ...]:
    """Properties that these rules do not copy, so they are no drift; names as in `core.model.property_drift`."""
    ignored = [] if rules.keeps_redirect else [WEBSITE_REDIRECT]
    if rules.storage_class != "source":
        ignored.append(STORAGE_CLASS)
    if rules.tags == "skip":
        ignored.append(TAGS)
    if rules.annotations != "copy":
        ignored.append(ANNOTATIONS)
    if not rules.keeps_locks:
        ignored.append(LOCK)
    return tuple(ignored)


async def read_carried(bucket: Connection, key: str, etag: str, rules: CopyRules, tries: Tries) -> WholeProperties:
    """Read an object's properties, tags and annotations.

    Args:
        bucket: the bucket.
        key: the whole key.
        etag: the ETag without quotes that the object must still have.
        rules: what a copy of the object carries.
        tries: counts retries.

    Raises:
        ObjectChangedError: the object was replaced or deleted.
        CustomerKeyError: it is encrypted with a customer key (SSE-C).
        S3RequestError: a request failed for good.
    """
    properties = await tries.answer(lambda: read_properties(bucket, key, etag))
    if rules.keeps_locks:
        await tries.answer(lambda: prove_locks_readable(bucket, key))
    tags = None if rules.tags == "skip" else await read_counted_tags(bucket, key, properties, tries)
    entries = None
    if rules.annotations == "copy":
        entries = await tries.answer(lambda: list_annotations(bucket, key))
    if entries is None:
        return WholeProperties(properties, tags)
    annotations = AnnotationsOf(bucket, key, entries)
    return WholeProperties(properties, tags, annotations, await _md5s(annotations, properties, tries))


async def read_counted_tags(bucket: Connection, key: str, properties: ObjectProperties, tries: Tries) -> Tags | None:
    """Read the tags of an object; None if the server does not support tags.

    Args:
        bucket: the bucket.
        key: the whole key.
        properties: what was read of it before, with the number of its tags where the server says that.
        tries: counts retries.

    Raises:
        S3RequestError: the request failed for good, or the number is another one.
    """
    tags = await tries.answer(lambda: read_tags(bucket, key))
    return counted_tags(bucket.bucket, key, tags, properties.tag_count)


async def _md5s(annotations: AnnotationsOf, properties: ObjectProperties, tries: Tries) -> Pairs:
    """The MD5 of the text of each annotation: its ETag, or read where a KMS key encrypts it as the object."""
    found: list[tuple[str, str]] = []
    for entry in annotations.entries:
        md5 = entry.etag.lower()
        if not properties.is_etag_md5 or not PLAIN_MD5.fullmatch(md5):
            text = await tries.answer(lambda entry=entry: read_annotation(annotations, entry))
            md5 = text.md5 or ""
        found.append((entry.name, md5))
    return tuple(found)
