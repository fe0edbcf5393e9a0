import os
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.orchestration.ui.access_token import access_token, opening_url


def test_a_home_keeps_its_token(tmp_path: Path) -> None:
    token = access_token(tmp_path)
    assert len(token) == 43
    assert access_token(tmp_path) == token
    assert (tmp_path / "ui.token").stat().st_mode & 0o777 == 0o600


def test_each_home_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert access_token(tmp_path / "a") != access_token(tmp_path / "b")


def test_it_is_for_its_owner_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        access_token(tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / "ui.token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_one_that_others_could_have_read_is_replaced(tmp_path: Path, mode: int) -> None:
    token = access_token(tmp_path)
    (tmp_path / "ui.token").chmod(mode)
    assert access_token(tmp_path) != token
    assert (tmp_path / "ui.token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "short", "x" * 42 + "/", "x" * 44, "x" * 43 + "\n", "\xff" * 43])
def test_one_that_is_damaged_is_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ui.token"
    path.write_text(content, encoding="latin-1")
    path.chmod(0o600)
    assert len(access_token(tmp_path)) == 43
    assert path.read_text() != content


def test_where_it_can_not_be_kept_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "ui.token").mkdir(mode=0o700)
    with pytest.raises(StateError, match=r"ui\.token: can't hold the UI's token"):
        access_token(tmp_path)


def test_the_url_that_opens_the_ui() -> None:
    assert opening_url("http://127.0.0.1:1", "a-_") == "http://127.0.0.1:1/?token=a-_"
