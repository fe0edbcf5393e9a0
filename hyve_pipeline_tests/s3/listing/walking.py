"""Listings by a single walk, as the tests of listings make them."""

from hyve_pipeline.core.model.inventory import KeyRange, RangeProof
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.bucket_listing import BucketListing
from hyve_pipeline.s3.listing.pages import Page


def listed_pages(
    connection: Connection, after: str = "", until: str | None = None, max_keys: int = 1000
) -> tuple[list[Page], RangeProof]:
    """The pages that have keys, and the proof that they are all; damaged pages are requested again without a pause."""
    key_range = KeyRange(after=after, until=until)
    listing = BucketListing(connection, key_range=key_range, ceiling=1, max_keys=max_keys, first_pause=0.0)
    pages = [page for _, page in listing if len(page)]
    (proof,) = listing.proof
    return pages, proof


def walked(
    connection: Connection, after: str = "", until: str | None = None, max_keys: int = 1000
) -> tuple[list[str], RangeProof]:
    """The keys of those pages."""
    pages, proof = listed_pages(connection, after, until, max_keys)
    return [key for page in pages for key in page.keys], proof
