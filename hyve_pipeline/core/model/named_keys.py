"""The keys that a plan is restricted to, where it is not of all keys of both buckets.

Of a bucket only these keys are looked at, so nothing is known of any other key, and no other key can be planned.
"""

from typing import Literal

import pyarrow as pa

from hyve_pipeline.core.base.manifest import Frozen, StateName

# Who names the keys: a list of the user, or events of the source.
NamedBy = Literal["list", "events"]
NAMED_BY: tuple[NamedBy, ...] = ("list", "events")

NAMED_KEYS_SCHEMA = pa.schema(
    [pa.field("key", pa.string(), nullable=False, metadata={"description": "the key below the prefix"})]
)


class NamedKeys(Frozen):
    """The keys that inventories and their plan are restricted to.

    Attributes:
        id: unique below the sync.
        by: who named them.
        keys: how many there are.
        file: the Parquet file of the keys in order, each once, as in `NAMED_KEYS_SCHEMA`.
        digest: SHA-256 of that file.
    """

    id: str
    by: NamedBy
    keys: int
    file: StateName
    digest: str

    @property
    def described(self) -> str:
        """Whose keys these are, and how many, in a few words."""
        keys = "1 key" if self.keys == 1 else f"{self.keys:,} keys"
        return f"{keys} of a list" if self.by == "list" else f"{keys} named by events"
