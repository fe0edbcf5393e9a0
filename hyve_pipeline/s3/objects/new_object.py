"""What a new object of the store is given besides its content, as far as the store takes it.

Where the store refuses a part of it that an object can do without, the object is written without that part, and what
came of it says so.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from hyve_pipeline.core.model.copy_task import CopyRules
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.optional_headers import Optional, is_refusal
from hyve_pipeline.s3.connection.server_abilities import (
    REDIRECTS,
    TAGGING_DIRECTIVE,
    TAGS,
    TAGS_IN_WRITES,
    TAGS_READ,
    Ability,
    storage_class_ability,
)
from hyve_pipeline.s3.objects.properties import REDIRECT, ObjectProperties
from hyve_pipeline.s3.objects.tags import Tags, put_tags, read_tags
from hyve_pipeline.s3.objects.write_headers import STORAGE_CLASS_HEADER, storage_class_headers
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.futures import follow, retry, then
from hyve_pipeline.s3.wire.messages import Pairs

# More than that a header can't hold; a request of their own takes all that an object may have.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html
_MOST_TAGGING = 2048

_TAGGING_HEADER = "x-amz-tagging"

_OPTIONAL_TAGS = Optional(TAGS_IN_WRITES, (_TAGGING_HEADER, "x-amz-tagging-directive"), ("tagging", "tags"))
_OPTIONAL_DIRECTIVE = Optional(TAGGING_DIRECTIVE, ("x-amz-tagging-directive",), ("tagging",))
_OPTIONAL_REDIRECT = Optional(REDIRECTS, (REDIRECT,), ("redirect",))


@dataclass(frozen=True, slots=True)
class NewObject:
    """What an object is given when it is written, and afterwards.

    Attributes:
        headers: of the request that writes it; all but checksums and what all objects of the store are given.
        tags: all of its tags, whether they are among the headers or not.
        optional: the headers that it can do without.
        rules: how it is copied.
    """

    headers: Pairs
    tags: Tags
    optional: tuple[Optional, ...]
    rules: CopyRules

    @property
    def has_separate_tags(self) -> bool:
        """Whether it has tags that are not among the headers."""
        return bool(self.tags) and not any(name == _TAGGING_HEADER for name, _ in self.headers)


def new_object(properties: ObjectProperties, rules: CopyRules, *, replaces_tags: bool = False) -> NewObject:
    """What an object is given that is written anew with the properties of another.

    Args:
        properties: those of the other.
        rules: how it is copied.
        replaces_tags: the server is to take no tags over from the object that it writes this one of.
    """
    tags = () if rules.tags == "skip" else properties.tags or ()
    class_headers = storage_class_headers(rules.storage_class, properties.storage_class)
    headers = (*properties.headers, *class_headers, *_tagging(tags), *properties.grants)
    if replaces_tags:
        headers = (*headers, ("x-amz-tagging-directive", "REPLACE"))
    optional = (*_optional_class(rules, class_headers), _OPTIONAL_TAGS, _OPTIONAL_REDIRECT)
    return NewObject(headers, tags, tuple(one for one in optional if one.covers_any(headers)), rules)


def copied_object(storage_class: str, rules: CopyRules, more: Pairs) -> NewObject:
    """What a CopyObject asks for besides what the server takes over by itself.

    Args:
        storage_class: of the source's object.
        rules: how it is copied.
        more: redirect and grants of the source's object, as headers.
    """
    class_headers = storage_class_headers(rules.storage_class, storage_class)
    directive = (("x-amz-tagging-directive", "REPLACE"),) if rules.tags == "skip" else ()
    headers = (*class_headers, *more, *directive)
    optional = (*_optional_class(rules, class_headers), _OPTIONAL_DIRECTIVE, _OPTIONAL_REDIRECT)
    return NewObject(headers, (), tuple(one for one in optional if one.covers_any(headers)), rules)


def settle(
    store: Connection,
    key: str,
    version_id: str | None,
    new: NewObject,
    without: Sequence[Ability],
    *,
    anew: bool = True,
) -> "Future[tuple[str, ...]]":
    """Give an object that was written what could not go with it.

    Args:
        store: the bucket.
        key: the object.
        version_id: the version that was written, or None.
        new: what it was to be given.
        without: what the server lacks, so that it was written without.
        anew: False where it is not known what an earlier attempt gave it.

    Returns:
        A future that gives what it has to do without, in words; or raises `S3RequestError`.
    """
    outcome: Future[tuple[str, ...]] = Future()
    lost = tuple(ability.loses for ability in without if ability.loses is not None)
    if not new.tags or (anew and not new.has_separate_tags and TAGS_IN_WRITES not in without):
        outcome.set_result(lost)
        return outcome
    if new.rules.tags == "copy" and store.abilities.lacks(TAGS):
        outcome.set_result((*lost, "tags"))
        return outcome

    def go_without(error: BaseException) -> "Future[tuple[str, ...]]":
        if not isinstance(error, S3RequestError) or new.rules.tags != "copy" or not is_refusal(error):
            raise error
        store.abilities.note(TAGS, instead_of=(TAGS_IN_WRITES, TAGS_READ))
        outcome: Future[tuple[str, ...]] = Future()
        outcome.set_result((*lost, "tags"))
        return outcome

    def put(found: Tags | None) -> "Future[tuple[str, ...]]":
        if found is None:
            raise _unknown_tags(store, key)
        return then(put_tags(store, key, new.tags, version_id), lambda _: lost)

    # A server that knows no tags would take them for the object itself: only one that has told some gets any.
    put_safely = put(()) if store.abilities.has_proved(TAGS) else follow(read_tags(store, key), put)
    return retry(put_safely, go_without)


def _unknown_tags(store: Connection, key: str) -> S3RequestError:
    return S3RequestError(
        "PutObjectTagging",
        store.bucket,
        key,
        status=None,
        code="NotImplemented",
        message='the server knows no object tags: object_tags = "copy" goes on without them',
    )


def _tagging(tags: Tags) -> Pairs:
    """The header that gives a new object these tags, where there are any and it can hold them."""
    value = urlencode(tags, quote_via=quote)
    return ((_TAGGING_HEADER, value),) if tags and len(value) <= _MOST_TAGGING else ()


def _optional_class(rules: CopyRules, headers: Pairs) -> tuple[Optional, ...]:
    # A class that the options name is no wish of the source's.
    if rules.storage_class != "source" or not headers:
        return ()
    words = ("storage class", "storage-class", "storageclass")
    return (Optional(storage_class_ability(headers[0][1]), (STORAGE_CLASS_HEADER,), words),)
