"""Numbers with their nouns: one thing, several, none."""

import pytest

from hyve_pipeline.core.base.counts import counted, noun


@pytest.mark.parametrize(
    ("count", "nouns", "wanted"),
    [
        (0, (), "0 objects"),
        (1, (), "1 object"),
        (1_200, (), "1,200 objects"),
        (1, ("message waits", "messages wait"), "1 message waits"),
        (2, ("process", "processes"), "2 processes"),
    ],
)
def test_only_one_is_singular(count: int, nouns: tuple[str, ...], wanted: str) -> None:
    assert counted(count, *nouns) == wanted
    assert noun(count, *nouns) == wanted.partition(" ")[2]
