import os
import stat
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.demo.buckets import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from hyve_pipeline.demo.home import claimed_home, configure, own_environment
from hyve_pipeline.operations.context import Home, load_configuration

ENDPOINT = "http://127.0.0.1:9"


def test_an_earlier_demos_home_is_emptied(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    with claimed_home(tmp_path / "home") as home:
        (home / "out" / "images").mkdir(parents=True)
        (home / "out" / "images" / "new.txt").touch()
        (home / "link").symlink_to(outside)
        (home / "file").touch()
    with claimed_home(tmp_path / "home") as home:
        assert {entry.name for entry in home.iterdir()} <= {".hyve-demo", ".hyve-demo.lock"}
    assert (outside / "kept").exists()


def test_an_empty_folder_becomes_a_home(tmp_path: Path) -> None:
    with claimed_home(tmp_path) as home:
        assert home == tmp_path


def test_any_other_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("content")
    with pytest.raises(ConfigurationError, match="--home"), claimed_home(tmp_path):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("below", ["", "below"])
def test_a_file_is_left_alone(tmp_path: Path, below: str) -> None:
    file = tmp_path / "file"
    file.write_text("content")
    with pytest.raises(ConfigurationError, match="file"), claimed_home(file / below):
        pass
    assert file.read_text() == "content"


def test_two_demos_never_share_a_home(tmp_path: Path) -> None:
    with claimed_home(tmp_path / "home") as home:
        (home / "mine").touch()
        with pytest.raises(ConfigurationError, match="another demo"), claimed_home(tmp_path / "home"):
            pass
        assert (home / "mine").exists()


def test_errors_of_the_block_are_raised_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), claimed_home(tmp_path):
        (tmp_path / "missing").read_text()


def test_the_users_settings_are_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = ("AWS_PROFILE", "AWS_ENDPOINT_URL", "HYVE_HOME", "DAGSTER_HOME", "HTTPS_PROXY", "http_proxy")
    for name in foreign:
        monkeypatch.setenv(name, "/foreign")
    before = dict(os.environ)
    with own_environment(tmp_path):
        assert os.environ["HYVE_HOME"] == str(tmp_path)
        assert "/foreign" not in os.environ.values()
        assert os.environ["PATH"] == before["PATH"]
        assert Path(os.environ["AWS_SHARED_CREDENTIALS_FILE"]).parent == tmp_path
        assert Path(os.environ["AWS_CONFIG_FILE"]).parent == tmp_path
    assert dict(os.environ) == before


def test_the_configuration_is_valid_and_contains_no_keys(tmp_path: Path) -> None:
    with claimed_home(tmp_path) as home, own_environment(home):
        file = configure(home, ENDPOINT)
        sync = load_configuration(Home(home)).sync["images"]
        credentials = Path(os.environ["AWS_SHARED_CREDENTIALS_FILE"])
    assert (sync.source.bucket, sync.store.bucket) == ("hyve-rootwork", "hyve-store")
    assert {sync.source.endpoint_url, sync.store.endpoint_url} == {ENDPOINT}
    assert {sync.source.profile, sync.store.profile} == {None}
    assert not [key for key in (ACCESS_KEY_ID, SECRET_ACCESS_KEY, "access_key") if key in file.read_text()]
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
