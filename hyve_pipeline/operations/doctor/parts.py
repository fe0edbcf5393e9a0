"""Checks whether the checksums of an object's parts can be read, which is optional."""

from collections.abc import Iterator

from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.diff import ARCHIVED_CLASSES
from hyve_pipeline.core.model.findings import Finding, Verdict
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.objects.part_checksums import prove_parts_readable
from hyve_pipeline.s3.wire.errors import S3RequestError


def examine_parts(source: Connection, first: CopyTask | None) -> Iterator[Finding]:
    """Check it with the first object of the source; of none, and of an archived one, nothing is said."""
    if first is None or first.storage_class in ARCHIVED_CLASSES:
        return
    detail = "the checksums of parts can be read, so that none are made while objects are streamed"
    try:
        prove_parts_readable(source, first.source_key)
    except S3RequestError as error:
        detail = (
            f"checksums of parts are made while objects are streamed ({error.code}); "
            f"{source.place.signer} may be allowed s3:GetObjectAttributes, to spare that"
        )
    yield Finding("parts", "source", Verdict.OK, detail)
