"""Reading versions of objects that are not the newest: a connection adds the version's id to each request that reads.

So whatever is read of an object, its content, headers, tags or ACL, is of that version.
"""

from collections.abc import Callable

from hyve_pipeline.s3.wire.messages import Request, copy_source

_READS = {"GET", "HEAD"}


class VersionPins:
    """Which versions of a bucket's objects are read.

    Args:
        find: gives the id of the version of a whole key; None for the newest. It may be called by any thread.
    """

    def __init__(self, find: Callable[[str], str | None]) -> None:
        self.find = find

    def pinned(self, request: Request) -> Request:
        """The request, for the version that is to be read if it reads an object."""
        if request.key is None or request.method not in _READS:
            return request
        version_id = self.find(request.key)
        return request if version_id is None else request._replace(query=(*request.query, ("versionId", version_id)))


def pinned_source(bucket: str, key: str, pins: VersionPins | None) -> str:
    """What names an object as the source of a copy: the version that is read of it."""
    return copy_source(bucket, key, None if pins is None else pins.find(key))
