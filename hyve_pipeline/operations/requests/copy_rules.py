"""How the objects of a plan are copied: what its options ask for, and what is found out of the source."""

from http import HTTPStatus

from hyve_pipeline.core.model.copy_task import CopyRules
from hyve_pipeline.core.settings.model import Options
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline.s3.wire.xml import MalformedXmlError, local_name, parse_xml


def copy_rules(options: Options, source: Connection) -> CopyRules:
    """How objects are copied from the source to the store."""
    return CopyRules(
        headers=(*_encryption(options), *_canned_acl(options)),
        keeps_parts=options.keep_parts,
        copies_grants=options.acl == "source",
        keeps_redirect=_keeps_redirects(options, source),
    )


def trash_rules(options: Options, store: Connection) -> CopyRules:
    """How objects are copied from the store to the trash, which nobody but its owner needs to read."""
    return CopyRules(
        headers=_encryption(options), keeps_parts=options.keep_parts, keeps_redirect=_keeps_redirects(options, store)
    )


def restored_rules(options: Options, store: Connection) -> CopyRules:
    """How objects are copied from the trash back to the store."""
    return CopyRules(
        headers=(*_encryption(options), *_canned_acl(options)),
        keeps_parts=options.keep_parts,
        keeps_redirect=_keeps_redirects(options, store),
    )


def _encryption(options: Options) -> tuple[tuple[str, str], ...]:
    headers: list[tuple[str, str]] = []
    if options.encryption is not None:
        headers.append(("x-amz-server-side-encryption", options.encryption))
    if options.kms_key_id is not None:
        headers.append(("x-amz-server-side-encryption-aws-kms-key-id", options.kms_key_id))
    if options.bucket_key is not None:
        headers.append(("x-amz-server-side-encryption-bucket-key-enabled", str(options.bucket_key).lower()))
    return tuple(headers)


def _canned_acl(options: Options) -> tuple[tuple[str, str], ...]:
    return () if options.acl in ("none", "source") else (("x-amz-acl", options.acl),)


def _keeps_redirects(options: Options, bucket: Connection) -> bool:
    """Whether redirects are copied: as the options say, or where the bucket is a website, so that they do something."""
    return _may_be_website(bucket) if options.website_redirects is None else options.website_redirects


def _may_be_website(source: Connection) -> bool:
    """Whether a bucket is a website, or may be one, for all that it tells."""
    request = Request("GetBucketWebsite", "GET", query=(("website", ""),))
    try:
        answer = source.send(request).result()
    except S3RequestError as error:
        # Only a server that knows the question, and may not answer it, leaves it open.
        return error.status == HTTPStatus.FORBIDDEN
    try:
        # Servers that don't know the question take it for one that they know.
        return local_name(parse_xml(answer.body)) == "WebsiteConfiguration"
    except MalformedXmlError:
        return False
