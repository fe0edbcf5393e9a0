"""Sums by top-level prefix, as a plain count gives them."""

from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.summary import PrefixSize
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.plan.prefix_totals import prefix_sizes
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import writing_parquet


@given(
    st.dictionaries(st.text("ab/é\U0001f600", min_size=1, max_size=5), st.integers(0, 100), max_size=40),
    st.sampled_from(["", "img/"]),
    st.integers(1, 7),
    st.integers(1, 5),
)
def test_the_largest_prefixes(sizes: dict[str, int], prefix: str, most: int, group_rows: int) -> None:
    expected: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for key, size in sizes.items():
        head, slash, _ = key.partition("/")
        expected[head + slash if slash else ""][0] += 1
        expected[head + slash if slash else ""][1] += size
    largest = sorted(expected.items(), key=lambda entry: (-entry[1][1], entry[0].encode()))[:most]
    keys = sorted(sizes)
    table = pa.table(
        {"key": [prefix + key for key in keys], "size": pa.array([sizes[key] for key in keys], pa.int64())}
    )
    with TemporaryDirectory() as folder:
        state = Folder.local(Path(folder))
        with writing_parquet(state, "inventory.parquet", table.schema) as writer:
            writer.write_table(table, row_group_size=group_rows)
        place = BucketSettings(bucket="a-bucket", prefix=prefix)
        found = prefix_sizes(state, Inventory.model_construct(place=place, files=("inventory.parquet",)), most)
    assert found == [PrefixSize(name, Count(objects=count, bytes=size)) for name, (count, size) in largest]
