"""Whole commands with a public source and a store that is reached as a role."""

from dataclasses import replace

import pytest

from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.plan.transfer import as_reader, have_same_credentials
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.servers import ACCESS_KEY_ID
from hyve_pipeline_tests.sts import ROLE, Sts
from hyve_pipeline_tests.syncs import Bucket, Hyve, MakePair, Pair


@pytest.fixture
def pair(make_pair: MakePair, faulty: FaultyServer, moto_endpoint: str) -> Pair:
    """Both sides are reached through a proxy that sees who signs."""
    made = make_pair(through=faulty)
    source = made.source.place.model_copy(update={"profile": None, "anonymous": True})
    store = made.store.place.model_copy(update={"role_arn": ROLE, "external_id": "hyve-4711"})
    pair = replace(made, source=Bucket(source, moto_endpoint), store=Bucket(store, moto_endpoint))
    pair.configure(processes=2, shard_objects=5)
    pair.source.put({f"{number}.jpg": b"picture" for number in range(12)})
    pair.store.put({"old.jpg": b"old"})
    return pair


@pytest.mark.local_state
def test_a_sync_in_several_processes_signs_as_the_role_alone(
    pair: Pair, hyve: Hyve, sts: Sts, faulty: FaultyServer
) -> None:
    outcome = hyve("sync", "--max-deletes", "100%")
    assert outcome.code == 0, outcome.err
    assert pair.store.read() == pair.source.read()
    assert set(sts.callers) == {ACCESS_KEY_ID}
    assert {asked["ExternalId"] for asked in sts.asked} == {"hyve-4711"}
    for received in faulty.received:
        signer = received.headers.get("authorization", "")
        is_of_source = received.path.startswith(f"/{pair.source.name}")
        if is_of_source and received.method == "GET" and "list-type" in received.query:
            assert signer == ""
        if not is_of_source:
            assert "Credential=ASIAROLE" in signer
        assert ACCESS_KEY_ID not in signer


@pytest.mark.local_state
def test_doctor_says_what_signs_and_what_sts_refuses(pair: Pair, hyve: Hyve, sts: Sts) -> None:
    healthy = hyve("doctor")
    assert "credentials, source: anonymous requests, region" in healthy.out
    assert f"credentials, store: role '{ROLE}', by profile 'hyve-tests', region" in healthy.out
    sts.refusal = "not authorized to perform sts:AssumeRole"
    refused = hyve("doctor")
    assert refused.code == 2
    assert f"role '{ROLE}' cannot be assumed with profile 'hyve-tests': allow these sts:AssumeRole on it" in refused.out


def test_a_role_is_other_credentials() -> None:
    source = BucketSettings(bucket="aaa", profile="hyve", region="eu-west-1")
    store = BucketSettings(bucket="bbb", profile="hyve", role_arn=ROLE, external_id="hyve-4711")
    public = BucketSettings(bucket="aaa", anonymous=True)
    assert have_same_credentials(source, BucketSettings(bucket="bbb", profile="hyve"))
    assert not have_same_credentials(source, store)
    assert not have_same_credentials(public, BucketSettings(bucket="bbb"))
    reader = as_reader(public, store)
    assert (reader.bucket, reader.signer, reader.external_id) == ("aaa", f"role '{ROLE}'", "hyve-4711")
