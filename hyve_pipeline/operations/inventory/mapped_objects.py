"""Whether a source has any object that a mapping is about: nothing is deleted for one that has none."""

from hyve_pipeline.core.model.inventory import KeyRange
from hyve_pipeline.core.settings.mapping import MappingRule, key_mapping
from hyve_pipeline.operations.apply.listing_check import just_before
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.bucket_listing import BucketListing


def has_mapped_object(source: Connection, rules: tuple[MappingRule, ...]) -> bool:
    """Whether a source has an object that a rule is about.

    A request shows it for a prefix. With an expression among the rules, the source is listed up to the first such
    object.

    Args:
        source: the source.
        rules: the rules of the mapping.

    Raises:
        BucketError: it can't be listed.
        IncompleteInventoryError: a page failed, or contradicts the others.
    """
    prefix = source.place.prefix
    if any(rule.beginning is not None and _has_key(source, prefix + rule.beginning) for rule in rules):
        return True
    if all(rule.match is None for rule in rules):
        return False
    mapping = key_mapping(rules)
    listing = BucketListing(source, ceiling=1, stop=source.closing)
    return any(mapping.to_store(key[len(prefix) :]) is not None for _, page in listing for key in page.keys)


def _has_key(source: Connection, beginning: str) -> bool:
    span = KeyRange(after=just_before(beginning))
    for _, page in BucketListing(source, key_range=span, ceiling=1, stop=source.closing):
        for key in page.keys:
            if key >= beginning:
                return key.startswith(beginning)
    return False
