"""The settings of filters: what they mean, and what is refused."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from hyve_pipeline.core.settings.filter import FilterSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline_tests.core.settings.values import problem_of

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
DAY = 86_400


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("30 days", 30 * DAY),
        (DAY, DAY),
        ("2026-11-01T00:00:00Z", NOVEMBER),
        ("2026-11-01 02:00+02:00", NOVEMBER),
        (datetime(2026, 11, 1, 2, tzinfo=timezone(timedelta(hours=2))), NOVEMBER),
    ],
)
def test_an_age_is_a_duration_or_a_time(given: Any, meant: Any) -> None:
    found = FilterSettings(newer_than=given)
    assert found.newer_than == meant
    assert found.at(NOVEMBER + timedelta(days=30)).newer_than in (NOVEMBER, NOVEMBER + timedelta(days=29))


@pytest.mark.parametrize(
    "given", ["yesterday", "2026-11-01", "2026-11-01T00:00:00", 0, -1, True, 1.5, NOVEMBER.replace(tzinfo=None)]
)
def test_other_ages_are_refused(given: Any) -> None:
    assert "is neither a duration such as '30 days' nor a time with its zone" in problem_of(
        FilterSettings, older_than=given
    )


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"rules": ["*.jpg"]}, "'*.jpg' is not a rule such as '+ albums/*' or '- *.tmp': the sign, a space, a glob"),
        ({"rules": ["-*.jpg"]}, "'-*.jpg' is not a rule"),
        ({"rules": ["- "]}, "'- ' is not a rule"),
        ({"rules": ["+ a*", "+ b*"]}, "has only rules with '+', which leave nothing out: end it with '- *'"),
        ({"min_size": "2 MB", "max_size": "1 MB"}, "is more than max_size: no object would take part"),
        ({"newer_than": "1 day", "older_than": "7 days"}, "is not before older_than: no object would take part"),
        ({"newer_than": NOVEMBER, "older_than": NOVEMBER}, "is not before older_than: no object would take part"),
        ({"storage_class": ["standard"]}, "'standard' is not the name of a storage class such as 'STANDARD_IA'"),
    ],
)
def test_what_can_not_be_meant_is_refused(values: dict[str, Any], problem: str) -> None:
    assert problem in problem_of(FilterSettings, **values)


def test_filters_stay_the_same_in_a_plan() -> None:
    options = Options.model_validate(
        {
            "filter": {
                "rules": ["+ a/*", "- *"],
                "min_size": "1 KiB",
                "newer_than": "1 day",
                "older_than": NOVEMBER,
                "storage_class": ["STANDARD"],
                "tag": {"a b/ü": "x"},
            }
        }
    )
    assert Options.model_validate_json(options.model_dump_json()) == options
    assert Options.model_validate(options.model_dump()) == options
    assert json.loads(options.model_dump_json())["filter"]["older_than"] == "2026-11-01T00:00:00Z"
