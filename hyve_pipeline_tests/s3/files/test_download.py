"""Reading an object by parts, in order, of one version only."""

import io

import pytest

from hyve_pipeline.s3.files.download import download
from hyve_pipeline.s3.objects.head import head_object
from hyve_pipeline.s3.wire.errors import ObjectChangedError
from hyve_pipeline_tests.syncs import Pair


@pytest.mark.parametrize("size", [0, 1, 1000, 1001, 6500])
def test_an_object_is_read_whole(size: int, pair: Pair) -> None:
    content = bytes(number % 251 for number in range(size))
    pair.source.put({"a": content})
    context = pair.context()
    with context.connect(context.place("source")) as connection:
        head = head_object(connection, "a").result()
        assert head is not None
        file = io.BytesIO()
        parts = list(download(connection, "a", head.etag, size, file, part_bytes=1000))
    assert (b"".join(parts), file.getvalue()) == (content, content)
    assert len(parts) == -(-size // 1000)


def test_an_object_that_is_overwritten_meanwhile_is_not_mixed_with_the_new_one(pair: Pair) -> None:
    pair.source.put({"a": b"old" * 3000})
    context = pair.context()
    with context.connect(context.place("source")) as connection:
        head = head_object(connection, "a").result()
        assert head is not None
        parts = download(connection, "a", head.etag, 9000, io.BytesIO(), part_bytes=1000)
        next(parts)
        pair.source.put({"a": b"new" * 3000})
        with pytest.raises(ObjectChangedError):
            list(parts)
