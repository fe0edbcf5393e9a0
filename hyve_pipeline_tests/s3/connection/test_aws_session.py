"""A session without handlers until it makes a client, and then with all of them."""

from pathlib import Path

import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.loaders import Loader

from hyve_pipeline.s3.connection.aws_session import AwsSession
from hyve_pipeline_tests.conftest import PROFILE

pytestmark = pytest.mark.usefixtures("aws_profile")

# What botocore's handlers say of a request that is not to be signed; container credentials rest upon it.
_EVENT = "choose-signer.sts.AssumeRoleWithWebIdentity"


def _answers(session: botocore.session.Session) -> list[object]:
    emitter = session.get_component("event_emitter")
    return [answer for _, answer in emitter.emit(_EVENT, context={}, signing_name="sts")]


def test_it_has_the_same_credentials() -> None:
    found = [session(profile=PROFILE).get_credentials() for session in (AwsSession, botocore.session.Session)]
    keys = [credentials.get_frozen_credentials() for credentials in found if credentials is not None]
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_the_first_client_brings_all_handlers() -> None:
    session = AwsSession(profile=PROFILE)
    assert _answers(session) == []
    usual = botocore.session.Session(profile=PROFILE)
    for _ in range(2):
        for each in (session, usual):
            each.create_client("sts", region_name="us-east-1")
        assert _answers(session) == _answers(usual)
        assert UNSIGNED in _answers(session)


def test_what_clients_are_made_from_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded() -> Loader:
        session = AwsSession(profile=PROFILE)
        session.create_client("sts", region_name="us-east-1")
        return session.get_component("data_loader")

    assert loaded() is loaded()
    # The user's own folder of it.
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert str(tmp_path) in loaded().search_paths
