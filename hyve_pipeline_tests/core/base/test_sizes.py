import pytest

from hyve_pipeline.core.base.sizes import GIB, MIB, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1000000", 1_000_000),
        ("5B", 5),
        ("1 kB", 1000),
        ("1KiB", 1024),
        ("64MiB", 64 * MIB),
        ("64 mib", 64 * MIB),
        ("5MB", 5_000_000),
        ("1.5 GiB", GIB + GIB // 2),
        (" 100 GiB ", 100 * GIB),
        ("2TB", 2 * 10**12),
        ("0.1 KiB", 102),
    ],
)
def test_sizes_in_every_spelling(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1 mile", "1G", "1,5 GB", "1e3", "1 GiB 2", "٣", "nan", "1__0"])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a size such as '100 GiB' or a number of bytes$"):
        parse_size(text)
