"""Where ranges of keys are cut: always inside the range, and where keys are likely."""

from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.s3.listing.cut_points import cut_points, shared_length

_KEY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(_KEY, st.none() | _KEY, st.integers(0, 12), st.integers(0, 12), st.sets(st.characters()), st.integers(1, 40))
def test_cuts_lie_in_the_range(
    position: str, until: str | None, settled: int, varying: int, alphabet: set[str], wanted: int
) -> None:
    cuts = cut_points(position, until, min(settled, len(position)), min(varying, len(position)), alphabet, wanted)
    assert len(cuts) <= wanted
    assert cuts == sorted(set(cuts))
    assert all(position < cut and (until is None or cut < until) for cut in cuts)
    for cut in cuts:
        cut.encode()  # no half of a surrogate pair


def test_a_cut_is_never_longer_than_a_key_may_be() -> None:
    position = "x" * 1023 + "0"
    cuts = cut_points(position, None, 0, 1024, set("x0123456789é"), 100)
    assert cuts
    assert max(len(cut.encode()) for cut in cuts) <= 1024


def test_the_farthest_cuts_come_first() -> None:
    assert cut_points("images/000017/f3.jpg", None, 0, 12, set("images/0123456789"), 1) == ["s"]
    assert cut_points("images/000017/f3.jpg", "images/1", 0, 12, set("images/0123456789"), 1) == ["images/05"]


def test_cuts_keep_to_the_prefix_and_to_what_varies() -> None:
    cuts = cut_points("img/a/7/x", None, len("img/"), len("img/a/"), set("abc0123456789"), 50)
    assert cuts
    assert all(cut.startswith("img/") for cut in cuts)
    assert max(map(len, cuts)) == len("img/a/8")


def test_only_characters_that_keys_have_where_it_is_known() -> None:
    cuts = cut_points("3f", None, 0, 0, set("0123456789abcdef"), 50)
    assert cuts == ["4", "5", "6", "7", "8", "9"]
    assert cut_points("9f", None, 0, 0, set("0123456789abcdef"), 50) == ["A", "a", "\x80"]
    assert "q" in cut_points("p", None, 0, 0, set("p"), 50)


def test_scripts_beyond_ascii() -> None:
    cuts = cut_points("\u4e00", "\u9fff", 0, 0, set(), 3)
    assert len(cuts) == 3
    assert all("\u4e00" < cut < "\u9fff" for cut in cuts)


@given(_KEY, _KEY)
def test_shared_length(left: str, right: str) -> None:
    length = shared_length(left, right)
    assert left[:length] == right[:length]
    assert left[length : length + 1] != right[length : length + 1] or left == right
