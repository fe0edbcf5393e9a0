"""Access control lists: the grants of one object, as headers that give the same to another.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
"""

from concurrent.futures import Future

from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.transport import ResponseOrError
from hyve_pipeline.s3.objects.source_responses import source_answer
from hyve_pipeline.s3.wire.errors import invalid_response
from hyve_pipeline.s3.wire.messages import Pairs, Request
from hyve_pipeline.s3.wire.responses import parse_response
from hyve_pipeline.s3.wire.xml import Element, child_text

# WRITE is not defined for objects.
_HEADERS = {
    "FULL_CONTROL": "x-amz-grant-full-control",
    "READ": "x-amz-grant-read",
    "READ_ACP": "x-amz-grant-read-acp",
    "WRITE_ACP": "x-amz-grant-write-acp",
}


def read_grants(source: Connection, key: str) -> "Future[Pairs]":
    """Request the grants of an object.

    Returns:
        A future that gives the headers for the same grants on a new object, without the owner's: a copy has its own
        owner. It raises `S3RequestError` if the request failed.
    """
    request = Request("GetObjectAcl", "GET", key, query=(("acl", ""),))

    def read(ending: ResponseOrError) -> Pairs:
        response = source_answer(ending)
        root = parse_response(source.bucket, request, response, "AccessControlPolicy")
        try:
            return _as_headers(root)
        except ValueError as error:
            reason = f"the answer is no list of grants: {error}"
            raise invalid_response(source.bucket, request, response, reason) from None

    return source.ask(request, read)


def _as_headers(policy: Element) -> Pairs:
    owner = next((child_text(element, "ID") for element in policy.iterchildren("{*}Owner")), None)
    if next(policy.iterchildren("{*}AccessControlList"), None) is None:
        raise ValueError("it has no AccessControlList")
    if not owner:
        raise ValueError("it has no owner")
    grantees: dict[str, list[str]] = {}
    for grant in policy.iter("{*}Grant"):
        permission = child_text(grant, "Permission")
        grantee = next(grant.iterchildren("{*}Grantee"), None)
        if not permission or grantee is None:
            raise ValueError("a grant has no permission, or no grantee")
        header = _HEADERS.get(permission)
        if header is None:
            continue
        identity, uri = child_text(grantee, "ID"), child_text(grantee, "URI")
        if uri:
            grantees.setdefault(header, []).append(f'uri="{uri}"')
        elif not identity and not child_text(grantee, "EmailAddress"):
            raise ValueError("a grantee has no name")
        elif identity and identity != owner:
            grantees.setdefault(header, []).append(f'id="{identity}"')
    return tuple((header, ", ".join(names)) for header, names in grantees.items())
