"""Keys of the environment: the same as botocore finds there, or none where it has to read more."""

import botocore.session
import pytest

from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.s3.connection.environment_keys import environment_keys
from hyve_pipeline_tests.conftest import PROFILE

PLACE = BucketSettings(bucket="pictures")

pytestmark = pytest.mark.usefixtures("aws_profile")


@pytest.mark.parametrize(
    "tokens",
    [
        {},
        {"AWS_SESSION_TOKEN": "new"},
        {"AWS_SECURITY_TOKEN": "old"},
        {"AWS_SESSION_TOKEN": "new", "AWS_SECURITY_TOKEN": "old"},
        {"AWS_SESSION_TOKEN": "new", "AWS_SECURITY_TOKEN": ""},
    ],
    ids=" ".join,
)
def test_the_keys_are_those_that_botocore_finds(tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", **tokens}.items():
        monkeypatch.setenv(name, value)
    keys = environment_keys(PLACE)
    found = botocore.session.Session().get_credentials()
    assert keys is not None
    assert found is not None
    assert (keys.access_key_id, keys.secret_access_key, keys.session_token) == (
        found.access_key,
        found.secret_key,
        found.token,
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"AWS_ACCESS_KEY_ID": ""},
        {"AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_PROFILE": PROFILE},
        {"AWS_DEFAULT_PROFILE": PROFILE},
        {"AWS_CREDENTIAL_EXPIRATION": "2099-01-01T00:00:00Z"},
    ],
    ids=" ".join,
)
def test_botocore_is_asked_where_it_has_to_read_more(changed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", **changed}.items():
        monkeypatch.setenv(name, value)
    assert environment_keys(PLACE) is None


def test_a_profile_that_the_settings_name_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert environment_keys(PLACE.model_copy(update={"profile": PROFILE})) is None
