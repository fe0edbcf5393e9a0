"""Merging answers with a configuration, and learning a bucket's region from its server."""

import os
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError
from hyve_pipeline.operations.configure import Answers, Draft, Keys
from hyve_pipeline.operations.context import Home
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer, listing, scripted_server

SECRET = "a-secret"

EMPTY = Answer(listing())


@pytest.fixture
def draft(tmp_path: Path, aws_profile: str) -> Draft:
    return Draft(Home(tmp_path / "home"), None)


def moved(region: str) -> Answer:
    return error_answer(301, "PermanentRedirect", **{"x-amz-bucket-region": region})


def in_region(received: Received, region: str) -> bool:
    return f"/{region}/s3/" in received.headers["authorization"]


@pytest.mark.parametrize("keys", [None, Keys("new", "AKID", SECRET)], ids=["profile", "keys"])
def test_a_bucket_in_another_region_is_found_there(draft: Draft, aws_profile: str, keys: Keys | None) -> None:
    def answer(received: Received) -> Answer:
        home = "eu-west-1" if received.path.startswith("/in-bucket") else "us-east-1"
        if in_region(received, home):
            return EMPTY
        return moved(home)

    with scripted_server(answer) as server:
        profile = keys.profile if keys else aws_profile
        answers = Answers(
            "in-bucket", "out-bucket", region="us-east-1", profile=profile, endpoint_url=server.endpoint_url
        )
        sync = draft.tried(draft.merged(answers), keys)

    assert (sync.source.region, sync.store.region) == ("eu-west-1", "us-east-1")
    assert draft.merged(answers).source == sync.source.model_copy(update={"region": "us-east-1"})


def test_a_server_that_only_ever_redirects_is_given_up(draft: Draft, aws_profile: str) -> None:
    with scripted_server(lambda _: moved("eu-west-1")) as server:
        answers = Answers("in-bucket", "out-bucket", profile=aws_profile, endpoint_url=server.endpoint_url)
        with pytest.raises(BucketError, match="in-bucket"):
            draft.tried(draft.merged(answers), None)
        assert len(server.received) == 2


def test_the_keys_are_signed_with_and_the_environment_stays(draft: Draft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of other keys")
    before = dict(os.environ)
    with scripted_server(lambda _: EMPTY) as server:
        answers = Answers("in-bucket", "out-bucket", profile="new", endpoint_url=server.endpoint_url)
        draft.tried(draft.merged(answers), Keys("new", "AKIDTYPED", SECRET))
    assert [received.method for received in server.received] == ["GET", "GET"]
    for received in server.received:
        assert "Credential=AKIDTYPED/" in received.headers["authorization"]
        assert "x-amz-security-token" not in received.headers
    assert dict(os.environ) == before


def test_keys_show_in_no_repr() -> None:
    assert repr(Keys("new", "AKID", SECRET)) == "Keys(profile='new')"


@pytest.mark.parametrize("secret", ["", "a b", "a\nb", "ä"])
def test_keys_that_no_file_or_header_can_hold_are_refused_without_showing_them(secret: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Keys("new", "AKID", secret)
    assert str(refused.value) == "the secret access key must be printable ASCII characters without spaces"


def test_trash_within_the_new_store_is_found_before_anything_is_tried(tmp_path: Path, aws_profile: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "hyve.toml").write_text(
        '[sync.images.source]\nbucket = "aaa"\n[sync.images.store]\nbucket = "bbb"\n'
        '[sync.images.options]\ntrash = "s3://ccc/"\n'
    )
    with pytest.raises(ConfigurationError, match=r"\[sync.images.options\] trash: overlaps the store"):
        Draft(Home(home), None).merged(Answers(out_bucket="ccc"))
