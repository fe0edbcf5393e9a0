"""Lists the versions of a single key."""

from hyve_pipeline.operations.requests.in_flight import Pause
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.history_walk import KeyWalk
from hyve_pipeline.s3.listing.version_pages import ListedVersion
from hyve_pipeline.s3.listing.walk import FIRST_PAUSE_SECONDS, MOST_DAMAGED, PAUSE_GROWTH, DamagedPageError, read_page
from hyve_pipeline.s3.wire.messages import Pairs


async def list_key(connection: Connection, key: str, headers: Pairs, tries: Tries) -> list[ListedVersion] | None:
    """All versions and delete markers of a key, oldest first; None where the server does not show their order.

    Args:
        connection: the bucket.
        key: the whole key.
        headers: headers of each request, such as `RESTORE_STATUS`.
        tries: counts repeated requests.

    Raises:
        S3RequestError: a request failed for good.
        IncompleteInventoryError: the listing is damaged, or contradicts itself.
    """
    walk = KeyWalk(connection.place, key, headers, connection.listing_dialect)
    damaged = 0
    while not walk.has_ended:
        response = await tries.answer(lambda: connection.send(walk.request()))
        try:
            read_page(connection, walk, response)
            damaged = 0
        except DamagedPageError:
            damaged += 1
            if damaged == MOST_DAMAGED:
                raise
            await Pause(FIRST_PAUSE_SECONDS * PAUSE_GROWTH**damaged)
    return walk.versions
