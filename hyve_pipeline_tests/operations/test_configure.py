"""Merging answers with a configuration, and learning a bucket's region from its server."""

import os
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.answers import Answers
from hyve_pipeline.operations.configure import Draft, Keys
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
        sync = draft.tried(draft.merged(answers), *([keys] if keys else []))

    assert (sync.source.region, sync.store.region) == ("eu-west-1", "us-east-1")
    assert draft.merged(answers).source == sync.source.model_copy(update={"region": "us-east-1"})


def test_a_server_that_only_ever_redirects_is_given_up(draft: Draft, aws_profile: str) -> None:
    with scripted_server(lambda _: moved("eu-west-1")) as server:
        answers = Answers("in-bucket", "out-bucket", profile=aws_profile, endpoint_url=server.endpoint_url)
        with pytest.raises(BucketError, match="in-bucket"):
            draft.tried(draft.merged(answers))
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


def test_the_store_may_be_reached_in_its_own_way(draft: Draft) -> None:
    answers = Answers(
        "in-bucket",
        "s3://out-bucket/copies",
        region="us-east-1",
        profile="one",
        store_profile="two",
        store_endpoint_url="http://127.0.0.1:9",
    )
    sync = draft.merged(answers)
    assert sync.source == BucketSettings(bucket="in-bucket", region="us-east-1", profile="one")
    assert sync.store == BucketSettings(
        bucket="out-bucket",
        prefix="copies/",
        region="us-east-1",
        profile="two",
        endpoint_url="http://127.0.0.1:9",
    )


def test_each_side_is_tried_with_its_own_keys(draft: Draft) -> None:
    with scripted_server(lambda _: EMPTY) as server:
        answers = Answers(
            "in-bucket", "out-bucket", profile="one", store_profile="two", endpoint_url=server.endpoint_url
        )
        draft.tried(draft.merged(answers), Keys("one", "AKIDONE", SECRET), Keys("two", "AKIDTWO", SECRET))
    for received, key in zip(server.received, ("AKIDONE", "AKIDTWO"), strict=True):
        assert f"Credential={key}/" in received.headers["authorization"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (Answers("in_", "out-bucket"), "In bucket (--in-bucket): 'in_' is not a bucket name"),
        (Answers("s3://a_/x", "out-bucket"), "In bucket (--in-bucket): 's3://a_/x' is not a URI"),
        (
            Answers("in-bucket", "s3://out-bucket--x-s3/"),
            "(--out-bucket): 'out-bucket--x-s3' is a directory",
        ),
        (Answers("in-bucket", "out-bucket", region="a b"), "Region (--region): 'a b' is not a region"),
        (Answers("in-bucket", "out-bucket", store_region="a b"), "Region of the store (--store-region): 'a b' is not"),
        (Answers("in-bucket", "out-bucket", endpoint_url="nas"), "Endpoint URL (--endpoint-url): 'nas' is not an"),
        (Answers("in-bucket", "in-bucket"), "Out bucket (--out-bucket): overlaps the source"),
        (Answers("s3://in-bucket/a", "out-bucket", in_prefix="b"), "has a prefix, and --in-prefix names another"),
    ],
)
def test_a_wrong_answer_is_named_by_its_question_and_not_by_a_file(draft: Draft, answers: Answers, said: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        draft.merged(answers)
    assert said in str(wrong.value)
    assert "hyve.toml" not in str(wrong.value)


def test_an_unknown_profile_is_named_by_its_option(draft: Draft) -> None:
    sync = draft.merged(Answers("in-bucket", "out-bucket", store_profile="no-such"))
    with pytest.raises(ConfigurationError, match=r"^Profile of the store \(--store-profile\): no profile 'no-such'"):
        draft.tried(sync)
