"""The keys that a plan is restricted to, where it is not of all keys of both buckets.

Of a bucket only these keys are looked at, so nothing is known of any other key, and no other key can be planned. They
are named by the keys that the source has, and kept by those that plans have: with a mapping, these are of the store.
"""

from typing import Literal

import pyarrow as pa

from hyve_pipeline.core.base.counts import counted
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
        left_out: how many other keys were named, which are left out as no rule of the mapping is about them.
    """

    id: str
    by: NamedBy
    keys: int
    file: StateName
    digest: str
    left_out: int = 0

    @property
    def described(self) -> str:
        """Whose keys these are, and how many, in a few words."""
        keys = counted(self.keys, "key")
        left_out = f" (and {self.left_out:,} that the mapping leaves out)" if self.left_out else ""
        return f"{keys} of a list{left_out}" if self.by == "list" else f"{keys} named by events{left_out}"
