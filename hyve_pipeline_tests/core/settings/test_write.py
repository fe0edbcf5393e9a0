import stat
from pathlib import Path
from typing import Any

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.load import load_settings, parse_settings, parse_sync
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.write import write_sync


def sync_of(name: str = "images", **values: Any) -> SyncSettings:
    table = {"source": {"bucket": "new-in", "region": "eu-west-1"}, "store": {"bucket": "new-out"}}
    sync = parse_sync(name, table | values)
    assert isinstance(sync, SyncSettings)
    return sync


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "of" / "hyve" / "hyve.toml"


def with_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode())
    return path


def test_a_first_sync_makes_folder_and_file(path: Path) -> None:
    write_sync(path, sync_of())
    lines = path.read_text().splitlines()
    assert lines[0] == "#:schema ./hyve.schema.json"
    set_lines = [line for line in lines if line and not line.startswith("#")]
    source = ["[sync.images.source]", 'bucket = "new-in"', 'region = "eu-west-1"']
    store = ["[sync.images.store]", 'bucket = "new-out"']
    assert set_lines == ["[sync.images]", *source, *store, "[sync.images.options]"]
    assert load_settings(path).sync == {"images": sync_of()}
    assert list(path.parent.iterdir()) == [path]


def test_everything_that_was_set_is_written(path: Path) -> None:
    sync = sync_of(
        schedule="@daily",
        apply="copies",
        options={"include": ["*.jpg", 'a"\n\\'], "max_deletes": "5%", "max_overwrites": 7, "shard_bytes": "1 GiB"},
    )
    write_sync(path, sync)
    assert load_settings(path).sync == {"images": sync}
    assert "concurrency" not in path.read_text()


def test_what_a_new_sync_has_as_comments_can_be_taken_in(path: Path) -> None:
    """Each line by itself, as a user would: with its mark removed."""
    write_sync(path, sync_of())
    lines = path.read_text().splitlines()
    hints = [number for number, line in enumerate(lines) if " = " in line and line.startswith("# ")]
    assert len(hints) >= 15
    for number in hints:
        changed = [*lines]
        changed[number] = lines[number].removeprefix("# ")
        parsed = parse_settings("\n".join(changed), path).sync["images"]
        assert parsed != sync_of() or "10%" in changed[number]
    for number in hints:
        lines[number] = lines[number].removeprefix("# ")
    assert parse_settings("\n".join(lines), path).sync["images"].options.compare == "etag"


def test_a_second_sync_has_the_comments_but_not_the_head(path: Path) -> None:
    with_text(path, "# by hand\n")
    write_sync(path, sync_of())
    write_sync(path, sync_of("videos"))
    text = path.read_text()
    assert text.startswith("# by hand\n\n[sync.images]\n# schedule")
    assert text.count("# trash = ") == 2
    assert "#:schema" not in text


OTHERS = """\
# The configuration of our images.

[sync.other.source] # another
bucket = 'other-in'
[sync.other.store]
bucket = 'other-out'   # keep
"""

BEFORE = """
[sync.images]
apply = 'copies' # careful

[sync.images.source]
# where they come from
bucket = 'old-in' # in
prefix = "old"
profile = "old"

[sync.images.store]
bucket = 'new-out' # out

[sync.images.options]
max_deletes = "1 %" # few
shard_bytes = "1 GiB"
# the end
"""

AFTER = """
[sync.images]
apply = 'copies' # careful

[sync.images.source]
# where they come from
bucket = "new-in" # in
region = "eu-west-1"

[sync.images.store]
bucket = 'new-out' # out

[sync.images.options]
max_deletes = "1 %" # few
shard_bytes = "1 GiB"
# the end
"""


def test_comments_options_and_other_syncs_stay(path: Path) -> None:
    with_text(path, OTHERS + BEFORE)
    write_sync(path, sync_of())
    assert path.read_text() == OTHERS + AFTER


def test_writing_the_same_again_changes_nothing(path: Path) -> None:
    with_text(path, OTHERS + AFTER)
    write_sync(path, load_settings(path).sync["images"])
    assert path.read_text() == OTHERS + AFTER


def test_a_mapping_stays(path: Path) -> None:
    rules = """
[[sync.images.mapping]]
from = "raw/"  # by hand
to = "archive/"
[[sync.images.mapping]]
match = '^(\\d+)/(.*)$'
replace = '\\2-\\1'
"""
    write_sync(path, sync_of())
    path.write_text(path.read_text() + rules)
    before = load_settings(path).sync["images"]
    changed = before.model_copy(update={"store": before.store.model_copy(update={"bucket": "another"})})
    write_sync(path, changed)
    assert path.read_text().endswith(rules)
    assert load_settings(path).sync["images"] == changed


def test_a_changed_option_changes_only_its_line(path: Path) -> None:
    with_text(path, OTHERS + AFTER)
    write_sync(path, sync_of(options={"max_deletes": 5, "shard_bytes": 1024**3}))
    assert path.read_text() == OTHERS + AFTER.replace('"1 %"', '"5"')


def test_a_second_sync_comes_after_the_first(path: Path) -> None:
    with_text(path, OTHERS)
    write_sync(path, sync_of())
    assert path.read_text().startswith(OTHERS)
    assert list(load_settings(path).sync) == ["other", "images"]


SOURCE, STORE = "{bucket = 'old-in', prefix = 'x'}", "{bucket = 'old-out'}"


@pytest.mark.parametrize(
    "text",
    [
        f"sync.images = {{source = {SOURCE}, store = {STORE}}}\n",
        f"sync = {{images = {{source = {SOURCE}, store = {STORE}}}}}\n",
        f"[sync]\nimages.source = {SOURCE}\nimages.store.bucket = 'old-out'",
        f"[sync.images]\nsource = {SOURCE}\nstore = {STORE}\n[sync.other]\nsource = {SOURCE}\nstore = {STORE}\n",
        "sync.images.source.bucket = 'old-in'\nsync.images.store.bucket = 'old-out'\n",
        "[sync.images.source]\nbucket = 'a-a'\n" + OTHERS + "[sync.images.store]\nbucket = 'b-b'\n",
        "[sync.images.source]\r\nbucket = 'a-a'\r\n[sync.images.store]\r\nbucket = 'b-b'\r\n",
        '["sync"."images"."source"]\n"bucket" = "a-a"\n',
        "[sync]\n",
        "# only a comment",
        "[sync.images.source]\nbucket = 5\nnonsense = 1\n",
    ],
)
def test_every_layout_of_tables_is_understood(path: Path, text: str) -> None:
    before = {name: sync for name, sync in settings_or_none(text).items() if name != "images"}
    write_sync(with_text(path, text), sync_of())
    assert load_settings(path).sync == before | {"images": sync_of()}


def settings_or_none(text: str) -> dict[str, SyncSettings]:
    try:
        return parse_settings(text, Path("hyve.toml")).sync
    except ConfigurationError:
        return {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[sync.images\n", "line 1, column 13: is not valid TOML: Expected ']' at the end of a table declaration"),
        (
            "[sync.other.store]\nbucket = 'bbb'\n[sync.other.source]\nbucket = 5\n",
            "[sync.other.source] bucket: must be a string in quotes, not the number 5",
        ),
        (
            "[sync.images]\nnonsense = 1\n",
            "[sync.images] nonsense: unknown key (known: source, store, options, schedule, timezone, apply, "
            "automation, batch, events, mapping, owners, tags)",
        ),
        (
            "[sync.images.options]\ntrash = 's3://new-in/t'\n",
            "[sync.images.options] trash: overlaps the source: s3://new-in/t/ and s3://new-in/; "
            "neither may contain the other",
        ),
        (
            "sync = {}\n",
            "[sync.images]: has a layout that can't be changed automatically: "
            "write it as tables [sync.images.source] and [sync.images.store]",
        ),
    ],
)
def test_a_file_that_would_have_mistakes_stays_as_it_is(path: Path, text: str, problem: str) -> None:
    with_text(path, text)
    with pytest.raises(ConfigurationError) as caught:
        write_sync(path, sync_of())
    assert str(caught.value) == f"{path}: {problem}"
    assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_a_symbolic_link_is_followed_and_the_mode_kept(path: Path, tmp_path: Path) -> None:
    real = with_text(tmp_path / "dotfiles" / "hyve", "")
    real.chmod(0o640)
    path.parent.mkdir(parents=True)
    path.symlink_to(real)
    write_sync(path, sync_of())
    assert path.is_symlink()
    assert load_settings(real).sync == {"images": sync_of()}
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    path = tmp_path / "home" / "hyve.toml"
    with pytest.raises(ConfigurationError) as caught:
        write_sync(path, sync_of())
    assert str(caught.value) == f"{path}: can't be written: File exists"
