"""`hyve iam-policy` prints documents that can be attached as they are."""

import pytest

from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair


def test_prints_both_policies_or_one_of_them(pair: Pair, hyve: Hyve) -> None:
    both = hyve("iam-policy")
    assert both.code == 0
    assert set(both.document) >= {"source", "store"}
    for side in ("source", "store"):
        assert hyve("iam-policy", "--side", side, "--json").document == both.document[side]
    assert both.document["source"]["Statement"][0]["Resource"] == [f"arn:aws:s3:::{pair.source.name}"]


def test_needs_neither_a_server_nor_the_profile(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    text = (pair.home / "hyve.toml").read_text()
    (pair.home / "hyve.toml").write_text(text.replace("hyve-tests", "not-there").replace("127.0.0.1", "127.0.0.9"))
    assert hyve("iam-policy").code == 0


def test_says_what_is_wrong_with_the_usage(pair: Pair, hyve: Hyve) -> None:
    assert hyve("iam-policy", "--side", "sink").code == 2
    assert hyve("iam-policy", "--sync", "other").code == 2


@pytest.mark.local_state
def test_prints_the_policy_of_a_state_in_a_bucket(pair: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch) -> None:
    without = hyve("iam-policy", "--side", "state")
    assert (without.code, "the state is in a folder" in without.err) == (2, True)
    monkeypatch.setenv("HYVE_STATE", "s3://hyve-state/home/?role_arn=arn:aws:iam::123456789012:role/state")
    assert list(hyve("iam-policy").document) == ["source", "store", "state", "state_caller", "state_trust"]
    assert hyve("iam-policy", "--side", "state").document["Statement"][0]["Resource"] == ["arn:aws:s3:::hyve-state"]
