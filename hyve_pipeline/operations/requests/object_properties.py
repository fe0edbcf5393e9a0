"""Reads what an object carries besides its content, of an object that still is the one that was listed."""

from dataclasses import dataclass

from hyve_pipeline.core.model.copy_task import CopyRules
from hyve_pipeline.core.model.property_drift import STORAGE_CLASS, TAGS, WEBSITE_REDIRECT, Carried
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.objects.properties import ObjectProperties, read_properties
from hyve_pipeline.s3.objects.tags import Tags, counted_tags, read_tags


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found: all but the tags, and the tags; None where the server knows no tags."""

    properties: ObjectProperties
    tags: Tags | None

    @property
    def carried(self) -> Carried:
        """The same, to be compared."""
        return Carried(self.properties.named, self.tags)


def ignored_by(rules: CopyRules) -> tuple[str, ...]:
    """What copies by these rules do not take over, so that it must not count as drift; names as of `core.drift`."""
    ignored = [] if rules.keeps_redirect else [WEBSITE_REDIRECT]
    if rules.storage_class != "source":
        ignored.append(STORAGE_CLASS)
    if rules.tags == "skip":
        ignored.append(TAGS)
    return tuple(ignored)


async def look_at(bucket: Connection, key: str, etag: str, tries: Tries) -> Looked:
    """Ask for an object's properties and tags.

    Args:
        bucket: the bucket.
        key: the whole key.
        etag: the ETag without quotes that the object must still have.
        tries: counts repeated requests.

    Raises:
        ObjectChangedError: the object is another one, or gone.
        CustomerKeyError: it can be read only with a key that its owner has.
        S3RequestError: a request failed for good.
    """
    properties = await tries.answer(lambda: read_properties(bucket, key, etag))
    tags = await tries.answer(lambda: read_tags(bucket, key))
    return Looked(properties, counted_tags(bucket.bucket, key, tags, properties.tag_count))
