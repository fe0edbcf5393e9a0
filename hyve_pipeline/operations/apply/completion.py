"""Gives a copy that an earlier attempt made what is put after an object: that attempt may have ended before."""

from hyve_pipeline.core.model.copy_task import CopyTask
from hyve_pipeline.core.model.object_lock import NO_LOCK
from hyve_pipeline.operations.requests.copy_route import CopyRoute
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.objects.annotations import find_annotations
from hyve_pipeline.s3.objects.new_object import NewObject, settle
from hyve_pipeline.s3.objects.object_lock import prove_locks_readable
from hyve_pipeline.s3.objects.properties import read_properties
from hyve_pipeline.s3.objects.tags import read_tags


async def complete_copy(
    source: Connection,
    store: Connection,
    route: CopyRoute,
    task: CopyTask,
    etag: str,
    tries: Tries,
    *,
    may_have_moved: bool = False,
) -> tuple[str, ...]:
    """Put tags, annotations and locks after a copy, as far as they are missing.

    Args:
        source: where the object is from.
        store: where it is.
        route: how it got there.
        task: the copy.
        etag: the ETag of the copy, which is the newest object of its key.
        tries: counts repeated requests.
        may_have_moved: the copy may have been made within the store, which puts what the route does not.

    Returns:
        What the copy lacks.

    Raises:
        S3RequestError: a request failed for good.
    """
    if route.copies_at_once(task) and not task.rules.keeps_locks and not may_have_moved:
        return ()
    rules, key = task.rules, task.source_key
    tags = () if rules.tags == "skip" else await tries.answer(lambda: read_tags(source, key))
    annotations = None
    if rules.annotations == "copy":
        annotations = await tries.answer(lambda: find_annotations(source, key))
    lock = NO_LOCK
    if rules.keeps_locks:
        await tries.answer(lambda: prove_locks_readable(source, key))
        lock = (await tries.answer(lambda: read_properties(source, key, task.source_etag))).lock
    wanted = NewObject((), tags or (), (), rules, annotations, lock)
    return await tries.answer(lambda: settle(store, task.store_key, etag, None, wanted, (), anew=False))
