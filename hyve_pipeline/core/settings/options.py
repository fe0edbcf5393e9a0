"""How one sync compares, limits and does its work."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hyve_pipeline.core.base.sizes import GIB, MIB
from hyve_pipeline.core.settings.cost_fields import Dollars, PriceFile
from hyve_pipeline.core.settings.field_checks import JsonSchema
from hyve_pipeline.core.settings.fields import Bandwidth, Duration, Globs, ShardObjects, Size
from hyve_pipeline.core.settings.filter import FilterSettings
from hyve_pipeline.core.settings.limits import Limit
from hyve_pipeline.core.settings.place_fields import KeyId, StorageClass, TrashUri
from hyve_pipeline.core.settings.restore import RestoreSettings
from hyve_pipeline.core.settings.table import SettingsTable, contradiction

AlteredChoice = Literal["report", "overwrite"]
CompareRule = Literal["last_modified", "size", "etag", "content"]
VersionsChoice = Literal["current", "all"]
TransportName = Literal["auto", "crt", "botocore"]
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


# Of the options that a sync of all versions can't be combined with, why. All that `_WITH_VERSIONS` does not name are
# refused, so that no new option silently does to versions what it does to objects.
NOT_OF_VERSIONS = {
    "compare": "versions are compared by their order, size and ETag",
    "altered": "no version is ever replaced",
    "compare_properties": "a version can't be repaired",
    "max_overwrites": "nothing is overwritten",
    "restore": "restore archived versions by another tool",
    "moves": "no version is deleted",
    "trash": "nothing is overwritten or deleted, earlier versions stay",
}
_WITH_VERSIONS = {
    *("versions", "include", "exclude", "filter", "max_deletes", "max_cost", "max_duration", "prices"),
    "inventory_max_age",
    *("shard_objects", "shard_bytes", "concurrency", "processes", "requests_per_second", "bandwidth"),
    *("listing_concurrency", "patience_seconds", "transport", "multipart_threshold", "multipart_part_size"),
    *("transfer", "stream_memory", "keep_parts", "website_redirects", "acl", "object_tags", "annotations", "locks"),
    *("storage_class", "encryption", "kms_key_id", "bucket_key"),
}


class Options(SettingsTable):
    """How one sync compares, limits and does its work."""

    compare: CompareRule = Field(
        default="last_modified",
        description="The rule by which an object counts as modified, where nothing is remembered of an earlier copy.",
    )
    altered: AlteredChoice = Field(
        default="report",
        description=(
            "What becomes of objects of the store that are no longer the copies that were made, while the "
            "source's are the same: `report` lists them, `overwrite` copies them again."
        ),
    )
    versions: VersionsChoice = Field(
        default="current",
        description=(
            "`current` copies the present objects; `all` copies all versions and delete markers in their order, into a "
            "store that keeps versions too."
        ),
    )
    compare_properties: bool = Field(
        default=False,
        description=(
            "Whether headers, metadata, tags and storage class of unchanged objects are compared too, which costs "
            "four requests an object; differences are repaired without a copy of the content."
        ),
    )
    include: Globs = Field(default=(), description="Globs on the key below the prefix; empty means everything.")
    exclude: Globs = Field(
        default=(), description="Globs on the key below the prefix; they take precedence over `include`."
    )
    filter: FilterSettings | None = Field(
        default=None,
        description=(
            "Ordered rules on the key, and which objects take part by their size, age, storage class and tags; left "
            "out, all do."
        ),
    )
    moves: bool = Field(
        default=False,
        description=(
            "Whether a new object whose bytes the store has at a key that is to be deleted is copied from there, "
            "within the store."
        ),
    )
    max_deletes: Limit = Field(
        default=Limit.parse("10%"),
        description=(
            "More deletes than this are refused: a number, or a share of the store's objects, which is judged "
            "above 100 deletes."
        ),
    )
    max_overwrites: Limit | None = Field(
        default=None,
        description="More overwrites than this are refused; left out, there is no limit.",
    )
    max_cost: Dollars | None = Field(
        default=None,
        description=(
            "A plan that is estimated to cost more US dollars than this is refused; left out, there is no limit."
        ),
    )
    max_duration: Annotated[Duration, Field(ge=1)] | None = Field(
        default=None,
        description=(
            "A plan that is estimated to take longer than this, in seconds or as `8 h`, is refused; left out, "
            "there is no limit."
        ),
    )
    prices: PriceFile | None = Field(
        default=None,
        description="The TOML file with the prices of estimates; left out, example prices of Amazon S3.",
    )
    restore: RestoreSettings | None = Field(
        default=None,
        description=(
            "How archived objects of the source are restored, so that later plans can copy them; left out, they "
            "are not."
        ),
    )
    trash: TrashUri | None = Field(
        default=None,
        description="`s3://bucket/prefix/` that keeps what is overwritten or deleted; left out, there is none.",
    )
    shard_objects: ShardObjects = Field(
        default="auto",
        description=(
            "The most objects of a shard; `auto` means 10,000. Those of plans that would have more than 2,000 "
            "shards are larger."
        ),
    )
    shard_bytes: Annotated[Size, Field(ge=1)] = Field(
        default=100 * GIB, description="The most bytes of a shard, unless it is one object."
    )
    concurrency: int = Field(
        default=128,
        ge=1,
        le=4096,
        description="Requests in flight at once, of a run or of a whole command.",
    )
    processes: Annotated[int, Field(ge=1, le=64), JsonSchema(examples=[2])] | None = Field(
        default=None,
        description=(
            "How many processes a command copies with; left out, as many as the work justifies, one for each core "
            "at most."
        ),
    )
    requests_per_second: Annotated[int, Field(ge=1, le=1_000_000), JsonSchema(examples=[500])] | None = Field(
        default=None,
        description=(
            "Requests of listings, copies and deletes that are sent a second at most, to source, store and trash "
            "together; left out, there is no limit. All processes and workers share it."
        ),
    )
    bandwidth: Annotated[Bandwidth, Field(ge=100_000)] | None = Field(
        default=None,
        description=(
            "Bytes of content that pass through this process a second at most, in each direction; left out, there "
            "is no limit. All processes and workers share it."
        ),
    )
    inventory_max_age: Annotated[Duration, Field(ge=60)] = Field(
        default=48 * 3600,
        description="A report of S3 Inventory that is older is refused, in seconds; for sides with `inventory`.",
    )
    listing_concurrency: int = Field(
        default=32,
        ge=1,
        le=1024,
        description="Pages of one listing in flight at most; as many are used as make it faster.",
    )
    patience_seconds: int = Field(
        default=65,
        ge=0,
        le=3600,
        description="For so many seconds a transient failure is retried with backoff, about ten times at most.",
    )
    transport: TransportName = Field(
        default="auto",
        description="The HTTP client of the most frequent requests; `auto` means the CRT, else botocore.",
    )
    multipart_threshold: Annotated[Size, Field(ge=5 * MIB, le=5 * GIB)] = Field(
        default=5 * GIB,
        description="Objects over this many bytes are copied by multipart upload; S3 allows at most 5 GiB.",
    )
    multipart_part_size: Annotated[Size, Field(ge=5 * MIB, le=5 * GIB)] = Field(
        default=256 * MIB,
        description="Bytes of a part; raised where an object would need over 10,000 parts.",
    )
    transfer: TransferChoice = Field(
        default="auto",
        description=(
            "Who moves the bytes: the server, or this process, which reads and writes them; `auto` tries whether "
            "the server can."
        ),
    )
    stream_memory: Annotated[Size, Field(ge=32 * MIB)] = Field(
        default=448 * MIB,
        description="The most memory, in bytes, for objects that this process moves at the same time.",
    )
    keep_parts: bool = Field(
        default=True,
        description="Whether a multipart object is copied in the same parts, so that its ETag stays the same.",
    )
    website_redirects: bool | None = Field(
        default=None,
        description=(
            "Whether website redirects are copied, which costs a request an object; left out, they are where the "
            "source is a website."
        ),
    )
    acl: AclChoice = Field(
        default="none",
        description=(
            "The access control list of copies: `none` means the bucket's default, `source` the grants of the "
            "source's object, everything else is a canned ACL."
        ),
    )
    object_tags: TagsChoice = Field(
        default="copy",
        description=(
            "Whether copies get the tags of their sources: `copy` if the store supports tags, `require` fails the "
            "objects that would lose theirs, `skip` copies none."
        ),
    )
    annotations: AnnotationsChoice = Field(
        default="copy",
        description=(
            "Whether copies get the annotations of their sources: `copy` if the store supports annotations, "
            "`exclude` copies none."
        ),
    )
    locks: LocksChoice = Field(
        default="none",
        description=(
            "Whether copies get the retention, the legal hold and the event hold of their sources: `copy` where "
            "both buckets have Object Lock, `none` copies none."
        ),
    )
    storage_class: StorageClass = Field(
        default="source",
        description=(
            "The storage class of copies: `source` means that of the source's object, or the store's default "
            "where the store refuses it; `default` the store's default; everything else is a class by its name."
        ),
    )
    encryption: Encryption | None = Field(
        default=None,
        description="How the server encrypts copies; left out, as the store does by default.",
    )
    kms_key_id: KeyId | None = Field(
        default=None,
        description="The AWS KMS key, where `encryption` is a KMS one; left out, the key that AWS manages.",
    )
    bucket_key: bool | None = Field(
        default=None,
        description="Whether an S3 Bucket Key is used, which costs fewer requests to KMS.",
    )

    @model_validator(mode="after")
    def _check_encryption(self) -> "Options":
        for setting in ("kms_key_id", "bucket_key"):
            if getattr(self, setting) is not None and self.encryption in (None, "AES256"):
                raise contradiction(setting, 'requires encryption = "aws:kms" or "aws:kms:dsse"')
        return self

    @model_validator(mode="after")
    def _check_versions(self) -> "Options":
        if self.versions == "current":
            return self
        for setting, field in Options.model_fields.items():
            if setting not in _WITH_VERSIONS and getattr(self, setting) != field.default:
                reason = NOT_OF_VERSIONS.get(setting, "it is about present objects")
                raise contradiction(setting, f'can\'t be combined with versions = "all": {reason}')
        if self.filter is not None and self.filter.look_at_objects:
            raise contradiction("filter", 'of a sync with versions = "all" can have rules on keys only')
        return self
