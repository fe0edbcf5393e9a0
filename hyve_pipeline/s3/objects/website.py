"""Whether a bucket is a website, so that the redirects of its objects do something."""

from http import HTTPStatus

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline.s3.wire.xml import MalformedXmlError, local_name, parse_xml


def may_be_website(connection: Connection) -> bool:
    """Whether a bucket is a website, or may be one, as far as it says."""
    request = Request("GetBucketWebsite", "GET", query=(("website", ""),))
    try:
        answer = connection.send(request).result()
    except S3RequestError as error:
        # Only a server that knows the question, and may not answer it, leaves it open.
        return error.status == HTTPStatus.FORBIDDEN
    try:
        # Servers that don't know the question take it for one that they know, and list the bucket. Anything else leaves
        # it open: a redirect that is asked for in vain costs a request, and one that is not is lost.
        return local_name(parse_xml(answer.body)) != "ListBucketResult"
    except MalformedXmlError:
        return True
