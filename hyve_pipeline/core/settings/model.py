"""The settings of ``hyve.toml``, typed and frozen.

No setting contains a secret. A side names an AWS profile; the keys stay in the user's credentials file.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.sizes import GIB, MIB
from hyve_pipeline.core.settings.cost_fields import Dollars, PriceFile
from hyve_pipeline.core.settings.fields import (
    Bandwidth,
    Duration,
    EndpointUrl,
    ExternalId,
    Globs,
    JsonSchema,
    KeyId,
    MailAddress,
    Owner,
    ProfileName,
    Region,
    RoleArn,
    Schedule,
    SecretFile,
    ShardObjects,
    ShellWords,
    Size,
    StateUri,
    StorageClass,
    SyncName,
    Tags,
    TimezoneName,
    TrashUri,
    VariableName,
    WebhookUrl,
    split_uri,
)
from hyve_pipeline.core.settings.limits import Limit
from hyve_pipeline.core.settings.places import (
    AddressingStyle,
    BucketSettings,
    SettingsTable,
    check_credentials,
    contradiction,
)
from hyve_pipeline.core.settings.restore import RestoreSettings

AlteredChoice = Literal["report", "overwrite"]
CompareRule = Literal["last_modified", "size", "etag", "content"]
TransportName = Literal["auto", "crt", "botocore"]
ApplyMode = Literal["never", "copies", "all"]
TransferChoice = Literal["auto", "server", "stream"]
TagsChoice = Literal["copy", "require", "skip"]
AnnotationsChoice = Literal["copy", "exclude"]
LocksChoice = Literal["copy", "none"]
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
        compare: the rule by which an object counts as modified, where nothing is remembered of an earlier copy.
        altered: what becomes of objects of the store that are no longer the copies that were made, while the source's
            are the same: ``report`` lists them, ``overwrite`` copies them again.
        compare_properties: whether headers, metadata, tags and storage class of unchanged objects are compared
            too, which costs four requests an object; differences are repaired without a copy of the content.
        include: globs on the key below the prefix; empty means everything.
        exclude: globs on the key below the prefix; they take precedence over `include`.
        max_deletes: more deletes than this are refused: a number, or a share of the store's objects, which is judged
            above 100 deletes.
        max_overwrites: more overwrites than this are refused; None means no limit.
        max_cost: a plan that is estimated to cost more US dollars than this is refused; None means no limit.
        max_duration: a plan that is estimated to take longer than this, in seconds or as ``8 h``, is refused; None
            means no limit.
        prices: the TOML file with the prices of estimates; None means example prices of Amazon S3.
        restore: how archived objects of the source are restored, so that later plans can copy them; None means that
            they are not.
        trash: ``s3://bucket/prefix/`` that keeps what is overwritten or deleted; None means no trash.
        shard_objects: the most objects of a shard; ``auto`` means 10,000. Those of plans that would have more than
            2,000 shards are larger.
        shard_bytes: the most bytes of a shard, unless it is one object.
        concurrency: requests in flight at once, of a run or of a whole command.
        processes: how many processes a command copies with; None means as many as the work justifies, one for each
            core at most.
        requests_per_second: requests of listings, copies and deletes that are sent a second at most, to source, store
            and trash together; None means no limit. All processes and workers share it.
        bandwidth: bytes of content that pass through this process a second at most, in each direction; None means no
            limit. All processes and workers share it.
        inventory_max_age: a report of S3 Inventory that is older is refused, in seconds; for sides with `inventory`.
        listing_concurrency: pages of one listing in flight at most; as many are used as make it faster.
        patience_seconds: for so many seconds a transient failure is retried with backoff, about ten times at most.
        transport: the HTTP client of the most frequent requests; ``auto`` means the CRT, else botocore.
        multipart_threshold: objects over this many bytes are copied by multipart upload; S3 allows at most 5 GiB.
        multipart_part_size: bytes of a part; raised where an object would need over 10,000 parts.
        transfer: who moves the bytes: the server, or this process, which reads and writes them; ``auto`` tries
            whether the server can.
        stream_memory: the most memory, in bytes, for objects that this process moves at the same time.
        keep_parts: whether a multipart object is copied in the same parts, so that its ETag stays the same.
        website_redirects: whether website redirects are copied, which costs a request an object; None means
            if the source is a website.
        acl: the access control list of copies: ``none`` means the bucket's default, ``source`` the grants of the
            source's object, everything else is a canned ACL.
        object_tags: whether copies get the tags of their sources: ``copy`` if the store supports tags, ``require``
            fails the objects that would lose theirs, ``skip`` copies none.
        annotations: whether copies get the annotations of their sources: ``copy`` if the store supports annotations,
            ``exclude`` copies none.
        locks: whether copies get the retention, the legal hold and the event hold of their sources: ``copy`` where both
            buckets have Object Lock, ``none`` copies none.
        storage_class: the storage class of copies: ``source`` means that of the source's object, or the store's
            default where the store refuses it; ``default`` the store's default; everything else is a class by its name.
        encryption: how the server encrypts copies; None means the store's default.
        kms_key_id: the AWS KMS key, where `encryption` is a KMS one; None means the key that AWS manages.
        bucket_key: whether an S3 Bucket Key is used, which costs fewer requests to KMS.
    """

    compare: CompareRule = "last_modified"
    altered: AlteredChoice = "report"
    compare_properties: bool = False
    include: Globs = ()
    exclude: Globs = ()
    max_deletes: Limit = Limit.parse("10%")
    max_overwrites: Limit | None = None
    max_cost: Dollars | None = None
    max_duration: Annotated[Duration, Field(ge=1)] | None = None
    prices: PriceFile | None = None
    restore: RestoreSettings | None = None
    trash: TrashUri | None = None
    shard_objects: ShardObjects = "auto"
    shard_bytes: Annotated[Size, Field(ge=1)] = 100 * GIB
    concurrency: Annotated[int, Field(ge=1, le=4096)] = 128
    processes: Annotated[int, Field(ge=1, le=64), JsonSchema(examples=[2])] | None = None
    requests_per_second: Annotated[int, Field(ge=1, le=1_000_000), JsonSchema(examples=[500])] | None = None
    bandwidth: Annotated[Bandwidth, Field(ge=100_000)] | None = None
    inventory_max_age: Annotated[Duration, Field(ge=60)] = 48 * 3600
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
    annotations: AnnotationsChoice = "copy"
    locks: LocksChoice = "none"
    storage_class: StorageClass = "source"
    encryption: Encryption | None = None
    kms_key_id: KeyId | None = None
    bucket_key: bool | None = None

    @model_validator(mode="after")
    def _check_encryption(self) -> "Options":
        for setting in ("kms_key_id", "bucket_key"):
            if getattr(self, setting) is not None and self.encryption in (None, "AES256"):
                raise contradiction(setting, 'requires encryption = "aws:kms" or "aws:kms:dsse"')
        return self


class Automation(SettingsTable):
    """How plans are applied and retried automatically, how alerts are sent, and how long plans are kept.

    Attributes:
        running: whether the schedule and the sensors are on without being switched on in the UI.
        interval_seconds: seconds between two ticks of a sensor.
        runs: how many Dagster runs the sensor applies a plan with, each of which claims one shard after another; more
            than one is for launchers that have many machines.
        shard_attempts: how many runs the sensor requests for a shard before it gives up.
        retry_seconds: seconds after its first failure until a shard is retried; doubled with each further failure.
        stalled_minutes: minutes without progress in its journal after which a run is reported as stalled.
        webhook: URL that alerts are posted to, as JSON.
        webhook_variable: the environment variable that contains this URL, if the URL is a secret.
        webhook_file: the file that contains this URL, likewise.
        slack_variable: the environment variable that contains the URL of an incoming webhook of Slack, which is a
            secret, for alerts in Slack's form.
        slack_file: the file that contains this URL.
        mail_command: the command that sends an alert by mail; it reads the message, with headers, from standard input.
        mail_to: the recipients in the header ``To`` of that message.
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
    webhook_file: SecretFile | None = None
    slack_variable: VariableName | None = None
    slack_file: SecretFile | None = None
    mail_command: ShellWords | None = None
    mail_to: Annotated[tuple[MailAddress, ...], Field(strict=False)] = ()
    keep_plans: Annotated[int, Field(ge=1, le=1_000_000), JsonSchema(examples=[30])] | None = None
    keep_days: Annotated[int, Field(ge=1, le=36_500), JsonSchema(examples=[90])] | None = None

    @model_validator(mode="after")
    def _check_alerts(self) -> "Automation":
        for names in (("webhook", "webhook_variable", "webhook_file"), ("slack_variable", "slack_file")):
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) > 1:
                raise contradiction(given[1], f"{given[0]} and {given[1]} are both set: keep one of them")
        if self.mail_to and self.mail_command is None:
            raise contradiction("mail_to", 'requires mail_command, such as "sendmail -t"')
        return self


class SyncSettings(SettingsTable):
    """One table ``[sync.NAME]``.

    Attributes:
        name: the sync's name, the first part of every asset key and job name.
        source: the bucket that is copied; never written.
        store: the bucket that becomes an exact copy.
        options: how objects are compared, limited and copied.
        schedule: cron expression of the dryruns, or None.
        timezone: IANA name of the schedule's time zone.
        apply: which part of each new plan is applied automatically.
        automation: how plans are applied and retried automatically.
        owners: the owners of the assets in Dagster: mail addresses, and teams as ``team:name``.
        tags: the tags of the assets in Dagster.
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
    tags: Tags = Field(default={})

    @model_validator(mode="after")
    def _check_places(self) -> "SyncSettings":
        # The server is known only if the settings name it, so this is checked again once it is known.
        overlap = self.overlap
        if overlap is not None:
            raise PydanticCustomError(
                "overlap",
                "{problem}; neither may contain the other",
                {"setting": overlap.setting, "problem": overlap.problem},
            )
        return self

    @property
    def overlap(self) -> "Overlap | None":
        """Two of source, store, trash and reports that overlap, as far as their servers are known; else None."""
        if self.source.overlaps(self.store):
            return Overlap("store", self.store, "source", self.source)
        trash = self.trash
        for side, place in (("source", self.source), ("store", self.store)):
            if trash is not None and trash.overlaps(place):
                return Overlap("options.trash", trash, side, place)
            # What the source does not have is deleted from the store.
            reports = place.reports
            if reports is not None and reports.overlaps(self.store):
                return Overlap(f"{side}.inventory", reports, "store", self.store)
        return None

    @property
    def trash(self) -> BucketSettings | None:
        """The trash as a place on the store's server, used with the store's credentials.

        It is never accelerated: that must be enabled for each bucket, and only copies within AWS go to the trash.
        """
        if self.options.trash is None:
            return None
        bucket, prefix = split_uri(self.options.trash)
        return self.store.model_copy(
            update={"bucket": bucket, "prefix": prefix, "accelerate": False, "inventory": None}
        )


@dataclass(frozen=True)
class Overlap:
    """Two places of a sync that overlap.

    Attributes:
        setting: the setting to correct, ``store``, ``options.trash`` or ``SIDE.inventory``.
        place: its place.
        other: the side that it overlaps.
        other_place: the place of that side.
    """

    setting: str
    place: BucketSettings
    other: str
    other_place: BucketSettings

    @property
    def problem(self) -> str:
        """What overlaps what."""
        return f"overlaps the {self.other}: {displayed(self.place.uri)} and {displayed(self.other_place.uri)}"


class HomeSettings(SettingsTable):
    """The table ``[home]``: where the state is, if that is a bucket.

    Attributes:
        state: ``s3://bucket/prefix/`` that holds the state; None means a folder of the home.
        profile, role_arn, external_id, anonymous, region, endpoint_url, addressing_style: how to reach it, as for a
            side of a sync.
    """

    state: StateUri | None = None
    profile: ProfileName | None = None
    role_arn: RoleArn | None = None
    external_id: ExternalId | None = None
    anonymous: bool = False
    region: Region | None = None
    endpoint_url: EndpointUrl | None = None
    addressing_style: AddressingStyle = "auto"

    @model_validator(mode="after")
    def _check_state(self) -> "HomeSettings":
        for setting in ("profile", "role_arn", "external_id", "anonymous", "region", "endpoint_url"):
            if self.state is None and getattr(self, setting):
                raise contradiction(setting, 'requires state = "s3://bucket/prefix/"')
        check_credentials(self, ("profile", "role_arn", "external_id"))
        return self

    @property
    def place(self) -> BucketSettings | None:
        """The bucket and prefix of the state; None where it is a folder of the home."""
        if self.state is None:
            return None
        bucket, prefix = split_uri(self.state)
        others = self.model_dump(exclude={"state"})
        return BucketSettings(bucket=bucket, prefix=prefix, **others)


class Settings(SettingsTable):
    """The whole of ``hyve.toml``.

    Attributes:
        sync: the syncs by name.
        home: where the state is.
    """

    home: HomeSettings = HomeSettings()
    sync: dict[str, SyncSettings] = Field(default={})
