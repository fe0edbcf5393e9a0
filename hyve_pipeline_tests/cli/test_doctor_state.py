"""What `hyve doctor` finds out about a state in a bucket."""

import pytest

from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline_tests.cli.doctored import detail, verdicts
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.syncs import Hyve, Pair


@pytest.mark.parametrize("state_kind", ["s3"], indirect=True)
def test_finds_a_state_in_a_bucket(pair: Pair, hyve: Hyve, state_place: BucketSettings) -> None:
    finished = hyve("doctor", "--json")
    assert verdicts(finished)["state", "home"] == "ok"
    expected = f"{state_place.uri.rstrip('/')} can be listed and written, and its server keeps to If-None-Match"
    assert detail(finished, "state", "home") == expected


def test_finds_a_state_that_can_not_be_reached(pair: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch) -> None:
    place = pair.store.place
    monkeypatch.setenv("HYVE_STATE", f"s3://no-such-bucket/?endpoint_url={place.endpoint_url}&profile={place.profile}")
    finished = hyve("doctor", "--json")
    assert finished.code == 4
    assert verdicts(finished)["state", "home"] == "fail"
    assert "s3://no-such-bucket" in detail(finished, "state", "home")
    assert verdicts(finished)["listing", "store"] == "ok"


@pytest.mark.rclone
def test_finds_a_state_whose_server_ignores_conditions(
    pair: Pair, hyve: Hyve, rclone_endpoint: str, make_place: MakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_place("state", endpoint_url=rclone_endpoint)
    monkeypatch.setenv("HYVE_STATE", f"{place.uri}?endpoint_url={rclone_endpoint}&profile={place.profile}")
    finished = hyve("doctor", "--json")
    assert finished.code == 2
    assert verdicts(finished)["state", "home"] == "fail"
    assert "ignores If-None-Match" in detail(finished, "state", "home")
