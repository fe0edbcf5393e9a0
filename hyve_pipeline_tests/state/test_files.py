"""A folder of state, while others write into it."""

import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.state.files import Folder


def test_a_folder_that_another_makes_just_now_is_empty_or_there(tmp_path: Path) -> None:
    made = tmp_path / "shard"
    stop = threading.Event()

    def make() -> None:
        while not stop.is_set():
            made.mkdir()
            made.rmdir()

    other = threading.Thread(target=make)
    other.start()
    try:
        assert {tuple(Folder.local(tmp_path).names("shard")) for _ in range(5_000)} == {()}
    finally:
        stop.set()
        other.join()


def test_what_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "shard").write_text("")
    with pytest.raises(StateError, match="shard: can't be listed"):
        Folder.local(tmp_path).names("shard")


def test_the_last_change_is_that_of_the_newest_file_with_content(tmp_path: Path) -> None:
    folder = Folder.local(tmp_path)
    assert folder.last_change("journal") is None
    for name, content, age in (("a/1.json", "x", 300), ("b/2.json", "x", 100), ("b/lock", "", 0)):
        folder.write_text(f"journal/{name}", content)
        then = time.time() - age
        os.utime(tmp_path / "journal" / name, (then, then))
    changed = folder.last_change("journal")
    assert changed is not None
    assert 90 < (datetime.now(UTC) - changed).total_seconds() < 200


class Note(Frozen):
    kind: Literal["known"] = "known"


class NewerNote(Frozen):
    kind: Literal["known", "invented since"] = "known"
    more: int | None = None


@pytest.mark.parametrize("newer", [NewerNote(more=1), NewerNote(kind="invented since")])
def test_what_a_newer_version_wrote_is_called_that(tmp_path: Path, newer: NewerNote) -> None:
    folder = Folder.local(tmp_path)
    folder.write_manifest("note.json", newer)
    with pytest.raises(StateError, match=r"note\.json: written by a newer version of Hyve") as caught:
        folder.read_manifest("note.json", Note)
    assert "damaged" not in str(caught.value)
    (tmp_path / "note.json").write_text((tmp_path / "note.json").read_text().replace('"kind"', '"kinD"'))
    with pytest.raises(StateError, match="damaged"):
        folder.read_manifest("note.json", Note)
