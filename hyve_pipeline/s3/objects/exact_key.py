"""Whether a bucket has an object of exactly one key: servers that store files may find one of a similar key by HEAD."""

from concurrent.futures import Future
from urllib.parse import unquote, unquote_plus

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.futures import recover, then
from hyve_pipeline.s3.wire.messages import Request, Response
from hyve_pipeline.s3.wire.responses import is_truncated, parse_response
from hyve_pipeline.s3.wire.xml import child_text


def is_other_key(connection: Connection, key: str) -> "Future[bool]":
    """Whether an object that HEAD has found under a key is certainly one of another key.

    The key itself is first among all keys that begin with it, so that a listing of one key shows it.

    Returns:
        A future that gives False also where the listing is refused, or proves nothing.
    """
    query = (("list-type", "2"), ("prefix", key), ("max-keys", "1"), ("encoding-type", "url"))
    request = Request("ListObjectsV2", "GET", query=query)

    def read(response: Response) -> bool:
        root = parse_response(connection.bucket, request, response, "ListBucketResult")
        names = [child_text(entry, "Key") or "" for entry in root.iter("{*}Contents")]
        if any(key in (name, unquote(name), unquote_plus(name)) for name in names):
            return False
        return bool(names) or not is_truncated(connection.bucket, request, response, root)

    def go_on(error: BaseException) -> bool:
        if not isinstance(error, S3RequestError):
            raise error
        return False

    return recover(then(connection.send(request), read), go_on)
