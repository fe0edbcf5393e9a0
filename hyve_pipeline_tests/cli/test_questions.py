"""`hyve configure` as a person at a terminal uses it, against servers over HTTP."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyve_pipeline_tests.cli.conftest import settings
from hyve_pipeline_tests.conftest import PROFILE, MakeBucket
from hyve_pipeline_tests.servers import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from hyve_pipeline_tests.terminals import Terminal, open_terminal


@pytest.fixture
def terminal(home: Path, aws_profile: str) -> Any:
    """Starts the command at a terminal of its own."""
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(open_terminal("configure", "--home", str(home), *arguments))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_asks_a_person_and_never_shows_the_secret(
    terminal: Callable[..., Terminal], home: Path, credentials: Path, buckets: tuple[str, str], rclone_endpoint: str
) -> None:
    credentials.write_text("[hyve]\naws_access_key_id = AKIDOTHER\naws_secret_access_key = other\n")
    person = terminal("--endpoint-url", rclone_endpoint)
    person.wait_for("AWS access key id [the AWS default credentials]: ")
    person.type(f"{ACCESS_KEY_ID}\n")
    person.wait_for("AWS secret access key [not shown]: ")
    person.type(f"{SECRET_ACCESS_KEY}\n")
    person.wait_for("AWS profile 'hyve' has other keys. Replace them? [y/N]: ")
    person.type("y\n")
    person.wait_for("Region [us-east-1]: ")
    person.type("\n")
    person.wait_for("In bucket (the source), or s3://bucket/prefix: ")
    person.type("\n")
    person.wait_for("an answer is needed")
    person.wait_for("In bucket (the source), or s3://bucket/prefix: ")
    person.type(f"s3://{buckets[0]}/images\n")
    person.wait_for("Is the store reached in the same way (keys, region, endpoint)? [Y/n]: ")
    person.type("\n")
    person.wait_for("Out bucket (the store), or s3://bucket/prefix: ")
    person.type(f"{buckets[1]}\n")
    assert person.end() == 0
    assert SECRET_ACCESS_KEY not in person.shown
    assert settings(home)["images"]["source"]["prefix"] == "images/"
    assert settings(home)["images"]["store"]["bucket"] == buckets[1]
    assert ACCESS_KEY_ID in credentials.read_text()


def test_each_answer_is_tried_and_asked_for_again(
    terminal: Callable[..., Terminal],
    home: Path,
    credentials: Path,
    make_bucket: MakeBucket,
    buckets: tuple[str, str],
    rclone_endpoint: str,
    moto_endpoint: str,
) -> None:
    """Each line is what is asked for, what is typed, and what is said about it; the store is on another server."""
    store = make_bucket("store")
    person = terminal()
    for question, typed, said in (
        ("AWS access key id [the AWS default credentials]: ", "", "there are no AWS credentials for this user"),
        ("AWS access key id [the AWS default credentials]: ", "AKID A", "without spaces"),
        ("AWS access key id [the AWS default credentials]: ", ACCESS_KEY_ID, ""),
        ("AWS secret access key [not shown]: ", "wrong", ""),
        ("Region [us-east-1]: ", "a b", "'a b' is not a region"),
        ("Region [us-east-1]: ", "", ""),
        ("Endpoint URL [AWS]: ", "nas", "'nas' is not an endpoint"),
        ("Endpoint URL [AWS]: ", "http://127.0.0.1:9", "can't be reached: Connection refused"),
        ("Endpoint URL [AWS]: ", rclone_endpoint, ""),
        ("In bucket (the source), or s3://bucket/prefix: ", "s3://x", "is not a URI"),
        ("In bucket (the source), or s3://bucket/prefix: ", buckets[0], "does not accept the access key or secret key"),
        ("AWS access key id: ", ACCESS_KEY_ID, ""),
        ("AWS secret access key [not shown]: ", SECRET_ACCESS_KEY, ""),
        ("Is the store reached in the same way (keys, region, endpoint)? [Y/n]: ", "n", ""),
        ("AWS access key id for the store [the AWS default credentials]: ", "AKIDSTORE", ""),
        ("AWS secret access key for the store [not shown]: ", "secret", ""),
        ("Region of the store [us-east-1]: ", "eu-west-1", ""),
        ("Endpoint URL of the store [AWS]: ", moto_endpoint, ""),
        ("Out bucket (the store), or s3://bucket/prefix: ", "no-such-bucket", "there is no bucket 'no-such-bucket'"),
        ("Out bucket (the store), or s3://bucket/prefix: ", f"s3://{store}/copies", ""),
    ):
        person.wait_for(question)
        person.type(f"{typed}\n")
        person.wait_for(said)
    assert person.end() == 0, person.shown
    assert "hyve.toml: [" not in person.shown
    written = settings(home)["images"]
    assert written["source"] == {
        "bucket": buckets[0],
        "profile": "hyve",
        "region": "us-east-1",
        "endpoint_url": rclone_endpoint,
    }
    assert written["store"] == {
        "bucket": store,
        "prefix": "copies/",
        "profile": "hyve-store",
        "region": "eu-west-1",
        "endpoint_url": moto_endpoint,
    }
    text = credentials.read_text()
    assert "[hyve]" in text
    assert "[hyve-store]\naws_access_key_id = AKIDSTORE" in text
    assert "wrong" not in text


def test_a_store_inside_the_source_is_asked_for_again(
    terminal: Callable[..., Terminal], home: Path, buckets: tuple[str, str], rclone_endpoint: str
) -> None:
    options = ("--endpoint-url", rclone_endpoint, "--profile", PROFILE, "--region", REGION)
    person = terminal(*options, "--in-bucket", buckets[0])
    person.wait_for("? [Y/n]: ")
    person.type("y\n")
    person.wait_for("prefix: ")
    person.type(f"s3://{buckets[0]}/copies\n")
    person.wait_for("Out bucket (--out-bucket): overlaps the source")
    person.wait_for("prefix: ")
    person.type(f"{buckets[1]}\n")
    assert person.end() == 0
    assert settings(home)["images"]["store"]["bucket"] == buckets[1]


def test_what_an_option_says_is_not_asked_for_again(
    terminal: Callable[..., Terminal], home: Path, rclone_endpoint: str
) -> None:
    person = terminal("--endpoint-url", rclone_endpoint, "--profile", PROFILE, "--region", REGION, "--in-bucket", "aaa")
    assert person.end() == 4
    assert "there is no bucket 'aaa'" in person.shown
    assert not home.exists()


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_a_person_can_leave_at_a_question(
    terminal: Callable[..., Terminal], home: Path, credentials: Path, key: str
) -> None:
    before = credentials.read_bytes()
    person = terminal()
    person.wait_for("AWS access key id")
    person.wait_for(": ")
    person.insist(key)
    assert person.end() == 130
    assert not home.exists()
    assert credentials.read_bytes() == before


def test_a_person_who_says_no_keeps_the_profile_and_names_another(
    terminal: Callable[..., Terminal], home: Path, credentials: Path, buckets: tuple[str, str], rclone_endpoint: str
) -> None:
    before = "[hyve]\naws_access_key_id = AKIDOTHER\naws_secret_access_key = other\n"
    credentials.write_text(before)
    options = ("--endpoint-url", rclone_endpoint, "--region", REGION, "--in-bucket", buckets[0])
    person = terminal(*options, "--out-bucket", buckets[1])
    for question, typed in (
        ("access key id [the AWS default credentials]: ", ACCESS_KEY_ID),
        ("secret access key [not shown]: ", SECRET_ACCESS_KEY),
        ("Replace them? [y/N]: ", "n"),
        ("Name of a new AWS profile for these keys: ", "hyve"),
        ("there is an AWS profile 'hyve' already", None),
        ("Name of a new AWS profile for these keys: ", "mine"),
        ("Is the store reached in the same way", "y"),
    ):
        person.wait_for(question)
        if typed is not None:
            person.type(f"{typed}\n")
    assert person.end() == 0
    assert credentials.read_text().startswith(before)
    assert settings(home)["images"]["store"]["profile"] == "mine"


def test_enter_at_each_question_changes_nothing_of_a_configured_sync(
    terminal: Callable[..., Terminal], home: Path, hand_written: str
) -> None:
    """The two sides have other regions, so the store is asked for by itself."""
    person = terminal()
    for question in (
        f"AWS access key id [profile '{PROFILE}']: ",
        "Region [eu-central-1]: ",
        "Endpoint URL [http://127.0.0.1:",
        "In bucket (the source), or s3://bucket/prefix [in-",
        "Is the store reached in the same way (keys, region, endpoint)? [y/N]: ",
        f"AWS access key id for the store [profile '{PROFILE}']: ",
        "Region of the store [as AWS is configured]: ",
        "Endpoint URL of the store [http://127.0.0.1:",
        "Out bucket (the store), or s3://bucket/prefix [out-",
    ):
        person.wait_for(question)
        if not question.endswith(": "):
            person.wait_for("]: ")
        person.type("\n")
    assert person.end() == 0, person.shown
    assert (home / "hyve.toml").read_text() == hand_written
