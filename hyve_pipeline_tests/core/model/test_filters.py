from collections.abc import Iterator
from fnmatch import fnmatchcase

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.model.filters import Filters

# Few characters, so that globs and keys match; and some that are special in regular expressions, SQL or C.
CHARACTERS = "abz-!^[]*?\\/.'\"&|~(){}$+#% \n\r\x00\x7f\x85\u2028üé\u0308漢😀\U0010ffff"
KEYS = st.text(st.sampled_from(CHARACTERS), max_size=8) | st.text(max_size=8)
GLOBS = st.text(st.sampled_from("**??[[[]]]!!--^\\abz\n\x00ü😀."), max_size=12) | KEYS


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def let_through(database: duckdb.DuckDBPyConnection, filters: Filters, keys: list[str]) -> list[str]:
    """The keys that DuckDB includes, from a column as in a diff."""
    relation = database.from_arrow(pa.table({"key": pa.array(keys, pa.string())}))
    return [row[0] for row in relation.filter(filters.condition("key")).fetchall()]


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("*.jpg", ["a.jpg", "a/b/c.jpg", ".jpg", "a\nb.jpg"], ["a.JPG", "a.jpg ", "ajpg", "a.jpg\n"]),
        ("tmp/*", ["tmp/", "tmp/a", "tmp/a/b", "tmp//"], ["a/tmp/b", "/tmp/a", "tmp"]),
        ("?.txt", ["a.txt", "/.txt", "😀.txt", "\n.txt", "\x00.txt"], ["ab.txt", ".txt", "u\u0308.txt"]),
        ("[abc]", ["a", "b", "c"], ["d", "[abc]", "ab"]),
        ("[!abc]", ["d", "!", "\n", "/"], ["a", ""]),
        ("[a-c]x", ["ax", "cx"], ["dx", "-x"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("[-a]", ["a", "-"], ["b"]),
        ("[]]", ["]"], ["[]]", ""]),
        ("[!]]", ["a"], ["]"]),
        ("[!]", ["[!]"], ["!", "a"]),
        ("[]", ["[]"], [""]),
        ("[a", ["[a"], ["a"]),
        ("[^a]", ["^", "a"], ["b"]),
        ("[c-a]", [], ["a", "b", "c", "-"]),
        ("[!c-a]x", ["ax", "-x"], ["x"]),
        ("[\\]", ["\\"], ["a"]),
        ("\\*", ["\\", "\\a"], ["*"]),
        ("[ü-😀]", ["ü", "漢", "😀"], ["u", "\U0010ffff"]),
        ("it's", ["it's"], ["its"]),
        ("", [""], ["a"]),
        ("**", ["", "a/b"], []),
    ],
)
def test_a_glob_matches_what_it_matches_in_aws_s3_sync(
    database: duckdb.DuckDBPyConnection, glob: str, matching: list[str], other: list[str]
) -> None:
    filters = Filters(include=(glob,))
    assert [key for key in matching + other if filters.matches(key)] == matching
    assert let_through(database, filters, matching + other) == matching


def test_without_globs_everything_is_included(database: duckdb.DuckDBPyConnection) -> None:
    assert Filters().condition("key") == "true"
    assert Filters().matches("anything\n")
    assert let_through(database, Filters(), ["", "a\n"]) == ["", "a\n"]


def test_exclude_wins_over_include(database: duckdb.DuckDBPyConnection) -> None:
    filters = Filters(include=("*.jpg", "*.png"), exclude=("tmp/*", "*secret*"))
    keys = ["a.jpg", "b.png", "c.gif", "tmp/a.jpg", "x/secret/b.png"]
    assert [key for key in keys if filters.matches(key)] == ["a.jpg", "b.png"]
    assert let_through(database, filters, keys) == ["a.jpg", "b.png"]


def test_exclude_alone_includes_the_rest(database: duckdb.DuckDBPyConnection) -> None:
    filters = Filters(exclude=("tmp/*",))
    assert [key for key in ["a", "tmp/a"] if filters.matches(key)] == ["a"]
    assert let_through(database, filters, ["a", "tmp/a"]) == ["a"]


def test_a_condition_can_stand_within_others(database: duckdb.DuckDBPyConnection) -> None:
    condition = Filters(include=("a*", "b*"), exclude=("*z",)).condition("substr(key, 5)")
    table = pa.table({"key": ["img/a", "img/az", "img/c", "img/b"]})
    rows = database.from_arrow(table).filter(f"NOT {condition} AND key <> 'img/c'").fetchall()
    assert rows == [("img/az",)]


@settings(deadline=None)
@given(st.lists(GLOBS, max_size=3), st.lists(GLOBS, max_size=3))
def test_a_condition_holds_no_text_that_could_end_its_literals(include: list[str], exclude: list[str]) -> None:
    condition = Filters(tuple(include), tuple(exclude)).condition("key")
    assert condition.isascii()
    assert condition.isprintable()
    assert condition.count("'") == 4 * (len(include) + len(exclude))


@settings(deadline=None)
@given(
    include=st.lists(GLOBS, max_size=2), exclude=st.lists(GLOBS, max_size=2), keys=st.lists(KEYS | GLOBS, min_size=1)
)
@example(include=["[a-b-c]"], exclude=["[--!]", "[!!]"], keys=["a", "b", "-", "c", "!"])
@example(include=["[z-a-c]"], exclude=["[a-c-a]", "[z-a"], keys=["a", "b", "-", "c", "z", "[z-a"])
@example(include=["[b-ac-a]"], exclude=[], keys=["a", "b", "-", "c"])
@example(include=["[b-a-\\]"], exclude=["[!b-a]b"], keys=["a", "b", "-", "\\", "]", "ab"])
def test_duckdb_python_and_fnmatch_agree(
    database: duckdb.DuckDBPyConnection, include: list[str], exclude: list[str], keys: list[str]
) -> None:
    filters = Filters(tuple(include), tuple(exclude))
    expected = [
        key
        for key in keys
        if (not include or any(fnmatchcase(key, glob) for glob in include))
        and not any(fnmatchcase(key, glob) for glob in exclude)
    ]
    assert [key for key in keys if filters.matches(key)] == expected
    assert let_through(database, filters, keys) == expected


@settings(deadline=None)
@given(st.lists(GLOBS, min_size=1, max_size=20), st.lists(KEYS | GLOBS, min_size=1, max_size=20))
def test_every_glob_alone_is_translated_correctly(
    database: duckdb.DuckDBPyConnection, globs: list[str], keys: list[str]
) -> None:
    for glob in globs:
        assert let_through(database, Filters(include=(glob,)), keys) == [k for k in keys if fnmatchcase(k, glob)], glob


RULES = st.lists(st.tuples(st.sampled_from("+-"), GLOBS.filter(bool)), max_size=4)


@settings(deadline=None)
@given(RULES, st.lists(GLOBS, max_size=1), st.lists(KEYS | GLOBS, min_size=1))
def test_the_first_rule_that_matches_decides(
    database: duckdb.DuckDBPyConnection, rules: list[tuple[str, str]], exclude: list[str], keys: list[str]
) -> None:
    filters = Filters(exclude=tuple(exclude), rules=tuple(f"{sign} {glob}" for sign, glob in rules))
    expected = []
    for key in keys:
        signs = [sign for sign, glob in rules if fnmatchcase(key, glob)]
        if (signs or ["+"])[0] == "+" and not any(fnmatchcase(key, glob) for glob in exclude):
            expected.append(key)
    assert [key for key in keys if filters.matches(key)] == expected
    assert let_through(database, filters, keys) == expected
