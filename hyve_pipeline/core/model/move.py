"""Objects that have only moved: new at one key of the source, and at another key only the store has the same bytes."""

import pyarrow as pa

# One row a new key whose bytes are in the store at another key, which the plan deletes.
MOVE_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False, metadata={"description": "the new key below the prefix"}),
        pa.field("store_key", pa.string(), nullable=False, metadata={"description": "the store's key to copy from"}),
        pa.field("store_etag", pa.string(), nullable=False, metadata={"description": "the ETag that it was seen with"}),
    ]
)
