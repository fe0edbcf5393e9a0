"""`hyve configure` as users at a terminal and scripts use it, against servers over HTTP."""

import io
import json
import os
import stat
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyve_pipeline.cli.main import run
from hyve_pipeline.core.settings.json_schema import settings_schema
from hyve_pipeline_tests.cli.conftest import settings
from hyve_pipeline_tests.conftest import PROFILE, MakeBucket
from hyve_pipeline_tests.servers import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, client_for, list_keys

KEYS = f"{ACCESS_KEY_ID}\n{SECRET_ACCESS_KEY}\n"


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Configure = Callable[..., Outcome]


@pytest.fixture
def configure(
    home: Path, aws_profile: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Configure:
    """Runs the command with text piped in."""

    def call(*arguments: str, answers: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
        code = run(["configure", "--home", str(home), *arguments])
        captured = capsys.readouterr()
        assert SECRET_ACCESS_KEY not in captured.out + captured.err
        return Outcome(code, captured.out, captured.err)

    return call


def files(*paths: Path) -> dict[Path, bytes]:
    """All content below some folders and files."""
    found = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return {file: file.read_bytes() for file in found}


def test_takes_five_answers_from_a_pipe_and_keeps_the_keys_in_a_profile(
    configure: Configure, home: Path, credentials: Path, buckets: tuple[str, str], rclone_endpoint: str
) -> None:
    source, store = buckets
    before = credentials.read_text()

    outcome = configure("--endpoint-url", rclone_endpoint, answers=f"{KEYS}{REGION}\n{source}\n{store}\n")

    assert (outcome.code, outcome.err) == (0, "")
    assert f"'hyve dryrun --home {home}'" in outcome.out
    side = {"profile": "hyve", "region": REGION, "endpoint_url": rclone_endpoint}
    tables = {"source": {"bucket": source, **side}, "store": {"bucket": store, **side}}
    assert settings(home) == {"images": {**tables, "options": {}}}
    added = f"\n[hyve]\naws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n"
    assert credentials.read_text() == before + added
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [file for file, text in files(home).items() if SECRET_ACCESS_KEY.encode() in text] == []
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & set(os.environ)


def test_prints_one_document_for_scripts(
    configure: Configure, home: Path, buckets: tuple[str, str], rclone_endpoint: str
) -> None:
    source, store = buckets
    options = ("--sync", "pictures", "--in-bucket", source, "--out-bucket", store, "--region", REGION)
    places = ("--in-prefix", "a", "--endpoint-url", rclone_endpoint, "--profile", PROFILE)

    outcome = configure("--no-input", "--json", *options, *places)

    side = {"profile": PROFILE, "region": REGION, "endpoint_url": rclone_endpoint}
    assert outcome.code == 0
    assert json.loads(outcome.out) == {
        "sync": "pictures",
        "file": str(home / "hyve.toml"),
        "profile": PROFILE,
        "source": {"bucket": source, "prefix": "a/", **side},
        "store": {"bucket": store, "prefix": "", **side},
    }


def test_an_existing_profile_is_used_without_asking_for_keys(
    configure: Configure, home: Path, credentials: Path, buckets: tuple[str, str], rclone_endpoint: str
) -> None:
    before = credentials.read_bytes()
    answers = f"{REGION}\n{buckets[0]}\n{buckets[1]}\n"
    outcome = configure("--profile", PROFILE, "--endpoint-url", rclone_endpoint, answers=answers)
    assert (outcome.code, credentials.read_bytes()) == (0, before)
    assert settings(home)["images"]["store"]["profile"] == PROFILE


def test_an_empty_access_key_id_uses_the_default_credentials(
    configure: Configure,
    home: Path,
    credentials: Path,
    buckets: tuple[str, str],
    rclone_endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
    before = credentials.read_bytes()
    answers = f"\n\n{buckets[0]}\n{buckets[1]}\n"
    assert configure("--endpoint-url", rclone_endpoint, answers=answers).code == 0
    assert credentials.read_bytes() == before
    assert settings(home)["images"]["source"] == {"bucket": buckets[0], "endpoint_url": rclone_endpoint}


def test_typed_keys_are_what_is_tried_whatever_the_environment_has(
    configure: Configure, buckets: tuple[str, str], rclone_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {
        "AWS_ACCESS_KEY_ID": "AKIDOTHER",
        "AWS_SECRET_ACCESS_KEY": "other",
        "AWS_SESSION_TOKEN": "token",
        "AWS_PROFILE": "not-there",
    }
    for name, value in others.items():
        monkeypatch.setenv(name, value)
    answers = f"{KEYS}{REGION}\n{buckets[0]}\n{buckets[1]}\n"
    assert configure("--endpoint-url", rclone_endpoint, answers=answers).code == 0
    assert {name: os.environ.get(name) for name in others} == others


@pytest.mark.parametrize(
    ("answers", "source", "store", "said"),
    [
        (f"{ACCESS_KEY_ID}\nwrong\n", "{0}", "{1}", "'hyve': correct them"),
        ("AKIDUNKNOWN\nwrong\n", "{0}", "{1}", "'hyve': correct them"),
        (KEYS, "no-such-bucket", "{1}", "s3://no-such-bucket/: there is no bucket 'no-such-bucket'"),
        (KEYS, "{0}", "no-such-bucket", "s3://no-such-bucket/: there is no bucket 'no-such-bucket'"),
    ],
)
def test_writes_nothing_when_a_bucket_cant_be_listed(
    configure: Configure,
    home: Path,
    credentials: Path,
    buckets: tuple[str, str],
    rclone_endpoint: str,
    answers: str,
    source: str,
    store: str,
    said: str,
) -> None:
    before = files(credentials.parent)
    answers += f"{REGION}\n{source.format(*buckets)}\n{store.format(*buckets)}\n"
    outcome = configure("--endpoint-url", rclone_endpoint, answers=answers)
    assert (outcome.code, outcome.out) == (4, "")
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
    assert files(credentials.parent) == before
    assert not home.exists()


def test_writes_nothing_into_the_buckets(configure: Configure, buckets: tuple[str, str], rclone_endpoint: str) -> None:
    answers = f"{KEYS}{REGION}\n{buckets[0]}\n{buckets[1]}\n"
    assert configure("--endpoint-url", rclone_endpoint, answers=answers).code == 0
    assert [list_keys(client_for(rclone_endpoint), bucket) for bucket in buckets] == [[], []]


@pytest.mark.parametrize(
    ("arguments", "answers", "said"),
    [
        (("--no-input",), "", "--in-bucket is needed"),
        (("--no-input", "--in-bucket", "aaa"), "", "--out-bucket is needed"),
        (("--no-input", "--replace-keys"), "", "--no-input forbids"),
        (("--no-input", "--in-bucket", "aaa", "--out-bucket", "aaa"), "", "overlaps the source"),
        (
            ("--no-input", "--in-bucket", "s3://a_", "--out-bucket", "bbb"),
            "",
            "(--in-bucket): 's3://a_' is not",
        ),
        (("--no-input", "--in-bucket", "aaa", "--out-bucket", "bbb", "--profile", "hyve-test"), "", f"mean {PROFILE}?"),
        (("--sync", "a.b"), "\n\naaa\nbbb\n", "'a.b' is not a sync name"),
        ((), "", "standard input ended where 'AWS access key id' was asked; --profile NAME, or --no-input"),
        ((), "AKID\n", "standard input ended where 'AWS secret access key' was asked"),
        ((), "AKID\n\n", "standard input has an empty line for 'AWS secret access key'"),
        ((), "AKID\nsecret\n\n", "standard input ended where 'In bucket (the source)' was asked; --in-bucket"),
        ((), "AKID\nsecret\n\n\n", "standard input has an empty line for 'In bucket (the source)'; --in-bucket"),
        ((), "AKÏD\nsecret\n\naaa\nbbb\n", "access key id must be printable ASCII"),
        (("--replace-keys",), "\n", "standard input has an empty line for 'AWS access key id'"),
    ],
)
def test_says_in_one_line_what_is_missing_or_wrong(
    configure: Configure, home: Path, credentials: Path, arguments: tuple[str, ...], answers: str, said: str
) -> None:
    before = credentials.read_bytes()
    outcome = configure(*arguments, answers=answers)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
    assert not home.exists()
    assert credentials.read_bytes() == before


def test_other_keys_of_a_profile_are_replaced_only_on_request(
    configure: Configure, home: Path, credentials: Path, buckets: tuple[str, str], rclone_endpoint: str
) -> None:
    credentials.write_text("[hyve]\naws_access_key_id = AKIDOTHER\naws_secret_access_key = other\n")
    answers = f"{KEYS}{REGION}\n{buckets[0]}\n{buckets[1]}\n"

    refused = configure("--endpoint-url", rclone_endpoint, answers=answers)

    assert refused.code == 2
    assert "AWS profile 'hyve' has other keys" in refused.err
    assert "AKIDOTHER" in credentials.read_text()
    assert not home.exists()

    assert configure("--endpoint-url", rclone_endpoint, "--replace-keys", answers=answers).code == 0
    expected = f"[hyve]\naws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n"
    assert credentials.read_text() == expected

    # The same keys once more change nothing, so they need no request.
    assert configure(answers=answers).code == 0


def test_another_profile_leaves_the_first_ones_keys(
    configure: Configure, home: Path, credentials: Path, buckets: tuple[str, str], rclone_endpoint: str
) -> None:
    before = credentials.read_text()
    answers = f"{KEYS}{REGION}\n{buckets[0]}\n{buckets[1]}\n"
    assert configure("--profile", "second", "--endpoint-url", rclone_endpoint, answers=answers).code == 0
    assert credentials.read_text().startswith(before)
    assert "[second]" in credentials.read_text()
    assert settings(home)["images"]["source"]["profile"] == "second"


def test_empty_answers_change_nothing_of_a_configured_sync(configure: Configure, home: Path, hand_written: str) -> None:
    assert configure(answers="\n\n\n\n").code == 0
    assert (home / "hyve.toml").read_text() == hand_written
    assert configure("--no-input").code == 0
    assert (home / "hyve.toml").read_text() == hand_written


def test_an_option_changes_what_it_names_and_nothing_else(
    configure: Configure, home: Path, hand_written: str, make_bucket: MakeBucket, rclone_endpoint: str
) -> None:
    other = make_bucket("other", endpoint_url=rclone_endpoint)
    assert configure("--no-input", "--out-bucket", other, "--out-prefix", "").code == 0
    changed = settings(home)["pictures"]
    assert changed["store"] == {"bucket": other, "profile": PROFILE, "endpoint_url": rclone_endpoint}
    wanted = tomllib.loads(hand_written)["sync"]["pictures"]
    assert {**changed, "store": None} == {**wanted, "store": None}
    assert "# Kept by hand." in (home / "hyve.toml").read_text()
    assert "# at night" in (home / "hyve.toml").read_text()


def test_adds_a_sync_beside_others(
    configure: Configure, home: Path, hand_written: str, buckets: tuple[str, str], rclone_endpoint: str
) -> None:
    options = ("--in-bucket", buckets[1], "--in-prefix", "x", "--out-bucket", buckets[0], "--profile", PROFILE)
    assert configure("--no-input", "--sync", "back", *options, "--endpoint-url", rclone_endpoint).code == 0
    assert list(settings(home)) == ["pictures", "back"]
    assert (home / "hyve.toml").read_text().startswith(hand_written.rstrip())

    unclear = configure("--no-input")
    assert unclear.code == 2
    assert "choose one by --sync: pictures, back" in unclear.err


def test_a_configuration_with_mistakes_is_told_before_anything_is_asked(configure: Configure, home: Path) -> None:
    home.mkdir()
    (home / "hyve.toml").write_text("[sync.images]\nsorce = 1\n")
    outcome = configure(answers="\n\n\n\n")
    assert outcome.code == 2
    assert "did you mean source?" in outcome.err


def test_a_new_file_has_comments_and_a_schema_beside_it(
    configure: Configure, home: Path, buckets: tuple[str, str], rclone_endpoint: str
) -> None:
    options = ("--profile", PROFILE, "--endpoint-url", rclone_endpoint, "--region", REGION)
    places = ("--in-bucket", f"s3://{buckets[0]}/in", "--out-bucket", f"s3://{buckets[1]}")
    assert configure("--no-input", *options, *places).code == 0
    text = (home / "hyve.toml").read_text()
    assert text.startswith("#:schema ./hyve.schema.json\n")
    assert '# trash = "s3://my-trash/images/"' in text
    assert settings(home)["images"]["source"]["prefix"] == "in/"
    schema = json.loads((home / "hyve.schema.json").read_text())
    assert schema == settings_schema()
    assert stat.S_IMODE((home / "hyve.schema.json").stat().st_mode) == 0o600


def test_the_store_may_have_its_own_profile_region_and_endpoint(
    configure: Configure,
    home: Path,
    credentials: Path,
    make_bucket: MakeBucket,
    rclone_endpoint: str,
    moto_endpoint: str,
) -> None:
    with credentials.open("a") as file:
        file.write("[other]\naws_access_key_id = AKIDOTHER\naws_secret_access_key = other\n")
    source, store = make_bucket("in", endpoint_url=rclone_endpoint), make_bucket("out")
    options = ("--profile", PROFILE, "--endpoint-url", rclone_endpoint, "--region", REGION)
    own = ("--store-profile", "other", "--store-endpoint-url", moto_endpoint, "--store-region", "eu-west-1")
    outcome = configure("--no-input", "--json", "--in-bucket", source, "--out-bucket", store, *options, *own)
    assert outcome.code == 0
    assert json.loads(outcome.out)["profile"] is None
    written = settings(home)["images"]["store"]
    assert written == {"bucket": store, "profile": "other", "endpoint_url": moto_endpoint, "region": "eu-west-1"}
