"""Rules that rename keys: both ways, and what is refused before any key is known."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.load import parse_settings
from hyve_pipeline.core.settings.mapping import KeyMapping, MappingRule
from hyve_pipeline_tests.s3.keys import LEGAL_KEYS

_PREFIXES = st.sampled_from(["", "a", "a/", "a/b/", "b/", "b/a/", "ü"])
_PREFIX_RULES = st.builds(lambda old, new: {"from": old, "to": new}, _PREFIXES, _PREFIXES)
_PATTERN_RULES = st.sampled_from(
    [
        {"match": r"a/(\d+)/(.*)", "replace": r"b/\2/\1"},
        {"match": r"^(.*)\.b$", "replace": r"a/\1"},
        {"match": r"(a|b)/(.*)", "replace": r"\2\1"},
        {"match": "a(.+)", "replace": "x", "inverse": {"match": "x", "replace": "ab"}},
        {"match": "(?i)A/(.*)", "replace": r"b/\1", "inverse": {"match": "b/(.*)", "replace": r"a/\1"}},
    ]
)
_RULES = st.lists(_PREFIX_RULES | _PATTERN_RULES, min_size=1, max_size=3)
_KEYS = st.text(st.sampled_from("ab/1.\n"), min_size=1, max_size=6) | LEGAL_KEYS


def mapping(*rules: dict[str, Any]) -> KeyMapping:
    return KeyMapping([MappingRule.model_validate(rule) for rule in rules])


@given(_RULES, _KEYS, _KEYS)
def test_a_store_key_has_one_source_key_that_becomes_it(rules: list[dict[str, Any]], key: str, other: str) -> None:
    found = mapping(*rules)
    for one in (key, other):
        back = found.to_source(one)
        assert back is None or found.to_store(back) == one
    # Of two keys that become one, a source can have only the one that it comes from again.
    new = found.to_store(key)
    if new is not None and key != other and found.to_store(other) == new:
        assert found.to_source(new) != key or found.to_source(new) != other


@given(_PREFIX_RULES, _KEYS)
def test_one_prefix_becomes_another(rule: dict[str, Any], key: str) -> None:
    found = mapping(rule)
    assert found.to_store(rule["from"] + key) == rule["to"] + key
    assert found.to_source(rule["to"] + key) == rule["from"] + key
    assert (found.to_store(key) is None) == (not key.startswith(rule["from"]))
    assert (found.to_source(key) is None) == (not key.startswith(rule["to"]))


def test_the_first_rule_that_fits_decides() -> None:
    found = mapping({"from": "a/b/", "to": "x/"}, {"match": r"a/(\d+)", "replace": r"n/\1"}, {"from": "", "to": ""})
    for key, new in {"a/b/c": "x/c", "a/17": "n/17", "a/c": "a/c", "": ""}.items():
        assert (found.to_store(key), found.to_source(new)) == (new, key)
    # They would be of the last rule, but nothing becomes them: what would, has another name.
    assert found.to_source("a/b/c") is None
    assert found.to_source("a/17") is None
    # The first rule has these, whatever else could become them.
    assert (found.to_store("x/c"), found.to_source("x/c")) == ("x/c", "a/b/c")


HEAD = '[sync.images.source]\nbucket = "from"\n[sync.images.store]\nbucket = "into"\n'


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ("from = 'a/'", r"[sync.images.mapping] to: item [0] is missing: from needs it"),
        ("to = 'a/'", r"[sync.images.mapping] from: item [0] set either from, with to, or match, with replace"),
        ("from = 'a'\nto = 'b'\nmatch = 'c'", "set either from, with to, or match, with replace"),
        ("from = 'a'\nto = 'b'\nreplace = 'c'", "replace: item [0] can't be combined with from"),
        ("match = 'a'\nreplace = 'b'\nto = 'c'", "to: item [0] can't be combined with match"),
        ("match = 'a'", "replace: item [0] is missing: match needs it"),
        ("match = 'a('\nreplace = 'b'", "match: item [0] 'a(' is not a regular expression: missing )"),
        (
            "match = 'a'\nreplace = '\\1'",
            r"replace: item [0] '\\1' is not a replacement for 'a': there is no group '1'",
        ),
        ("match = 'a+'\nreplace = 'a'", "inverse: item [0] is needed, as it can't be derived from match and replace"),
        ("match = 'a'\nreplace = 'b'\ninverse = {match = 'a'}", "inverse] replace: item [0] is missing"),
        ("from = 'a'\nto = '" + "b" * 1025 + "'", "to: item [0] has 1,025 bytes, a key has 1,024 at most"),
        ("form = 'a'", "unknown key (known: from, to, match, replace, inverse; did you mean from?)"),
        (
            "from = 'a'\nto = 'x'\n[[sync.images.mapping]]\nfrom = 'a/b'\nto = 'y'",
            "[sync.images] mapping: rule 2 never applies: all its keys begin as those of rule 1",
        ),
        (
            "from = 'a/'\nto = 'x/'\n[[sync.images.mapping]]\nfrom = 'b/'\nto = 'x/y/'",
            "[sync.images] mapping: rules 1 and 2 can give two keys of the source one key in the store: "
            "'a/' to 'x/', and 'b/' to 'x/y/'",
        ),
        ("from = 'a'\nto = 'x'\n[[sync.images.mapping]]\nfrom = ''\nto = 'x'", "can give two keys of the source one"),
        ("from = 'a'\nto = 'x'\n[sync.images.options]\nversions = 'all'", "mapping: can't be combined with"),
        (
            "from = 'a'\nto = 'x'\n[sync.images.batch]\naccount_id = '123456789012'\nlocation = 's3://jobs/'\n"
            "role_arn = 'arn:aws:iam::123456789012:role/batch'",
            "[sync.images] batch: can't be combined with mapping: jobs of S3 Batch Operations can't rename objects",
        ),
    ],
)
def test_rules_that_can_not_be_are_one_line(rules: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(problem)) as caught:
        parse_settings(f"{HEAD}[[sync.images.mapping]]\n{rules}\n", Path("hyve.toml"))
    assert "\n" not in str(caught.value)


def test_a_table_in_place_of_a_list_of_tables_is_said() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(f"{HEAD}[sync.images.mapping]\nfrom = 'a'\nto = 'b'\n", Path("hyve.toml"))
    problem = "must be a list of tables, each begun by [[sync.images.mapping]], not a table"
    assert str(caught.value) == f"hyve.toml: [sync.images] mapping: {problem}"


def test_a_mapping_goes_together_with_events() -> None:
    text = f"{HEAD}[[sync.images.mapping]]\nfrom = 'a'\nto = 'x'\n[sync.images.events]\nqueue_url = 'https://sqs.example/1/q'\n"
    sync = parse_settings(text, Path("hyve.toml")).sync["images"]
    assert (sync.events is not None, len(sync.mapping)) == (True, 1)


def test_prefixes_that_contain_each_other_may_stay_so() -> None:
    for second in ("from = 'raw/'\nto = 'archive/'", "from = ''\nto = ''"):
        text = f"{HEAD}[[sync.images.mapping]]\nfrom = 'raw/a/'\nto = 'archive/a/'\n[[sync.images.mapping]]\n{second}\n"
        assert len(parse_settings(text, Path("hyve.toml")).sync["images"].mapping) == 2
