"""Aborts multipart uploads that nothing will resume: their parts are in no listing, and cost storage."""

from contextlib import suppress

from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.copying.multipart_upload import abandon
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.state.uploads import ShardUploads, uploads_left_by_others


def abandon_uploads_of_others(context: SyncContext, plan: Plan, store: Connection) -> None:
    """Abort the uploads that shards of other plans left open: no other plan of the sync is being applied now.

    What can't be aborted stays recorded, for the next time.
    """
    for uploads in uploads_left_by_others(context.state, plan.id):
        abandon_uploads(store, uploads)


def abandon_uploads(store: Connection, uploads: ShardUploads) -> None:
    """Abort the open uploads in this bucket; an earlier plan may have been for another one."""
    for upload in uploads.open:
        if upload.bucket != store.bucket:
            continue
        # What can't be aborted stays recorded.
        with suppress(S3RequestError):
            abandon(store, upload, uploads)
