"""What requests, bytes and storage cost: a table that the user can replace.

All prices are decimal numbers of US dollars, exactly as they are written.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.base.sizes import GIB

# What a table of prices of a class stands for, where it has none of its own.
STANDARD = "STANDARD"

# How bytes get to the store.
Way = Literal["within_region", "between_regions", "through_this_machine"]

# How fast an archived object is restored. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GlacierJobParameters.html
RestoreTier = Literal["Bulk", "Standard", "Expedited"]

Price = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]

_FREE = Decimal(0)
_THOUSAND = 1_000
_MONTH_DAYS = 30
_KMS_CALLS = 10_000
_JOB_OBJECTS = 1_000_000

# Requests that write nothing, though S3 counts some of them as writes.
_LISTS = frozenset({"ListObjectsV2", "ListObjectVersions"})
_DELETES = frozenset({"DeleteObjects", "DeleteObject"})
_WRITES = frozenset(
    {
        *("PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy"),
        *("CompleteMultipartUpload", "PutObjectTagging"),
    }
)


class _Table(Frozen):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class RestorePrices(_Table):
    """A restore by one tier.

    Attributes:
        requests: a thousand requests.
        bytes: a gigabyte.
    """

    requests: Price = _FREE
    bytes: Price = _FREE


class ClassPrices(_Table):
    """One storage class.

    Attributes:
        write, read: a thousand requests.
        retrieval: a gigabyte that is read.
        storage: a gigabyte in a month of 30 days.
        minimum_days: so many days of storage are charged at least.
        minimum_bytes: so many bytes are charged at least.
        restore: by tier, where objects of the class must be restored before they are read.
    """

    write: Price = _FREE
    read: Price = _FREE
    retrieval: Price = _FREE
    storage: Price = _FREE
    minimum_days: Annotated[int, Field(ge=0, le=3_650)] = 0
    minimum_bytes: Annotated[int, Field(ge=0, le=GIB)] = 0
    restore: dict[RestoreTier, RestorePrices] = Field(default_factory=dict)


class PriceTable(_Table):
    """All prices.

    Attributes:
        date: of what day they are.
        source: where they are from.
        region: the region that they are for.
        servers: the servers that they are for, as in `core.settings.places.Place.server`.
        list, delete: a thousand requests.
        kms: ten thousand calls of KMS.
        batch_jobs: a job of S3 Batch Operations.
        batch_objects: a million objects in such jobs.
        bytes: a gigabyte, by its way.
        classes: by storage class.
    """

    date: date
    source: str
    region: str | None = None
    servers: tuple[str, ...] = ("aws",)
    list: Price = _FREE
    delete: Price = _FREE
    kms: Price = _FREE
    batch_jobs: Price = _FREE
    batch_objects: Price = _FREE
    bytes: dict[Way, Price] = Field(default_factory=dict)
    classes: dict[str, ClassPrices]

    def of_class(self, storage_class: str) -> ClassPrices:
        """The prices of a storage class, or of `STANDARD`."""
        return self.classes.get(storage_class) or self.classes.get(STANDARD) or ClassPrices()

    def of_requests(self, operation: str, storage_class: str, count: int) -> Decimal:
        """So many requests; what is no list, delete or write is a read."""
        prices = self.of_class(storage_class)
        if operation in _LISTS:
            price = self.list
        elif operation in _DELETES:
            price = self.delete
        else:
            price = prices.write if operation in _WRITES else prices.read
        return price * count / _THOUSAND

    def of_bytes(self, way: Way, count: int) -> Decimal:
        """So many bytes that go a way."""
        return self.bytes.get(way, _FREE) * count / GIB

    def of_retrieval(self, storage_class: str, count: int) -> Decimal:
        """So many bytes that are read from a class."""
        return self.of_class(storage_class).retrieval * count / GIB

    def of_storage(self, storage_class: str, byte_days: int) -> Decimal:
        """The storage of a byte for a day, so many times."""
        return self.of_class(storage_class).storage * byte_days / (GIB * _MONTH_DAYS)

    def of_restore(self, storage_class: str, tier: RestoreTier, objects: int, size: int, days: int) -> Decimal:
        """A restore of objects of a class, and the storage of the copies, which S3 keeps as `STANDARD`."""
        prices = self.of_class(storage_class).restore.get(tier, RestorePrices())
        asked = prices.requests * objects / _THOUSAND + prices.bytes * size / GIB
        return asked + self.of_storage(STANDARD, size * days)

    def of_kms_calls(self, count: int) -> Decimal:
        """So many calls of KMS."""
        return self.kms * count / _KMS_CALLS

    def of_jobs(self, jobs: int, objects: int) -> Decimal:
        """So many jobs of S3 Batch Operations with so many objects in all, beside the requests that they send."""
        return self.batch_jobs * jobs + self.batch_objects * objects / _JOB_OBJECTS
