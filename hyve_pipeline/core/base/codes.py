"""What codes mean, in words: the safety rules that refuse, and why an object was skipped or failed.

Scripts rely on the codes; wherever a user reads one, its words follow. It stands below everything else, since messages
of errors have codes too.
"""

# The safety rules.
RULES = {
    "empty_source": "the source is empty",
    "max_deletes": "too many deletes",
    "max_overwrites": "too many overwrites",
    "max_cost": "too expensive",
    "max_duration": "it takes too long",
    "one_bucket": "source and store are one bucket",
    "mapping": "two keys would become one",
    "copies_first": "copies are missing",
    "as_of": "an earlier time shows nothing to delete",
    "one_at_a_time": "another process is at work",
    "undone": "the plan was undone",
    "unversioned_store": "the store keeps no versions",
    "nothing_kept": "nothing is left to put back",
    "not_verified": "nothing is proved",
}

# Hyve's own codes, of objects and of requests without a usable answer, and those of S3 that are frequent.
CODES = {
    "AlreadyDone": "copied before",
    "AlreadyGone": "deleted before",
    "ChangedSincePlan": "changed since the plan was made",
    "BackInSource": "the source has it again",
    "ListingContradicted": "the source has keys that its listing lacks",
    "Archived": "archived, it must be restored first",
    "CustomerKey": "encrypted with a key that only its owner has",
    "HiddenMetadata": "it has metadata that the server can't show",
    "OtherVersions": "the store has other versions than the source",
    "NotProved": "the store does not show the copy",
    "NotTried": "not tried, a bucket did not answer any more",
    "NotKept": "neither the trash nor a version has the object of before",
    "OnlyCopy": "the source no longer has this version",
    "WasNew": "there was nothing before",
    "AlreadyBack": "it was back before",
    "ConnectionError": "no connection",
    "Timeout": "the server did not answer in time",
    "ResponseTimeout": "the server did not answer in time",
    "TLSError": "no trusted TLS connection",
    "CredentialsError": "no usable credentials",
    "InvalidResponse": "the server does not answer as S3 does",
    "AnswerTooLarge": "the server does not answer as S3 does",
    "UnboundedAnswer": "the server does not answer as S3 does",
    "UnreadableBody": "the server does not answer as S3 does",
    "UnreadableHeader": "the server does not answer as S3 does",
    "NotMentioned": "the answer does not mention it",
    "ObjectLocked": "the store's object is locked",
    "Forbidden": "refused without a reason",
    "MovedPermanently": "the bucket is elsewhere",
    "NotFound": "not found",
    "AccessDenied": "a permission is missing",
    "AccessControlListNotSupported": 'the bucket takes no ACLs: acl = "none" sends none',
    "AuthorizationHeaderMalformed": "the region is wrong",
    "BadDigest": "the content was damaged on the way",
    "EntityTooLarge": "too large",
    "ExpiredToken": "the credentials have expired",
    "InternalError": "an error of the server",
    "InvalidAccessKeyId": "the access key is not known",
    "InvalidObjectState": "archived, it must be restored first",
    "InvalidRequest": "the server does not accept the request",
    "InvalidStorageClass": "the store does not have this storage class",
    "KeyTooLongError": "the key is too long for the store",
    "MetadataTooLarge": "more metadata than the store keeps",
    "MethodNotAllowed": "the server can't do this",
    "NoSuchBucket": "there is no such bucket",
    "NoSuchKey": "there is no such object",
    "NotImplemented": "the server can't do this",
    "PermanentRedirect": "the bucket is elsewhere",
    "PreconditionFailed": "changed meanwhile",
    "QuotaExceeded": "the store is full",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "RequestTimeout": "the server did not answer in time",
    "ServiceUnavailable": "the server is overloaded",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "SlowDown": "too many requests at once",
    "TemporaryRedirect": "the bucket is elsewhere",
    "TooManyRequests": "too many requests at once",
    "unknown": "no reason was given",
}


def in_words(code: str) -> str:
    """A code with its words, as `ChangedSincePlan (changed since the plan was made)`; one without words as it is."""
    words = RULES.get(code) or CODES.get(code)
    return code if words is None else f"{code} ({words})"
