"""How the objects of a plan are copied, by its options and by what the source is."""

from hyve_pipeline.core.model.copy_task import CopyRules
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.server_abilities import OBJECT_LOCKS
from hyve_pipeline.s3.objects.object_lock import has_object_lock
from hyve_pipeline.s3.objects.website import may_be_website
from hyve_pipeline.s3.objects.write_headers import canned_acl_headers, encryption_headers
from hyve_pipeline.s3.wire.errors import naming_bucket


def copy_rules(options: Options, source: Connection, store: Connection | None) -> CopyRules:
    """How objects are copied from the source to the store.

    Args:
        options: the options.
        source: the source.
        store: the store; None where it can't be reached, for what concerns the source alone.

    Raises:
        BucketError: it is unknown whether a bucket has Object Lock, as a permission is missing.
    """
    keeps_locks = options.locks == "copy" and _have_locks(source, store)
    return rules_of_copies(options, keeps_redirect=_keeps_redirects(options, source), keeps_locks=keeps_locks)


def rules_of_copies(options: Options, *, keeps_redirect: bool, keeps_locks: bool = False) -> CopyRules:
    """The same, where it is known whether redirects and locks are copied."""
    return CopyRules(
        headers=(*_encryption(options), *canned_acl_headers(options.acl)),
        keeps_parts=options.keep_parts,
        copies_grants=options.acl == "source",
        keeps_redirect=keeps_redirect,
        storage_class=options.storage_class,
        tags=options.object_tags,
        annotations=options.annotations,
        keeps_locks=keeps_locks,
    )


def trash_rules(options: Options, store: Connection) -> CopyRules:
    """How objects are copied from the store to the trash, which only its owner needs to read."""
    return rules_of_trash(options, keeps_redirect=_keeps_redirects(options, store))


def rules_of_trash(options: Options, *, keeps_redirect: bool) -> CopyRules:
    """The same, where it is known whether redirects are copied."""
    return CopyRules(
        headers=_encryption(options),
        keeps_parts=options.keep_parts,
        keeps_redirect=keeps_redirect,
        annotations=options.annotations,
    )


def restored_rules(options: Options, store: Connection) -> CopyRules:
    """How objects are copied from the trash back to the store."""
    return CopyRules(
        headers=(*_encryption(options), *canned_acl_headers(options.acl)),
        keeps_parts=options.keep_parts,
        keeps_redirect=_keeps_redirects(options, store),
        annotations=options.annotations,
    )


def _encryption(options: Options) -> tuple[tuple[str, str], ...]:
    return encryption_headers(options.encryption, options.kms_key_id, options.bucket_key)


def _keeps_redirects(options: Options, bucket: Connection) -> bool:
    """Whether redirects are copied: by the options, or else if the bucket is a website, where they have an effect."""
    return may_be_website(bucket) if options.website_redirects is None else options.website_redirects


def _have_locks(source: Connection, store: Connection | None) -> bool:
    """Whether both buckets have Object Lock; that only the source has it is a lack of the store."""
    found: list[bool] = []
    for bucket in (source, *((store,) if store is not None else ())):
        with naming_bucket(bucket.place):
            found.append(has_object_lock(bucket))
    if found == [True, False] and store is not None:
        store.abilities.note(OBJECT_LOCKS)
    return all(found)
