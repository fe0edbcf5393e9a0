import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from hyve_pipeline.core.base.keys import list_line
from hyve_pipeline.core.model.key_lists import write_list
from hyve_pipeline_tests.lists import read_list

KEYS = st.text(st.sampled_from('ab/"\\ \n\r\t\x00\x0b\x0c\x1c\x7f\x85\u2028\u2029\ufeffü😀')) | st.text()


def written(*batches: pa.Array | pa.ChunkedArray) -> bytes:
    stream = io.BytesIO()
    lines = write_list(stream, batches)
    assert lines == sum(len(batch) for batch in batches)
    return stream.getvalue()


def test_an_empty_list_is_an_empty_file() -> None:
    assert written() == b""
    assert written(pa.array([], pa.string()), pa.chunked_array([], pa.string())) == b""


def test_lines_are_the_keys_in_utf_8() -> None:
    keys = ["a b", "dir/", "ü", "u\u0308", "line\u2028separator", "\ufeffmark", "漢/😀"]
    assert written(pa.array(keys)) == ("\n".join(keys) + "\n").encode()


def test_keys_that_would_break_a_line_are_quoted() -> None:
    keys = ["a", "b\nc", '"', "next\x85line", 'say "hi"', "\x00"]
    assert written(pa.array(keys)).decode().split("\n") == [
        "a",
        '"b\\nc"',
        '"\\""',
        '"next\\u0085line"',
        'say "hi"',
        '"\\u0000"',
        "",
    ]


@given(st.lists(st.lists(KEYS, max_size=5), max_size=5))
def test_every_key_is_written_as_its_line_and_read_back(batches: list[list[str]]) -> None:
    keys = [key for batch in batches for key in batch]
    data = written(*(pa.array(batch, pa.string()) for batch in batches))
    assert data == "".join(list_line(key) + "\n" for key in keys).encode()
    assert read_list(data) == keys


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_arrow_form_of_text_is_accepted(kind: pa.DataType) -> None:
    keys = pa.array(["a", "b\n", "c", "b\n"]).cast(kind)
    assert written(keys) == b'a\n"b\\n"\nc\n"b\\n"\n'


def test_slices_and_chunks_are_taken_as_they_are() -> None:
    keys = pa.chunked_array([["x", "a\n"], [], ["b", "c"]]).slice(1, 2)
    assert written(keys, pa.array(["x", "y\t", "z"]).slice(1)) == b'"a\\n"\nb\n"y\\t"\nz\n'


def test_long_lists_cross_the_blocks_of_writing() -> None:
    keys = [f"{number:07d}/{'é' * (number % 40)}" + ("\n" if number % 1000 == 0 else "") for number in range(150_000)]
    data = written(pa.array(keys))
    assert data.count(b"\n") == len(keys)
    assert read_list(data) == keys


def test_lists_are_written_to_pyarrow_files(tmp_path: Path) -> None:
    with fs.LocalFileSystem().open_output_stream(str(tmp_path / "new.txt")) as stream:
        assert write_list(stream, [pa.array(["a", "b\u2028"])]) == 2
    assert read_list((tmp_path / "new.txt").read_bytes()) == ["a", "b\u2028"]


def test_a_line_in_json_is_what_other_programs_read() -> None:
    line = written(pa.array(["a\n\u2028"])).decode()
    assert json.loads(line) == "a\n\u2028"
