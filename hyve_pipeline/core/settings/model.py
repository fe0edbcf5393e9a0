"""Typed, frozen settings: what ``hyve.toml`` means once it has been read.

No setting holds a secret. A side names an AWS profile; the keys stay in the user's credentials file.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.sizes import GIB, MIB
from hyve_pipeline.core.settings.fields import (
    Globs,
    KeyId,
    Owner,
    Schedule,
    Size,
    StorageClass,
    SyncName,
    TagKey,
    TagValue,
    TimezoneName,
    TrashUri,
    VariableName,
    WebhookUrl,
    split_trash,
)
from hyve_pipeline.core.settings.limits import Limit
from hyve_pipeline.core.settings.places import BucketSettings, SettingsTable, contradiction

CompareRule = Literal["last_modified", "size", "etag"]
TransportName = Literal["auto", "crt", "botocore"]
ApplyMode = Literal["never", "copies", "all"]
TransferChoice = Literal["auto", "server", "stream"]
TagsChoice = Literal["copy", "require", "skip"]
Encryption = Literal["AES256", "aws:kms", "aws:kms:dsse"]

# "source" takes the grants of the source's objects; the others are S3's canned ACLs for objects.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl
AclChoice = Literal[
    "none",
    "source",
    "private",
    "public-read",
    "public-read-write",
    "aws-exec-read",
    "authenticated-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
]


class Options(SettingsTable):
    """How one sync compares, limits and does its work.

    Attributes:
        compare: the rule by which an object is modified.
        compare_properties: whether headers, metadata, tags and storage class of the unchanged objects are compared
            too, which costs four requests an object; what differs is repaired without a copy of the content.
        include: globs on the key below the prefix; empty means everything.
        exclude: globs on the key below the prefix; they win over `include`.
        max_deletes: more deletes than this are refused, see `core.guard`.
        max_overwrites: more overwrites than this are refused; None means no limit.
        trash: ``s3://bucket/prefix/`` that keeps what is overwritten or deleted; None means none.
        shard_objects: a shard holds at most this many objects.
        shard_bytes: a shard holds at most this many bytes, or one object.
        concurrency: requests in flight at once, of a run or of a whole command.
        processes: how many processes a command copies with; None means as many as have enough to do, one for each
            core at most.
        listing_concurrency: pages of one listing in flight at most; as many are used as make it faster.
        patience_seconds: for so many seconds a request whose failure may pass is sent again, some ten times at most.
        transport: who sends the hot requests; ``auto`` takes the CRT and falls back to botocore.
        multipart_threshold: objects over this many bytes are copied in parts; S3 allows at most 5 GiB.
        multipart_part_size: bytes of a part; raised where an object would need over 10,000 parts.
        transfer: who moves the bytes: the server by itself, or this process, which reads and writes them; ``auto``
            tries whether the server can.
        stream_memory: bytes of memory that objects may take at once while this process moves them, or one part may.
        keep_parts: an object that was uploaded in parts is copied in the same parts, so that its ETag stays.
        website_redirects: whether redirects of a website are copied, which costs a request an object; None means
            where the source is a website.
        acl: which access control list copies get: ``none`` means that of the bucket's default, ``source`` the
            grants of the source's object, everything else is a canned one.
        object_tags: whether copies get the tags of their sources: ``copy`` where the store knows tags, ``require``
            fails the objects that would lose theirs, ``skip`` leaves them out.
        storage_class: which class copies get: ``source`` that of the source's object, or the store's default where
            the store refuses it; ``default`` the store's default; everything else is a class by its name.
        encryption: how the server encrypts copies; None means as the store's default says.
        kms_key_id: the key of AWS KMS that it takes, where `encryption` is one of KMS; None means AWS's own.
        bucket_key: whether it takes a bucket key for it, which costs fewer requests to KMS.
    """

    compare: CompareRule = "last_modified"
    compare_properties: bool = False
    include: Globs = ()
    exclude: Globs = ()
    max_deletes: Limit = Limit.parse("10%")
    max_overwrites: Limit | None = None
    trash: TrashUri | None = None
    shard_objects: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    shard_bytes: Annotated[Size, Field(ge=1)] = 100 * GIB
    concurrency: Annotated[int, Field(ge=1, le=4096)] = 128
    processes: Annotated[int, Field(ge=1, le=64)] | None = None
    listing_concurrency: Annotated[int, Field(ge=1, le=1024)] = 32
    patience_seconds: Annotated[int, Field(ge=0, le=3600)] = 65
    transport: TransportName = "auto"
    multipart_threshold: Annotated[Size, Field(ge=5 * MIB, le=5 * GIB)] = 5 * GIB
    multipart_part_size: Annotated[Size, Field(ge=5 * MIB, le=5 * GIB)] = 256 * MIB
    transfer: TransferChoice = "auto"
    stream_memory: Annotated[Size, Field(ge=32 * MIB)] = 512 * MIB
    keep_parts: bool = True
    website_redirects: bool | None = None
    acl: AclChoice = "none"
    object_tags: TagsChoice = "copy"
    storage_class: StorageClass = "source"
    encryption: Encryption | None = None
    kms_key_id: KeyId | None = None
    bucket_key: bool | None = None

    @model_validator(mode="after")
    def _check_encryption(self) -> "Options":
        for setting in ("kms_key_id", "bucket_key"):
            if getattr(self, setting) is not None and self.encryption in (None, "AES256"):
                raise contradiction(setting, 'is of use only with encryption = "aws:kms" or "aws:kms:dsse"')
        return self


class Automation(SettingsTable):
    """What goes on without a person, and how.

    Attributes:
        running: whether the schedule and the sensors are on without being switched on in the UI.
        interval_seconds: how long a sensor waits between two looks.
        runs: how many runs of Dagster the sensor applies a plan with, each of which claims shard after shard: more than
            one is for launchers that have many machines.
        shard_attempts: how many runs the sensor gives a shard before it gives it up.
        retry_seconds: how long after its first failure a shard is run again; each further time twice as long.
        stalled_minutes: how long the journal of a run that goes on may stand still before an alert says so.
        webhook: URL that alerts are posted to, as JSON.
        webhook_variable: the environment variable that holds this URL, where the URL itself is a secret.
        keep_plans: how many of the newest plans retention keeps.
        keep_days: how many days retention keeps a plan.
    """

    running: bool = False
    interval_seconds: Annotated[int, Field(ge=1, le=86_400)] = 30
    runs: Annotated[int, Field(ge=1, le=1_000)] = 1
    shard_attempts: Annotated[int, Field(ge=1, le=100)] = 5
    retry_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    stalled_minutes: Annotated[int, Field(ge=1, le=100_000)] = 30
    webhook: WebhookUrl | None = None
    webhook_variable: VariableName | None = None
    keep_plans: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    keep_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    @model_validator(mode="after")
    def _check_webhook(self) -> "Automation":
        if self.webhook is not None and self.webhook_variable is not None:
            raise PydanticCustomError(
                "contradiction",
                "webhook and webhook_variable are both set: keep one of them",
                {"setting": "webhook_variable"},
            )
        return self


class SyncSettings(SettingsTable):
    """One table ``[sync.NAME]``.

    Attributes:
        name: the sync's name, the first part of every asset key and job name.
        source: where objects come from; never written.
        store: what becomes an exact copy.
        options: how the work is done.
        schedule: cron expression at which a dryrun is taken, or None.
        timezone: IANA name of the schedule's time zone.
        apply: what may be done with each new plan without a person.
        automation: how that and the like is done.
        owners: who is responsible, as Dagster shows it: mail addresses, and teams as ``team:name``.
        tags: of the sync's assets, as Dagster shows them.
    """

    name: SyncName
    source: BucketSettings
    store: BucketSettings
    options: Options = Options()
    schedule: Schedule | None = None
    timezone: TimezoneName = "UTC"
    apply: ApplyMode = "never"
    automation: Automation = Automation()
    owners: Annotated[tuple[Owner, ...], Field(strict=False)] = ()
    tags: dict[TagKey, TagValue] = Field(default={})

    @model_validator(mode="after")
    def _check_places(self) -> "SyncSettings":
        # Where requests go is not known yet unless the settings name the server, so this is asked once more then.
        overlap = self.overlap
        if overlap is not None:
            raise PydanticCustomError(
                "overlap",
                "{problem}; neither may hold the other",
                {"setting": overlap.setting, "problem": overlap.problem},
            )
        return self

    @property
    def overlap(self) -> "Overlap | None":
        """Two of source, store and trash that overlap, as far as it is known which servers they are on."""
        if self.source.overlaps(self.store):
            return Overlap("store", self.store, "source", self.source)
        trash = self.trash
        for side, place in (("source", self.source), ("store", self.store)):
            if trash is not None and trash.overlaps(place):
                return Overlap("options.trash", trash, side, place)
        return None

    @property
    def trash(self) -> BucketSettings | None:
        """The trash as a place on the store's server, reached with the store's credentials.

        It is never accelerated: each bucket must be enabled for that, and only copies within AWS go to the trash.
        """
        if self.options.trash is None:
            return None
        bucket, prefix = split_trash(self.options.trash)
        return self.store.model_copy(update={"bucket": bucket, "prefix": prefix, "accelerate": False})


@dataclass(frozen=True)
class Overlap:
    """Two places of a sync that overlap.

    Attributes:
        setting: the setting that is to be mended, ``store`` or ``options.trash``.
        place: what it names.
        other: the side that it overlaps.
        other_place: what that is.
    """

    setting: str
    place: BucketSettings
    other: str
    other_place: BucketSettings

    @property
    def problem(self) -> str:
        """What overlaps what."""
        return f"overlaps the {self.other}: {displayed(self.place.uri)} and {displayed(self.other_place.uri)}"


class Settings(SettingsTable):
    """The whole of ``hyve.toml``.

    Attributes:
        sync: the syncs by name.
    """

    sync: dict[str, SyncSettings] = Field(default={})
