from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from hyve_pipeline.core.settings.limits import Limit


class Holder(BaseModel):
    limit: Limit


@pytest.mark.parametrize(
    ("text", "amount", "is_share", "shown"),
    [
        (0, "0", False, "0"),
        (500, "500", False, "500"),
        ("500", "500", False, "500"),
        (" 7 ", "7", False, "7"),
        (10**17, str(10**17), False, str(10**17)),
        ("10%", "10", True, "10%"),
        ("0%", "0", True, "0%"),
        ("100 %", "100", True, "100%"),
        ("2.50%", "2.5", True, "2.5%"),
    ],
)
def test_a_limit_is_a_number_or_a_share(text: str | int, amount: str, is_share: bool, shown: str) -> None:
    assert Limit.parse(text) == Limit(Decimal(amount), is_share)
    assert str(Limit.parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%",
        "ten",
        "-1",
        -1,
        "101%",
        "100.1%",
        "-5%",
        "1.5",
        1.5,
        True,
        None,
        ["5"],
        "1_000",
        "10 objects",
        "٣",
        "٣%",
        "1e3",
        "nan%",
        10**18,
        "5%%",
        "10%\n%",
    ],
)
def test_anything_else_is_an_error(text: object) -> None:
    with pytest.raises(ValueError, match=r"is neither a number of objects such as 500 nor a share such as '10%'$"):
        Limit.parse(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limit", "objects", "store_objects", "exceeded"),
    [
        ("10%", 100, 100, False),  # a share is not judged up to 100 objects
        ("10%", 101, 1_010, False),
        ("10%", 101, 1_009, True),
        ("0%", 100, 1_000, False),
        ("0%", 101, 10**9, True),
        ("100%", 101, 101, False),
        ("33.3%", 333, 1_000, False),
        ("33.3%", 334, 1_000, True),
        ("5", 5, 10**9, False),
        ("5", 6, 10**9, True),
        ("0", 0, 0, False),
        ("0", 1, 10**9, True),
    ],
)
def test_a_limit_is_exceeded(limit: str, objects: int, store_objects: int, exceeded: bool) -> None:
    assert Limit.parse(limit).is_exceeded_by(objects, store_objects) is exceeded


@given(st.integers(0, 10**18 - 1).map(str) | st.decimals(0, 100, places=3).map(lambda share: f"{share:f}%"))
def test_a_limit_is_kept_in_a_manifest_as_it_was_written(text: str) -> None:
    holder = Holder(limit=Limit.parse(text))
    assert Holder.model_validate_json(holder.model_dump_json()) == holder
    assert Limit.parse(str(holder.limit)) == holder.limit


def test_a_wrong_limit_is_a_mistake_of_the_model() -> None:
    with pytest.raises(ValidationError, match="is neither a number of objects"):
        Holder.model_validate({"limit": 1.5})


@given(
    st.one_of(st.integers(0, 1000), st.integers(0, 1000).map(lambda tenths: f"{tenths / 10}%")),
    st.integers(0, 10**6),
)
def test_the_most_that_a_limit_allows(written: int | str, store_objects: int) -> None:
    limit = Limit.parse(written)
    most = int(limit.most(store_objects))
    assert not limit.is_exceeded_by(most, store_objects)
    assert limit.is_exceeded_by(most + 1, store_objects)
