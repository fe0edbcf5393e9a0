"""Second evidence that the source lacks what is about to be deleted: HEAD requests for some of the keys.

A listing that is wrong once may be wrong again in the same way. So where only a listing says that the source
lacks the keys of a batch, HEAD requests are sent for a sample of them, or for all of them where they are few.
"""

import random
from collections.abc import Sequence
from typing import TypeVar

from hyve_pipeline.operations.apply.listing_check import list_batch
from hyve_pipeline.operations.requests.in_flight import Reply
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.wire.errors import S3RequestError

T = TypeVar("T")

# Half of them are spread evenly over the batch, so that they find every gap of an eighth of it, such as a lost page or
# range; the others are chosen at random, for single keys that are lost: if a tenth is lost, that is
# noticed in seven of eight cases. It is two HEAD requests for a hundred deletes.
SAMPLE = 20


def sample_of(rows: Sequence[T]) -> list[T]:
    """The sample of a batch, in its order: all of it where it is small."""
    if len(rows) <= SAMPLE:
        return list(rows)
    spread = SAMPLE // 2
    places = {number * (len(rows) - 1) // (spread - 1) for number in range(spread)}
    others = [place for place in range(len(rows)) if place not in places]
    places.update(random.sample(others, SAMPLE - len(places)))
    return [rows[place] for place in sorted(places)]


async def is_there(source: Connection, key: str) -> "bool | S3RequestError":
    """Whether the source has a key, by HEAD; or the error that leaves that unknown."""
    try:
        return await Tries().answer(lambda: head_object(source, key)) is not None
    except S3RequestError as error:
        return error


async def is_listed(source: Connection, key: str) -> bool:
    """Whether the source's listing has a key now."""
    return key in (await Reply(list_batch(source, [key], fewest=1))).etags
