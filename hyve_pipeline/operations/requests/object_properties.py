"""Reads the properties and tags of an object, if it still is the listed one."""

from dataclasses import dataclass

from hyve_pipeline.core.model.copy_task import CopyRules
from hyve_pipeline.core.model.property_drift import STORAGE_CLASS, TAGS, WEBSITE_REDIRECT, Carried
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.objects.properties import ObjectProperties, read_properties
from hyve_pipeline.s3.objects.tags import Tags, counted_tags, read_tags


@dataclass(frozen=True, slots=True)
class PropertiesAndTags:
    """An object's properties without its tags, and its tags; None if the server does not support tags."""

    properties: ObjectProperties
    tags: Tags | None

    @property
    def carried(self) -> Carried:
        """Both, in the form that is compared."""
        return Carried(self.properties.named, self.tags)


def ignored_by(rules: CopyRules) -> tuple[str, ...]:
    """Properties that these rules do not copy, so they are no drift; names as in `core.model.property_drift`."""
    ignored = [] if rules.keeps_redirect else [WEBSITE_REDIRECT]
    if rules.storage_class != "source":
        ignored.append(STORAGE_CLASS)
    if rules.tags == "skip":
        ignored.append(TAGS)
    return tuple(ignored)


async def read_carried(bucket: Connection, key: str, etag: str, tries: Tries) -> PropertiesAndTags:
    """Read an object's properties and tags.

    Args:
        bucket: the bucket.
        key: the whole key.
        etag: the ETag without quotes that the object must still have.
        tries: counts retries.

    Raises:
        ObjectChangedError: the object was replaced or deleted.
        CustomerKeyError: it is encrypted with a customer key (SSE-C).
        S3RequestError: a request failed for good.
    """
    properties = await tries.answer(lambda: read_properties(bucket, key, etag))
    tags = await tries.answer(lambda: read_tags(bucket, key))
    return PropertiesAndTags(properties, counted_tags(bucket.bucket, key, tags, properties.tag_count))
