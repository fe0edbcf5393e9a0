"""The types of settings that say where a bucket is and how it is reached, and what they can be."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from hyve_pipeline.core.settings.field_checks import JsonSchema, Matching, names_host

# The longest key of S3, in UTF-8; a prefix must leave room for at least one more byte.
MAX_KEY_BYTES = 1024
# New buckets on AWS have 3 to 63 lowercase letters, digits, dots and hyphens; old ones and other servers allow this.
_BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
# Names that can be a host name label below AWS's wildcard certificate.
_HOST_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_KEY_ID = re.compile(r"[A-Za-z0-9:/_.-]{1,2048}")
# The partition is another on other servers, some of which leave the account out.
_ROLE_ARN = re.compile(r"arn:[A-Za-z0-9-]+:iam:[A-Za-z0-9-]*:[A-Za-z0-9_$-]*:role/[A-Za-z0-9+=,.@_/-]{1,512}")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,1224}")
_STORAGE_CLASS = re.compile(r"[A-Z][A-Z0-9_-]{0,63}")
_UNORDERED = " (S3 Express): it lists keys in no order, so no listing can be proved complete"
# Name suffixes that AWS reserves for other kinds of buckets, and why those can't be synced.
_OTHER_KINDS = {
    "--x-s3": f"a directory bucket{_UNORDERED}",
    "--xa-s3": f"the access point of a directory bucket{_UNORDERED}",
    ".mrap": "the alias of a multi-region access point: any of several buckets may answer, so no listing and no write "
    "can be proved",
    "--ol-s3": "the alias of an Object Lambda access point: its objects are generated when they are read",
    "--table-s3": "a table bucket: its objects belong to the tables",
}
_URI = re.compile(r"s3://([^/]+)(?:/(.*))?", re.DOTALL)


def is_region(name: str) -> bool:
    """Whether `name` can be the name of a region, on AWS or another server."""
    return _REGION.fullmatch(name) is not None


def is_profile_name(name: str) -> bool:
    """Whether `name` is a valid name of an AWS profile, which needs no quoting as a section name in either AWS file."""
    # In `configparser` the section DEFAULT, unlike `default`, gives its options to all others.
    return name.isprintable() and name == name.strip() != "" and not set(name) & set("[]\"'\\#;") and name != "DEFAULT"


def is_host_label(bucket: str) -> bool:
    """Whether a bucket can be part of a host name, as in ``bucket.s3.amazonaws.com``; else it is part of the path."""
    return _HOST_LABEL.fullmatch(bucket) is not None


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and prefix of a trash or state such as ``s3://bucket/prefix/``.

    Raises:
        ValueError: it is not such a URI.
    """
    match = _URI.fullmatch(uri)
    if match is None or not _BUCKET_NAME.fullmatch(match[1]):
        why = f": {match[1]!r} is not the name of a bucket" if match is not None else ""
        raise ValueError(f"{uri!r} is not a URI such as 's3://bucket/prefix/'{why}")
    _check_kind(match[1])
    return match[1], _as_folder(match[2] or "")


def _valid_bucket(name: str) -> str:
    if name.startswith("s3://"):
        raise ValueError(f"{name!r} is not a bucket name: omit s3://, and set what follows the name as prefix")
    _check_kind(name)
    if not _BUCKET_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a bucket name: letters, digits, dots and hyphens, at least 3")
    return name


def _check_kind(name: str) -> None:
    """Refuse names that are not those of general purpose buckets.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html

    Raises:
        ValueError: it is of another kind.
    """
    kind = next((kind for end, kind in _OTHER_KINDS.items() if name.endswith(end)), None)
    if name.startswith("arn:"):
        kind = "an ARN: Hyve requires the name of a bucket, or the alias of an access point (…-s3alias)"
    if kind is not None:
        raise ValueError(f"{name!r} is {kind}; name a general purpose bucket")


def _as_folder(prefix: str) -> str:
    """The prefix as a folder, as in `aws s3 sync`: ``img`` must not match ``img2/`` and delete there."""
    folder = prefix if not prefix or prefix.endswith("/") else prefix + "/"
    if len(folder.encode(errors="surrogatepass")) >= MAX_KEY_BYTES:
        raise ValueError(f"is longer than a key can be, {MAX_KEY_BYTES} bytes")
    return folder


def _valid_profile(name: str) -> str:
    if not is_profile_name(name):
        raise ValueError(f"{name!r} is not the name of an AWS profile")
    return name


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            # urlsplit drops newlines and tabs, and keeps spaces.
            and url.isascii()
            and url.isprintable()
            and parts.path in ("", "/")
            and not set("?#@ ") & set(url)
            and names_host(parts)
            and parts.port != 0
        )
    except ValueError:
        return False


def _valid_endpoint(url: str) -> str:
    if _is_endpoint(url):
        return url.rstrip("/")
    without_path = "/".join(url.split("/")[:3])
    meant = [f"http://{url}", f"https://{url}"] if "://" not in url else [without_path]
    hint = f": write {' or '.join(map(repr, meant))}" if all(map(_is_endpoint, meant)) else ""
    shown = re.sub("^(.*?//)?.*@", r"\1…@", url)
    raise ValueError(f"{shown!r} is not an endpoint such as 'https://s3.example.org:9000'{hint}")


def _valid_storage_class(text: str) -> str:
    if text not in ("source", "default") and not _STORAGE_CLASS.fullmatch(text):
        raise ValueError(f'{text!r} is not "source", "default", or the name of a storage class such as STANDARD_IA')
    return text


def _valid_uri(uri: str) -> str:
    bucket, prefix = split_uri(uri)
    return f"s3://{bucket}/{prefix}"


def _valid_report_uri(uri: str) -> str:
    bucket, prefix = split_uri(uri)
    if not prefix:
        raise ValueError(f"{uri!r} is a whole bucket: name the folder of the reports, 's3://reports/bucket/config-id/'")
    return f"s3://{bucket}/{prefix}"


_ENDPOINT = re.compile(r"https?://[^/?#@ ]+/?")
_ANY_CLASS = re.compile(rf"source|default|{_STORAGE_CLASS.pattern}")
BucketName = Annotated[str, AfterValidator(_valid_bucket), JsonSchema(_BUCKET_NAME, examples=["hyve-rootwork"])]
Prefix = Annotated[str, AfterValidator(_as_folder), JsonSchema(examples=["images/"])]
ProfileName = Annotated[str, AfterValidator(_valid_profile), JsonSchema(minLength=1, examples=["hyve"])]
Region = Annotated[str, Matching(_REGION, "not a region such as 'eu-central-1'", examples=["eu-central-1"])]
RoleArn = Annotated[
    str,
    Matching(
        _ROLE_ARN,
        "not the ARN of a role such as 'arn:aws:iam::123456789012:role/hyve'",
        examples=["arn:aws:iam::123456789012:role/hyve"],
    ),
]
AccountId = Annotated[str, Matching(_ACCOUNT_ID, "not an AWS account: 12 digits", examples=["123456789012"])]
ExternalId = Annotated[
    str, Matching(_EXTERNAL_ID, "not an external id: 2 to 1224 letters, digits and _+=,.@:/-", examples=["hyve-4711"])
]
EndpointUrl = Annotated[
    str, AfterValidator(_valid_endpoint), JsonSchema(_ENDPOINT, examples=["https://s3.example.org:9000"])
]
KeyId = Annotated[str, Matching(_KEY_ID, "not the id, alias or ARN of a KMS key", examples=["alias/hyve"])]
StorageClass = Annotated[
    str, AfterValidator(_valid_storage_class), JsonSchema(_ANY_CLASS, examples=["default", "STANDARD_IA"])
]
TrashUri = Annotated[
    str, AfterValidator(_valid_uri), JsonSchema(re.compile("s3://[^/]+(/.*)?"), examples=["s3://hyve-trash/images/"])
]
StateUri = Annotated[
    str, AfterValidator(_valid_uri), JsonSchema(re.compile("s3://[^/]+(/.*)?"), examples=["s3://hyve-state/home/"])
]
ReportUri = Annotated[
    str,
    AfterValidator(_valid_report_uri),
    JsonSchema(re.compile("s3://[^/]+/.+"), examples=["s3://hyve-reports/hyve-rootwork/daily/"]),
]
