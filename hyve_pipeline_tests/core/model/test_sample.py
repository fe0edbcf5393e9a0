"""Which keys a sample takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.model.sample import Sample, parse_sample

_MANY = [f"images/{number:06d}.jpg" for number in range(20_000)]


@pytest.mark.parametrize(("text", "percent"), [("1%", 1), ("0.5%", 0.5), (" 100% ", 100), ("1e-3%", 0.001)])
def test_shares(text: str, percent: float) -> None:
    assert parse_sample(text).percent == percent


@pytest.mark.parametrize("text", ["", "%", "0%", "-1%", "101%", "nan%", "inf%", "5", "five%", "5%%", "0x5%"])
def test_wrong_shares(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a share"):
        parse_sample(text)


@pytest.mark.parametrize("percent", [1, 10, 50])
def test_about_as_many_as_asked_for(percent: float) -> None:
    taken = sum(map(Sample(percent, "seed").takes, _MANY))
    assert 0.8 * percent / 100 < taken / len(_MANY) < 1.2 * percent / 100


def test_another_seed_selects_other_keys() -> None:
    one, other = (set(filter(Sample(10, seed).takes, _MANY)) for seed in ("one", "other"))
    assert 0.5 * len(one) < len(one - other)
    assert one == set(filter(Sample(10, "one").takes, _MANY))


@given(st.text(), st.text())
def test_all_of_them(key: str, seed: str) -> None:
    assert Sample(100, seed).takes(key)
