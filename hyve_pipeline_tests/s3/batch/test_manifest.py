"""Each key is one line of a manifest that S3 reads as that key."""

import csv
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.s3.batch.manifest import manifest_line

_KEYS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)


@given(_KEYS)
def test_any_key(key: str) -> None:
    line = manifest_line("in-bucket", key).decode("ascii")
    assert line.endswith("\n")
    (fields,) = csv.reader([line])
    assert [unquote(field, errors="strict") for field in fields] == ["in-bucket", key]
    assert "+" not in fields[1]  # which some read as a space
