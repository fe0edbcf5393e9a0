"""Where a home's state is, by the environment and by the home's configuration."""

import json
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.state.storage.open_storage import open_storage, state_bucket

ODD_PREFIXES = ["a b+c%/", "ü/日本/", "%2F/", "a&b=c/", "#part/", "a//b/", "/lead/", "../up/"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hyve.toml"


def _bucket(file: Path) -> BucketSettings:
    found = state_bucket(file)
    assert found is not None
    return found


def test_without_a_name_the_state_is_a_folder(file: Path, tmp_path: Path) -> None:
    assert state_bucket(file) is None
    assert open_storage(tmp_path / "state", file).folder == tmp_path / "state"


@pytest.mark.parametrize("prefix", [*ODD_PREFIXES, "a?b/"])
def test_a_prefix_is_taken_as_it_is_written_in_the_configuration(prefix: str, file: Path) -> None:
    file.write_text(f"[home]\nstate = {json.dumps(f's3://state/{prefix}', ensure_ascii=False)}\n")
    assert (_bucket(file).bucket, _bucket(file).prefix) == ("state", prefix)


@pytest.mark.parametrize("prefix", ODD_PREFIXES)
def test_a_prefix_is_taken_as_it_is_written_in_the_environment(
    prefix: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYVE_STATE", f"s3://state/{prefix}?profile=a%20b&endpoint_url=http://127.0.0.1:9000")
    found = _bucket(file)
    assert (found.bucket, found.prefix) == ("state", prefix)
    assert (found.profile, found.endpoint_url) == ("a b", "http://127.0.0.1:9000")


def test_the_environment_goes_before_the_configuration(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[home]\nstate = "s3://other/"\nprofile = "one"\nregion = "eu-central-1"\n')
    monkeypatch.setenv("HYVE_STATE", "s3://state/home/?profile=two")
    found = _bucket(file)
    assert (found.bucket, found.prefix, found.profile, found.region) == ("state", "home/", "two", "eu-central-1")


@pytest.mark.parametrize("named", ["s3://state/a?b/", "s3://state/a?b/?profile=one", "?profile=one", "state/home"])
def test_what_is_no_place_is_an_error(named: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYVE_STATE", named)
    with pytest.raises(ConfigurationError, match=r"^HYVE_STATE: "):
        state_bucket(file)
