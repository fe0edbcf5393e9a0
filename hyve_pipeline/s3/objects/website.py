"""Whether a bucket is a website, so that the redirects of its objects have an effect."""

from http import HTTPStatus

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline.s3.wire.xml import MalformedXmlError, local_name, parse_xml


def may_be_website(connection: Connection) -> bool:
    """Whether a bucket is a website, or may be one."""
    request = Request("GetBucketWebsite", "GET", query=(("website", ""),))
    try:
        answer = connection.send(request).result()
    except S3RequestError as error:
        # It is unknown where the permission is missing, and after a failure that may pass and did not.
        return error.status == HTTPStatus.FORBIDDEN or error.is_transient
    try:
        # Servers that don't support the request ignore the parameter and list the bucket. Any other answer means yes:
        # a needless request for redirects costs little, and without it redirects would be lost.
        return local_name(parse_xml(answer.body)) != "ListBucketResult"
    except MalformedXmlError:
        return True
