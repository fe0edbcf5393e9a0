"""Which known name an unknown one most likely means."""

import time

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


def test_a_long_name_takes_no_time() -> None:
    begun = time.process_time()
    assert closest("0" * 100_000, ["0" * 100] * 1_000) is None
    assert time.process_time() - begun < 0.5


def test_a_hint_can_not_control_a_terminal() -> None:
    assert hint_for("imag\x1bes", ["imag\x1bs"]).isprintable()
