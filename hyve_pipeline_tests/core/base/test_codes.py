"""Every code that the package knows has words."""

import re
from pathlib import Path

import pytest

from hyve_pipeline.core.base.codes import CODES, RULES, in_words
from hyve_pipeline.core.model import journal, undo_summary
from hyve_pipeline.s3.objects import delete
from hyve_pipeline.s3.wire import errors

SOURCE = Path(__file__).parents[3] / "hyve_pipeline"

# Constants of these modules that are codes look so; none of them has an underscore in its value.
_CODE = re.compile(r"[A-Z][a-z]+[A-Za-z]*|TLSError")


def _constants(module: object) -> set[str]:
    values = {value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}
    return {value for value in values if _CODE.fullmatch(value)}


def _named(pattern: str) -> set[str]:
    return {name for path in SOURCE.rglob("*.py") for name in re.findall(pattern, path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("module", [journal, undo_summary, errors, delete])
def test_every_code_of_an_object_has_words(module: object) -> None:
    codes = _constants(module)
    assert codes
    assert codes - CODES.keys() == set()


def test_every_rule_that_refuses_has_words() -> None:
    rules = _named(r'RefusedError\(\s*"(\w+)"') | _named(r'rule="(\w+)"') | _named(r'refuse(?:_estimate)?\(\s*"(\w+)"')
    rules |= _named(r'(?:ONE_BUCKET|AS_OF) = "(\w+)"')
    assert {"max_deletes", "empty_source", "copies_first", "one_at_a_time", "nothing_kept"} <= rules
    assert rules == RULES.keys()


def test_a_code_is_followed_by_its_words_and_an_unknown_one_stays() -> None:
    assert in_words("ChangedSincePlan") == "ChangedSincePlan (changed since the plan was made)"
    assert in_words("max_deletes") == "max_deletes (too many deletes)"
    assert in_words("XMinioSomething") == "XMinioSomething"
