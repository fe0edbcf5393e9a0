"""Which known name an unknown one most likely means."""

import pytest

from hyve_pipeline.core.base.suggestions import closest, hint_for

_KNOWN = ("images", "backup", "documents")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("imges", "images"), ("IMAGES", "images"), ("bakcup", "backup"), ("zzz", None), ("", None), ("i" * 5_000, None)],
)
def test_the_closest_name(name: str, meant: str | None) -> None:
    assert closest(name, _KNOWN) == meant
    assert hint_for(name, _KNOWN) == (f"; did you mean {meant}?" if meant else "")


def test_a_long_name_is_compared_with_none() -> None:
    """Otherwise it would take long."""
    known = iter(["0" * 100])
    assert closest("0" * 100_000, known) is None
    assert list(known) == ["0" * 100]


def test_a_hint_can_not_control_a_terminal() -> None:
    assert hint_for("imag\x1bes", ["imag\x1bs"]).isprintable()
