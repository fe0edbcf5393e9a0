"""Where the home is, and who may read it."""

import os
import stat
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.state.home import Home


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("value", [None, "", "relative"])
def test_without_a_home_directory_the_variable_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("HYVE_HOME", raising=False)
    if value is None:
        monkeypatch.delenv("HOME", raising=False)
        monkeypatch.setattr("os.getuid", lambda: 2**31 - 5)  # a user that no list of users has, as in containers
    else:
        monkeypatch.setenv("HOME", value)
    with pytest.raises(ConfigurationError, match="no home directory: set HYVE_HOME"):
        Home.from_environment()


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("s3://bucket/hyve", "is not a local folder"),
        ("file:///srv/hyve", "is not a local folder"),
        ("/srv/a\nb", "contains a control character"),
        ("/srv/\x00", "contains a control character"),
        ("/srv/\udcff", "is not UTF-8"),
        ("~nobody-of-this-name/hyve", "no such user"),
    ],
)
def test_a_path_that_is_not_valid_for_a_home_is_refused_in_one_line(path: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        Home(Path(path))
    assert "HYVE_HOME" in str(caught.value)
    assert str(caught.value).isprintable()


def test_names_of_any_script_can_be_homes(tmp_path: Path) -> None:
    assert Home(tmp_path / "ünï cødé/a:b").path == tmp_path / "ünï cødé/a:b"


def test_dagsters_storage_is_where_dagster_itself_expects_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    home = Home(tmp_path / "home")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert home.dagster_home == tmp_path / "home" / "dagster"
    for value, expected in (("", home.path / "dagster"), ("~/dg", tmp_path / "dg"), ("/srv/dg", Path("/srv/dg"))):
        monkeypatch.setenv("DAGSTER_HOME", value)
        assert home.dagster_home == expected
    for value in ("dg", "./dg", "../dg"):
        monkeypatch.setenv("DAGSTER_HOME", value)
        with pytest.raises(ConfigurationError, match=r"DAGSTER_HOME: .*relative"):
            _ = home.dagster_home


def test_homes_that_share_a_state_in_a_bucket_are_one_for_dagster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = Home(tmp_path / "one"), Home(tmp_path / "two")
    assert apart[0].id != apart[1].id
    assert Home(tmp_path / "one").id == apart[0].id

    def id_with(state: str, home: str) -> str:
        monkeypatch.setenv("HYVE_STATE", state)
        return Home(tmp_path / home).id

    one = id_with("s3://state/home/", "one")
    assert len(one) == 8
    assert id_with("s3://state/home/?endpoint_url=http://127.0.0.1:9000", "two") == one
    assert id_with("s3://state/other/", "one") != one


def make_wide(home: Path, *others: str) -> None:
    for name in ("state", "out", "dagster", *others):
        (home / name).mkdir(parents=True)
        (home / name).chmod(0o755)
    (home / "hyve.toml").touch(0o644)
    home.chmod(0o775)


def test_a_home_that_others_can_read_becomes_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_wide(home)
    Home(home).make_private()
    assert mode_of(home) == 0o700
    assert {path.name: mode_of(path) for path in home.iterdir()} == {
        "state": 0o700,
        "out": 0o700,
        "dagster": 0o700,
        "hyve.toml": 0o600,
    }


def test_a_folder_that_is_a_project_too_keeps_its_mode_and_only_hyves_files_change(tmp_path: Path) -> None:
    home = tmp_path / "project"
    make_wide(home, "src")
    (tmp_path / "kept.toml").touch(0o644)
    (home / "hyve.toml").unlink()
    (home / "hyve.toml").symlink_to(tmp_path / "kept.toml")
    Home(home).make_private()
    assert mode_of(home) == 0o775
    assert {name: mode_of(home / name) for name in ("state", "out", "src", "hyve.toml")} == {
        "state": 0o700,
        "out": 0o700,
        "src": 0o755,
        "hyve.toml": 0o644,
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away")
def test_a_folder_of_another_user_or_of_everyone_keeps_its_mode(tmp_path: Path) -> None:
    other, everyones = tmp_path / "other", tmp_path / "everyones"
    make_wide(other)
    make_wide(everyones)
    os.chown(other, 12345, 12345)
    everyones.chmod(0o1777)
    Home(other).make_private()
    Home(everyones).make_private()
    assert (mode_of(other), mode_of(everyones)) == (0o775, 0o1777)


def test_a_home_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    Home(tmp_path / "home").make_private()
    assert list(tmp_path.iterdir()) == []


def test_a_relative_home_needs_the_folder_that_this_process_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    here.rmdir()
    with pytest.raises(ConfigurationError, match=r"^home: the folder that this process is in was deleted"):
        Home(Path("home"))
