"""Whether objects that are no longer as listed have changed, or the source's listing is wrong about them.

Some servers, and proxies before them, list other ETags than the objects have, or keys that have no object. Such objects
would be skipped as changed by each plan anew, and nobody would know why.
"""

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.operations.apply.listing_check import list_batch
from hyve_pipeline.operations.requests.in_flight import Reply
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.server_abilities import LISTED_ETAGS, LISTED_KEYS
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.wire.errors import S3RequestError

# After so many objects of which the listing was right, no more are looked at.
_MOST_RIGHT = 20


class ListingDoubts:
    """Looks at the listing of objects that were skipped as changed.

    Args:
        source: where they are; what is wrong with its listing is noted as a lack of its server.
    """

    def __init__(self, source: Connection) -> None:
        self._source = source
        self._right = 0

    async def doubt(self, key: str, etag: str | None) -> str:
        """What is wrong with the listing of an object, as the end of a sentence; empty if it has really changed.

        Args:
            key: the whole key.
            etag: the ETag that was listed when the plan was made.
        """
        # Of an earlier time, the newest listing says nothing.
        if not etag or self._right >= _MOST_RIGHT or self._source.versions is not None:
            return ""
        listed = (await Reply(list_batch(self._source, [key], fewest=1))).etags.get(key)
        try:
            head = await Tries().answer(lambda: head_object(self._source, key))
        except S3RequestError:
            return ""
        if not same_etag(listed, etag) or (head is not None and same_etag(head.etag, etag)):
            self._right += 1
            return ""
        self._source.abilities.note(LISTED_KEYS if head is None else LISTED_ETAGS)
        has = "no object" if head is None else f"an object with the ETag {head.etag!r}"
        return f"; the server still lists the key with the ETag {etag!r}, and has {has}"
