"""What copies are given besides what their sources have."""

from typing import Any
from urllib.parse import quote

import pytest

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import apply, copied_plan, outcomes, planned, put_in_parts, rows_of
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import Bucket, MakePair, Pair, next_second

# Each way that an object can take: what makes it, by its key.
IN_PARTS, WHOLE = "in parts", "whole"
WAYS = pytest.mark.parametrize("transfer", ["server", "stream"])


def copied(pair: Pair, **options: Any) -> None:
    context = pair.context(**options)
    plan = copied_plan(context)
    assert set(outcomes(context, plan).values()) == {("done", None)}


def fill(pair: Pair, **properties: Any) -> None:
    pair.source.put({WHOLE: b"x"}, **properties)
    put_in_parts(pair.source, IN_PARTS, [5 * MIB, 5 * MIB], **properties)


def head(pair: Pair, key: str) -> dict[str, Any]:
    return pair.store.client.head_object(Bucket=pair.store.name, Key=key)


@WAYS
def test_the_store_encrypts_as_it_is_told(faulty: FaultyServer, make_pair: MakePair, transfer: str) -> None:
    pair = make_pair(through=faulty)
    fill(pair)
    copied(pair, transfer=transfer, encryption="aws:kms", kms_key_id="alias/hyve", bucket_key=True)
    for key in (WHOLE, IN_PARTS):
        found = head(pair, key)
        assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", "alias/hyve")
    # What moto's server knows of bucket keys it forgets.
    made = [one for one in faulty.received if one.method in ("PUT", "POST") and set(one.query) <= {"uploads"}]
    assert {one.path.rpartition("/")[2] for one in made} == {quote(WHOLE), quote(IN_PARTS)}
    assert {one.headers["x-amz-server-side-encryption-bucket-key-enabled"] for one in made} == {"true"}


@WAYS
def test_nothing_is_asked_for_by_default(faulty: FaultyServer, make_pair: MakePair, transfer: str) -> None:
    pair = make_pair(through=faulty)
    fill(pair)
    copied(pair, transfer=transfer)
    asked = {name for received in faulty.received if received.method in ("PUT", "POST") for name in received.headers}
    assert {name for name in asked if "encryption" in name or "acl" in name or "grant" in name} == set()


@WAYS
def test_an_access_control_list_of_s3s_own(make_pair: MakePair, transfer: str) -> None:
    pair = make_pair()
    fill(pair)
    copied(pair, transfer=transfer, acl="public-read")
    for key in (WHOLE, IN_PARTS):
        grants = pair.store.client.get_object_acl(Bucket=pair.store.name, Key=key)["Grants"]
        assert ("http://acs.amazonaws.com/groups/global/AllUsers", "READ") in {
            (grant["Grantee"].get("URI"), grant["Permission"]) for grant in grants
        }


@WAYS
def test_the_grants_of_the_source(make_pair: MakePair, transfer: str) -> None:
    pair = make_pair()
    fill(pair)
    groups = "http://acs.amazonaws.com/groups/global"
    for key in (WHOLE, IN_PARTS):
        pair.source.client.put_object_acl(
            Bucket=pair.source.name,
            Key=key,
            GrantRead=f'uri="{groups}/AuthenticatedUsers"',
            GrantReadACP='id="abc"',
        )
    copied(pair, transfer=transfer, acl="source")
    for key in (WHOLE, IN_PARTS):
        grants = pair.store.client.get_object_acl(Bucket=pair.store.name, Key=key)["Grants"]
        found = {(grant["Grantee"].get("URI") or grant["Grantee"]["ID"], grant["Permission"]) for grant in grants}
        assert found == {(f"{groups}/AuthenticatedUsers", "READ"), ("abc", "READ_ACP")}


def make_website(pair: Pair) -> None:
    document = {"IndexDocument": {"Suffix": "index.html"}}
    pair.source.client.put_bucket_website(Bucket=pair.source.name, WebsiteConfiguration=document)


@WAYS
def test_redirects_of_a_website_are_kept(faulty: FaultyServer, make_pair: MakePair, transfer: str) -> None:
    pair = make_pair(through=faulty)
    make_website(pair)
    fill(pair, WebsiteRedirectLocation="/elsewhere")
    copied(pair, transfer=transfer)
    for key in (WHOLE, IN_PARTS):
        assert head(pair, key)["WebsiteRedirectLocation"] == "/elsewhere"
    # S3 does not take a redirect over by itself; moto does, so that only the request shows it.
    for received in faulty.received:
        if received.method == "PUT" and "x-amz-copy-source" in received.headers and not received.query:
            assert received.headers["x-amz-website-redirect-location"] == "/elsewhere"


@pytest.mark.parametrize(
    ("is_website", "option", "asks"),
    [(False, None, False), (True, None, True), (False, True, True), (True, False, False)],
)
def test_redirects_cost_a_request_only_where_they_mean_something(
    faulty: FaultyServer, make_pair: MakePair, is_website: bool, option: bool | None, asks: bool
) -> None:
    pair = make_pair(through=faulty)
    if is_website:
        make_website(pair)
    pair.source.put({"a": b"1", "b": b"2"})
    faulty.received.clear()
    copied(pair, website_redirects=option)
    assert _heads_of_source(pair, faulty) == (2 if asks else 0)


def test_whether_it_is_a_website_may_be_secret(faulty: FaultyServer, make_pair: MakePair) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1"}, WebsiteRedirectLocation="/elsewhere")
    faulty.fault = lambda received: error_answer(403, "AccessDenied") if "website" in received.query else None
    copied(pair)
    assert _heads_of_source(pair, faulty) == 1


def _heads_of_source(pair: Pair, faulty: FaultyServer) -> int:
    heads = [received.path for received in faulty.received if received.method == "HEAD"]
    return sum(path.startswith(f"/{pair.source.name}/") for path in heads)


class TestLocks:
    """Objects of the store that nobody may touch."""

    WORDS = "Access Denied because object protected by object lock."

    def test_a_refused_overwrite_is_told_as_such(self, faulty: FaultyServer, make_pair: MakePair) -> None:
        pair = make_pair(through=faulty)
        pair.store.put({"a": b"old"})
        next_second()
        pair.source.put({"a": b"newer"})
        faulty.fault = lambda received: (
            error_answer(403, "AccessDenied", self.WORDS) if "x-amz-copy-source" in received.headers else None
        )
        context = pair.context()
        plan = copied_plan(context)
        row = rows_of(context, plan)["a"]
        assert (row.outcome, row.code) == ("failed", "ObjectLocked")
        assert pair.store.name in str(row.detail)
        assert "protected by object lock" in str(row.detail)

    @pytest.mark.parametrize("key", ["a", "a\rb"], ids=["together", "alone"])
    def test_a_refused_delete_is_told_as_such(self, faulty: FaultyServer, make_pair: MakePair, key: str) -> None:
        pair = make_pair(through=faulty)
        pair.source.put({"kept": b"1"})
        pair.store.put({"kept": b"1", key: b"old"})

        def refuse(received: Received) -> Answer | None:
            if received.method == "DELETE":
                return error_answer(403, "AccessDenied", self.WORDS)
            if "delete" not in received.query:
                return None
            error = f"<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>{self.WORDS}</Message></Error>"
            return Answer(f"<DeleteResult>{error}</DeleteResult>".encode())

        faulty.fault = refuse
        context = pair.context()
        plan = planned(context)
        apply(context, plan, "copy", "delete")
        row = rows_of(context, plan)[key]
        assert (row.outcome, row.code) == ("failed", "ObjectLocked")
        assert pair.store.keys() == sorted([key, "kept"])


@WAYS
def test_the_journal_names_all_versions(make_pair: MakePair, transfer: str) -> None:
    pair = make_pair(versioned=True)
    pair.store.put({"a": b"old"})
    next_second()
    pair.source.put({"a": b"newer", "b": b"1"})
    versions = {
        (bucket, key): bucket.client.head_object(Bucket=bucket.name, Key=key)["VersionId"]
        for bucket, key in [(pair.source, "a"), (pair.source, "b"), (pair.store, "a")]
    }
    context = pair.context(transfer=transfer)
    plan = copied_plan(context)
    rows = rows_of(context, plan)
    for key in ("a", "b"):
        assert rows[key].version_after == head(pair, key)["VersionId"]
    assert (rows["a"].version_before, rows["b"].version_before) == (versions[pair.store, "a"], None)
    assert [rows[key].source_version for key in ("a", "b")] == [versions[pair.source, key] for key in ("a", "b")]


def test_versions_are_named_also_where_nobody_may_ask_whether_there_are_any(
    faulty: FaultyServer, make_pair: MakePair
) -> None:
    pair = make_pair(through=faulty, versioned=True)
    pair.store.put({"a": b"old"})
    next_second()
    pair.source.put({"a": b"newer"})
    version = head(pair, "a")["VersionId"]
    faulty.fault = lambda received: error_answer(403, "AccessDenied") if "versioning" in received.query else None
    context = pair.context()
    plan = copied_plan(context)
    assert rows_of(context, plan)["a"].version_before == version


@WAYS
def test_whoever_copies_pays_where_the_source_wants_it(
    faulty: FaultyServer, make_pair: MakePair, transfer: str
) -> None:
    pair = make_pair(through=faulty)
    fill(pair)
    paying = Bucket(pair.source.place.model_copy(update={"requester_pays": True}), faulty.endpoint_url)
    copied(Pair(pair.home, paying, pair.store), transfer=transfer)
    reading = [
        one for one in faulty.received if one.path.startswith(f"/{paying.name}") or "x-amz-copy-source" in one.headers
    ]
    assert reading
    assert {one.headers.get("x-amz-request-payer") for one in reading} == {"requester"}
    others = [one for one in faulty.received if one not in reading]
    assert {one.headers.get("x-amz-request-payer") for one in others} == {None}
