"""The types of the settings' values, each with its check and an error message that says what is expected."""

import re
import shlex
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator
from pydantic_core import PydanticKnownError

from hyve_pipeline.core.base.durations import parse_duration
from hyve_pipeline.core.base.sizes import parse_size
from hyve_pipeline.core.base.suggestions import hint_for
from hyve_pipeline.core.settings.cron import NICKNAMES, check_cron
from hyve_pipeline.core.settings.field_checks import JsonSchema, Matching, names_host

SYNC_NAME_RULE = "a letter, then letters, digits and _, at most 63"
_SYNC_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"(/|~/)[^\x00-\x1f]+")
_MAIL_ADDRESS = re.compile(r"[^\s@,<>\"]+@[^\s@,<>\"]+")
_RESOURCE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# The patterns that Dagster checks owners by.
_OWNER = re.compile(r"team:\S+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
_TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")


def is_sync_name(name: str) -> bool:
    """Whether `name` is a valid name of a sync: it becomes part of Dagster names, so letters, digits and ``_``."""
    return _SYNC_NAME.fullmatch(name) is not None


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
            and names_host(parts)
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


_WEBHOOK = re.compile(r"https?://[^@ ]+")
_CRON = re.compile(rf"{'|'.join(sorted(NICKNAMES))}|\s*\S+(\s+\S+){{4}}\s*")
_SIZE = re.compile(r"\s*[0-9]{1,18}(\.[0-9]{1,18})?\s*([kmgtpKMGTP][iI]?)?[bB]?\s*")
_DURATION = re.compile(r"\s*[0-9]{1,9}(\.[0-9]{1,9})?\s*(m|min|minutes?|h|hours?|d|days?)\s*")
_ANY_OWNER = re.compile(r"team:\S+|[^@\s]+@[^@\s]+\.[^@\s]+")

SyncName = Annotated[str, Matching(_SYNC_NAME, f"not a sync name: {SYNC_NAME_RULE}", examples=["images"])]
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
VariableName = Annotated[str, Matching(_VARIABLE, "not the name of an environment variable", examples=["HYVE_WEBHOOK"])]
SecretFile = Annotated[str, Matching(_PATH, "not the absolute path of a file", examples=["/run/secrets/slack_url"])]
ShellWords = Annotated[str, AfterValidator(_valid_command), JsonSchema(minLength=1, examples=["sendmail -t"])]
MailAddress = Annotated[str, Matching(_MAIL_ADDRESS, "not a mail address", examples=["ops@example.org"])]
ResourceName = Annotated[
    str, Matching(_RESOURCE, "not the key of a Dagster resource: a letter, then letters, digits and _", examples=["s3"])
]
Owner = Annotated[
    str,
    Matching(_OWNER, "neither a mail address nor a team such as 'team:data'"),
    JsonSchema(_ANY_OWNER, examples=["team:archive", "me@example.org"]),
]
TagKey = Annotated[str, Matching(_TAG_KEY, "not the key of a tag: letters, digits, '_', '-' and '.', at most 63")]
TagValue = Annotated[str, Matching(_TAG_VALUE, "not the value of a tag: letters, digits, '_', '-' and '.', at most 63")]
Tags = Annotated[dict[TagKey, TagValue], JsonSchema(examples=[{"domain": "images"}])]
