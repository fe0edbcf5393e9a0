"""Sums by top-level prefix, as a plain count gives them."""

from collections import defaultdict
from contextlib import closing
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.manifest import Count
from hyve_pipeline.flow import summaries
from hyve_pipeline.flow.summaries import PrefixSize
from hyve_pipeline.state.parquet import ParquetReader


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
        path = f"{folder}/inventory.parquet"
        pq.write_table(table, path, row_group_size=group_rows, write_page_checksum=True)
        with closing(ParquetReader(path)) as reader:
            found = summaries._largest(summaries._runs(reader, len(prefix)), most)
    assert found == [PrefixSize(name, Count(objects=count, bytes=size)) for name, (count, size) in largest]
