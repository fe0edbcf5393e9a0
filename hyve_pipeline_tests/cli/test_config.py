"""`hyve config` shows what is in force and where it is from, and says all mistakes."""

import json
from pathlib import Path
from typing import Any

import pytest

from hyve_pipeline.core.settings.json_schema import settings_schema
from hyve_pipeline.core.settings.model import Automation
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline_tests.conftest import PROFILE
from hyve_pipeline_tests.servers import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from hyve_pipeline_tests.syncs import Hyve

TEXT = f"""\
[sync.images]
schedule = "0 2 * * *"

[sync.images.source]
bucket = "hyve-rootwork"
profile = "{PROFILE}"

[sync.images.store]
bucket = "hyve-store"
endpoint_url = "http://127.0.0.1:9000"

[sync.images.options]
max_deletes = "5%"
shard_bytes = "1 GiB"

[sync.images.automation]
webhook = "https://hooks.example.org/T000/hush"
"""


@pytest.fixture
def home(tmp_path: Path, aws_profile: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "hyve.toml").write_text(TEXT)
    for name, value in {"HYVE_HOME": str(folder), "AWS_DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)
    return folder


def shown(hyve: Hyve, *arguments: str) -> dict[str, Any]:
    outcome = hyve("config", *arguments, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.document


def test_each_value_comes_with_its_origin(hyve: Hyve, home: Path) -> None:
    document = shown(hyve)
    sync = document["sync"]["images"]
    assert document["home"]["home"] == {"value": str(home), "from": "HYVE_HOME"}
    assert sync["schedule"] == {"value": "0 2 * * *", "from": "hyve.toml", "line": 2}
    assert sync["timezone"] == {"value": "UTC", "from": "default"}
    assert sync["source"]["bucket"] == {"value": "hyve-rootwork", "from": "hyve.toml", "line": 5}
    assert sync["source"]["region"] == {"value": "eu-west-1", "from": "AWS_DEFAULT_REGION"}
    assert sync["store"]["endpoint_url"] == {"value": "http://127.0.0.1:9000", "from": "hyve.toml", "line": 10}
    assert sync["options"]["shard_bytes"] == {"value": 1024**3, "from": "hyve.toml", "line": 14}
    assert set(sync["options"]) == set(Options.model_fields)
    assert set(sync["automation"]) == set(Automation.model_fields)


def test_what_the_aws_files_and_the_environment_name_is_in_force(
    hyve: Hyve, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    lines = ("region = eu-north-1", "endpoint_url = http://127.0.0.1:9001")
    (tmp_path / "aws_config").write_text("\n".join([f"[profile {PROFILE}]", *lines, ""]))
    monkeypatch.setenv("AWS_PROFILE", PROFILE)
    sync = shown(hyve, "--sync", "images")["sync"]["images"]
    assert sync["source"]["region"] == {"value": "eu-north-1", "from": f"profile '{PROFILE}'"}
    assert sync["source"]["endpoint_url"] == {"value": "http://127.0.0.1:9001", "from": f"profile '{PROFILE}'"}
    assert sync["store"]["profile"] == {"value": PROFILE, "from": "AWS_PROFILE"}
    assert sync["store"]["credentials"] == {"value": f"profile '{PROFILE}'", "from": str(tmp_path / "aws_credentials")}
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9002")
    source = shown(hyve)["sync"]["images"]["source"]
    assert source["endpoint_url"] == {"value": "http://127.0.0.1:9002", "from": "AWS_ENDPOINT_URL_S3"}


def test_the_state_of_the_variable_and_of_the_file(hyve: Hyve, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(hyve)["home"]["state"] == {"value": str(home / "state"), "from": "default"}
    (home / "hyve.toml").write_text(f'{TEXT}[home]\nstate = "s3://aaa/"\nregion = "eu-west-2"\n')
    monkeypatch.setenv("HYVE_STATE", f"s3://hyve-state/home/?profile={PROFILE}")
    found = shown(hyve)["home"]
    assert found["state"] == {"value": "s3://hyve-state/home/", "from": "HYVE_STATE"}
    assert found["profile"] == {"value": PROFILE, "from": "HYVE_STATE"}
    assert found["region"] == {"value": "eu-west-2", "from": "hyve.toml", "line": 20}


def test_values_with_a_unit_are_shown_as_the_file_has_them(hyve: Hyve, home: Path) -> None:
    text = " ".join(hyve("config").out.split())
    for shown_as in ('shard_bytes "1 GiB"', 'multipart_part_size = "256 MiB"', 'inventory_max_age = "48 h"'):
        assert shown_as in text


def test_no_secret_is_shown(hyve: Hyve, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
    for arguments in ((), ("--json",), ("check",)):
        outcome = hyve("config", *arguments)
        for secret in (SECRET_ACCESS_KEY, ACCESS_KEY_ID, "hush"):
            assert secret not in outcome.out + outcome.err
    credentials = shown(hyve)["sync"]["images"]["store"]["credentials"]
    assert credentials == {"value": "the AWS default credentials", "from": "AWS_ACCESS_KEY_ID"}


def test_text_has_what_is_set_first_and_no_line_too_long(hyve: Hyve, home: Path) -> None:
    outcome = hyve("config", "--home", str(home))
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    of_home = next(line for line in lines if line.startswith("  home "))
    assert of_home.split()[1:] == [str(home), "--home"]
    options = lines.index("[sync.images.options]")
    assert lines[options + 1].split() == ["max_deletes", '"5%"', "hyve.toml:13"]
    assert lines[options + 2].split() == ["shard_bytes", '"1', 'GiB"', "hyve.toml:14"]
    assert lines[options + 3].startswith('  default: compare = "last_modified", ')
    assert all(len(line) < 80 for line in lines if str(home.parent) not in line)


def test_a_bandwidth_is_shown_as_the_file_may_have_it(hyve: Hyve, home: Path) -> None:
    (home / "hyve.toml").write_text(TEXT.replace('shard_bytes = "1 GiB"', 'bandwidth = "0.2 GB/s"'))
    assert '"200 MB/s"  hyve.toml:14' in hyve("config").out


def test_a_right_configuration_is_ok(hyve: Hyve, home: Path) -> None:
    outcome = hyve("config", "check")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"ok: {home / 'hyve.toml'}: images\n", "")
    assert hyve("config", "check", "--sync", "images").code == 0
    unknown = hyve("config", "check", "--sync", "imags")
    assert (unknown.code, unknown.out) == (2, "")
    assert unknown.only_line == f"hyve: {home / 'hyve.toml'}: has no sync 'imags' (known: images; did you mean images?)"
    document = hyve("config", "check", "--json").document
    assert document == {"ok": True, "file": str(home / "hyve.toml"), "syncs": ["images"], "mistakes": []}


def test_all_mistakes_are_said_each_with_its_line(hyve: Hyve, home: Path) -> None:
    file = home / "hyve.toml"
    text = TEXT.replace("5%", "500%").replace("schedule", "shedule").replace(PROFILE, "no-such")
    file.write_text(text + '[sync.videos.source]\nbucket = "aaa"\n[sync.videos.store]\nbucket = "aaa"\nprefix = "x"\n')
    outcome = hyve("config", "check")
    assert (outcome.code, outcome.out) == (2, "")
    said = [line.removeprefix(f"hyve: {file}: ") for line in outcome.err.splitlines()]
    assert [line.partition(": ")[0] for line in said] == ["line 2", "line 6", "line 13", "line 20"]
    for line, problem in zip(
        said, ("did you mean schedule?", "no profile 'no-such'", "'500%'", "overlaps"), strict=True
    ):
        assert problem in line
    found = hyve("config", "check", "--json")
    assert (found.code, found.document["ok"]) == (2, False)
    assert [each["line"] for each in found.document["mistakes"]] == [2, 6, 13, 20]
    assert found.document["mistakes"][1]["table"] == "sync.images.source"


def test_what_only_the_environment_makes_wrong_is_found(
    hyve: Hyve, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "line 4: [sync.images.source] region: the bucket's region is not known" in hyve("config", "check").err
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("HYVE_STATE", "s3://hyve-store/x/?endpoint_url=http://127.0.0.1:9000")
    overlapping = hyve("config", "check")
    assert (overlapping.code, "the state s3://hyve-store/x/ and the store" in overlapping.err) == (2, True)
    monkeypatch.setenv("HYVE_STATE", "nonsense")
    assert hyve("config", "check").err.startswith("hyve: HYVE_STATE: ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "is missing; `hyve configure` writes it"),
        ("[sync.images\n", "line 1, column 13: is not valid TOML"),
        ("", "has no sync yet"),
    ],
)
def test_a_file_that_is_none(hyve: Hyve, home: Path, text: str | None, problem: str) -> None:
    file = home / "hyve.toml"
    file.unlink() if text is None else file.write_text(text)
    for arguments in (("config", "check"), ("config",)):
        outcome = hyve(*arguments)
        assert outcome.code == 2
        assert problem in outcome.only_line


def test_prints_the_schema_without_a_home(hyve: Hyve, tmp_path: Path) -> None:
    outcome = hyve("config", "schema", "--home", str(tmp_path / "none"))
    assert outcome.code == 0
    assert json.loads(outcome.out) == settings_schema()
