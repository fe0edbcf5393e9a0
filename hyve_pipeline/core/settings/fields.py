"""The types of the settings' values, each with its check and an error message that says what is expected."""

import re
import shlex
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, PlainValidator
from pydantic_core import CoreSchema, PydanticKnownError

from hyve_pipeline.core.base.durations import parse_duration
from hyve_pipeline.core.base.sizes import parse_size
from hyve_pipeline.core.base.suggestions import hint_for
from hyve_pipeline.core.settings.cron import NICKNAMES, check_cron

# The longest key of S3, in UTF-8; a prefix must leave room for at least one more byte.
MAX_KEY_BYTES = 1024

SYNC_NAME_RULE = "a letter, then letters, digits and _, at most 63"
_SYNC_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
# New buckets on AWS have 3 to 63 lowercase letters, digits, dots and hyphens; old ones and other servers allow this.
_BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
# Names that can be a host name label below AWS's wildcard certificate.
_HOST_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_KEY_ID = re.compile(r"[A-Za-z0-9:/_.-]{1,2048}")
# The partition is another on other servers, some of which leave the account out.
_ROLE_ARN = re.compile(r"arn:[A-Za-z0-9-]+:iam:[A-Za-z0-9-]*:[A-Za-z0-9_$-]*:role/[A-Za-z0-9+=,.@_/-]{1,512}")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,1224}")
_STORAGE_CLASS = re.compile(r"[A-Z][A-Z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"(/|~/)[^\x00-\x1f]+")
_MAIL_ADDRESS = re.compile(r"[^\s@,<>\"]+@[^\s@,<>\"]+")
_RESOURCE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# The patterns that Dagster checks owners by.
_OWNER = re.compile(r"team:\S+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
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
_TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")
_URI = re.compile(r"s3://([^/]+)(?:/(.*))?", re.DOTALL)


def is_sync_name(name: str) -> bool:
    """Whether `name` is a valid name of a sync: it becomes part of Dagster names, so letters, digits and ``_``."""
    return _SYNC_NAME.fullmatch(name) is not None


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


def _matching(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    """Checks that the whole text matches a pattern; `expected` completes the message "'x' is …"."""

    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} is {expected}")
        return text

    return AfterValidator(check)


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


def _valid_endpoint(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in ("http", "https")
            # urlsplit drops newlines and tabs, and keeps spaces.
            and url.isascii()
            and url.isprintable()
            and parts.path in ("", "/")
            and not set("?#@ ") & set(url)
            and _HOST.fullmatch(parts.netloc.removesuffix(f":{parts.port}")) is not None
            and parts.port != 0
        )
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{re.sub('//.*@', '//…@', url)!r} is not an endpoint such as 'https://s3.example.org:9000'")
    return url.rstrip("/")


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


def _valid_glob(glob: str) -> str:
    if not glob:
        raise ValueError("an empty glob matches nothing: leave it out, or write '*' for everything")
    return glob


def _valid_schedule(expression: str) -> str:
    check_cron(expression)
    return expression


def _valid_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = hint_for(name, sorted(available_timezones()))
        raise ValueError(f"{name!r} is not a time zone such as 'Europe/Berlin'{hint}") from None
    return name


def is_webhook_url(url: str) -> bool:
    """Whether alerts can be posted to a URL: HTTP or HTTPS, without user and password."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and url.isascii()
            and url.isprintable()
            and " " not in url
            and _HOST.fullmatch(parts.netloc.removesuffix(f":{parts.port}")) is not None
        )
    except ValueError:
        return False


def _valid_command(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"{command!r} is not a command: {error}") from None
    if not words or not command.isprintable():
        raise ValueError(f"{command!r} is not a command such as 'sendmail -t'")
    return command


def _valid_webhook(url: str) -> str:
    if not is_webhook_url(url):
        # The message does not repeat the URL: it may contain a password.
        raise ValueError("is not a URL such as 'https://alerts.example.org/hyve', without user and password")
    return url


def _size_from_text(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def _duration_from_text(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _bandwidth_from_text(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        size, a_second, rest = value.rstrip().rpartition("/s")
        if not a_second or rest:
            raise ValueError
        return parse_size(size)
    except ValueError:
        raise ValueError(f"{value!r} is not a bandwidth such as '200 MB/s', in bytes a second") from None


# The most objects that a shard may be asked to have; it has more where a plan would have too many shards.
_MOST_SHARD_OBJECTS = 1_000_000


def _valid_shard_objects(value: object) -> object:
    if value == "auto":
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f'{value!r} is neither "auto" nor a number of objects such as 10000')
    if value < 1:
        raise PydanticKnownError("greater_than_equal", {"ge": 1})
    if value > _MOST_SHARD_OBJECTS:
        raise PydanticKnownError("less_than_equal", {"le": _MOST_SHARD_OBJECTS})
    return value


class JsonSchema:
    """Adds to the JSON Schema of a type: a pattern for what its validator checks, as far as possible, and examples.

    Args:
        pattern: the pattern of the whole text.
        more: other keywords.
    """

    def __init__(self, pattern: re.Pattern[str] | None = None, **more: Any) -> None:
        self._keywords = more if pattern is None else {"pattern": f"^({pattern.pattern})$", **more}

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), **self._keywords}


_ENDPOINT = re.compile(r"https?://[^/?#@ ]+/?")
_WEBHOOK = re.compile(r"https?://[^@ ]+")
_CRON = re.compile(rf"{'|'.join(sorted(NICKNAMES))}|\s*\S+(\s+\S+){{4}}\s*")
_SIZE = re.compile(r"\s*[0-9]{1,18}(\.[0-9]{1,18})?\s*([kmgtpKMGTP][iI]?)?[bB]?\s*")
_DURATION = re.compile(r"\s*[0-9]{1,9}(\.[0-9]{1,9})?\s*(m|min|minutes?|h|hours?|d|days?)\s*")
_ANY_OWNER = re.compile(r"team:\S+|[^@\s]+@[^@\s]+\.[^@\s]+")
_ANY_CLASS = re.compile(rf"source|default|{_STORAGE_CLASS.pattern}")

SyncName = Annotated[
    str, _matching(_SYNC_NAME, f"not a sync name: {SYNC_NAME_RULE}"), JsonSchema(_SYNC_NAME, examples=["images"])
]
BucketName = Annotated[str, AfterValidator(_valid_bucket), JsonSchema(_BUCKET_NAME, examples=["hyve-rootwork"])]
Prefix = Annotated[str, AfterValidator(_as_folder), JsonSchema(examples=["images/"])]
ProfileName = Annotated[str, AfterValidator(_valid_profile), JsonSchema(minLength=1, examples=["hyve"])]
Region = Annotated[
    str,
    _matching(_REGION, "not a region such as 'eu-central-1'"),
    JsonSchema(_REGION, examples=["eu-central-1"]),
]
RoleArn = Annotated[
    str,
    _matching(_ROLE_ARN, "not the ARN of a role such as 'arn:aws:iam::123456789012:role/hyve'"),
    JsonSchema(_ROLE_ARN, examples=["arn:aws:iam::123456789012:role/hyve"]),
]
AccountId = Annotated[
    str, _matching(_ACCOUNT_ID, "not an AWS account: 12 digits"), JsonSchema(_ACCOUNT_ID, examples=["123456789012"])
]
ExternalId = Annotated[
    str,
    _matching(_EXTERNAL_ID, "not an external id: 2 to 1224 letters, digits and _+=,.@:/-"),
    JsonSchema(_EXTERNAL_ID, examples=["hyve-4711"]),
]
EndpointUrl = Annotated[
    str, AfterValidator(_valid_endpoint), JsonSchema(_ENDPOINT, examples=["https://s3.example.org:9000"])
]
KeyId = Annotated[
    str,
    _matching(_KEY_ID, "not the id, alias or ARN of a KMS key"),
    JsonSchema(_KEY_ID, examples=["alias/hyve"]),
]
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
_Glob = Annotated[str, AfterValidator(_valid_glob), JsonSchema(minLength=1, examples=["*.jpg", "albums/*"])]
# Not strict, so that the list of a TOML file becomes a tuple; its items must still be strings.
Globs = Annotated[tuple[_Glob, ...], Field(strict=False)]
Size = Annotated[
    int,
    BeforeValidator(_size_from_text),
    JsonSchema(_SIZE, type=["integer", "string"], examples=["1 GiB", 1_000_000_000]),
]
# In seconds; a text has a unit.
Duration = Annotated[
    int,
    BeforeValidator(_duration_from_text),
    JsonSchema(_DURATION, type=["integer", "string"], examples=["48 h", "7 days"]),
]
Bandwidth = Annotated[
    int,
    BeforeValidator(_bandwidth_from_text),
    JsonSchema(
        re.compile(_SIZE.pattern + r"/s\s*"), type=["integer", "string"], examples=["200 MB/s", "25 MiB/s", 25_000_000]
    ),
]
ShardObjects = Annotated[
    int | Literal["auto"],
    PlainValidator(_valid_shard_objects),
    JsonSchema(
        re.compile("auto"),
        type=["integer", "string"],
        minimum=1,
        maximum=_MOST_SHARD_OBJECTS,
        examples=["auto", 10_000],
    ),
]
Schedule = Annotated[str, AfterValidator(_valid_schedule), JsonSchema(_CRON, examples=["0 2 * * *", "@daily"])]
TimezoneName = Annotated[str, AfterValidator(_valid_timezone), JsonSchema(minLength=1, examples=["Europe/Berlin"])]
WebhookUrl = Annotated[
    str, AfterValidator(_valid_webhook), JsonSchema(_WEBHOOK, examples=["https://alerts.example.org/hyve"])
]
VariableName = Annotated[
    str,
    _matching(_VARIABLE, "not the name of an environment variable"),
    JsonSchema(_VARIABLE, examples=["HYVE_WEBHOOK"]),
]
SecretFile = Annotated[
    str,
    _matching(_PATH, "not the absolute path of a file"),
    JsonSchema(_PATH, examples=["/run/secrets/slack_url"]),
]
ShellWords = Annotated[str, AfterValidator(_valid_command), JsonSchema(minLength=1, examples=["sendmail -t"])]
MailAddress = Annotated[
    str, _matching(_MAIL_ADDRESS, "not a mail address"), JsonSchema(_MAIL_ADDRESS, examples=["ops@example.org"])
]
ResourceName = Annotated[
    str,
    _matching(_RESOURCE, "not the key of a Dagster resource: a letter, then letters, digits and _"),
    JsonSchema(_RESOURCE, examples=["s3"]),
]
Owner = Annotated[
    str,
    _matching(_OWNER, "neither a mail address nor a team such as 'team:data'"),
    JsonSchema(_ANY_OWNER, examples=["team:archive", "me@example.org"]),
]
TagKey = Annotated[str, _matching(_TAG_KEY, "not the key of a tag: letters, digits, '_', '-' and '.', at most 63")]
TagValue = Annotated[
    str, _matching(_TAG_VALUE, "not the value of a tag: letters, digits, '_', '-' and '.', at most 63")
]
Tags = Annotated[dict[TagKey, TagValue], JsonSchema(examples=[{"domain": "images"}])]
