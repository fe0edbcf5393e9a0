"""The safety rules that check a whole plan."""

import pytest

from hyve_pipeline.core.model.safety_rules import Figures, judge
from hyve_pipeline.core.settings.limits import Limit
from hyve_pipeline.core.settings.options import Options


def refused_rules(
    options: Options, source: int = 1000, store: int = 1000, modified: int = 0, gone: int = 0
) -> list[str]:
    figures = Figures(source_objects=source, store_objects=store, modified=modified, duplicate=gone)
    return [refusal.rule for refusal in judge(figures, options)]


@pytest.mark.parametrize(
    ("gone", "store", "refused"),
    [(100, 100, False), (101, 1010, False), (101, 1009, True), (100, 1000, False), (200, 1000, True), (0, 0, False)],
)
def test_the_default_is_a_tenth_of_the_store_but_a_hundred_objects_at_least(
    gone: int, store: int, refused: bool
) -> None:
    assert refused_rules(Options(), store=store, gone=gone) == (["max_deletes"] if refused else [])


@pytest.mark.parametrize(("gone", "refused"), [(2, False), (3, True)])
def test_a_number_means_exactly_that_number(gone: int, refused: bool) -> None:
    assert refused_rules(Options(max_deletes=Limit.parse(2)), gone=gone) == (["max_deletes"] if refused else [])


def test_an_empty_source_refuses_even_one_delete_whatever_the_limit() -> None:
    generous = Options(max_deletes=Limit.parse("100%"))
    assert refused_rules(generous, source=0, gone=1) == ["empty_source"]
    assert refused_rules(generous, source=0, gone=0) == []


def test_overwrites_are_limited_only_when_asked() -> None:
    assert refused_rules(Options(), modified=1000) == []
    assert refused_rules(Options(max_overwrites=Limit.parse("50%")), modified=501) == ["max_overwrites"]


def test_both_refusals_have_the_figures_and_what_to_do() -> None:
    options = Options(max_overwrites=Limit.parse(1), max_deletes=Limit.parse(1))
    figures = Figures(source_objects=9, store_objects=10, modified=2, duplicate=3)
    overwrites, deletes = judge(figures, options)
    assert overwrites.action == "copy"
    assert "2 of the store's 10 objects" in overwrites.detail
    assert "--max-overwrites" in overwrites.detail
    assert deletes.action == "delete"
    assert "3 of the store's 10 objects" in deletes.detail
    assert "--max-deletes" in deletes.detail
