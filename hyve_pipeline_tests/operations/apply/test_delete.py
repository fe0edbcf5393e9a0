"""Deleting what a plan lists: looked at again right before, in a few requests, and each outcome in the journal."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.runtime.work_bounds import WorkBounds
from hyve_pipeline.operations.apply.source_sample import SAMPLE
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.s3.wire.xml import child_text, parse_xml
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.operations.applying import apply, outcomes, planned, rows_of
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer
from hyve_pipeline_tests.syncs import MakePair, Pair


def _planned_deletes(pair: Pair, doomed: dict[str, bytes]) -> tuple[SyncContext, Plan]:
    """A plan that deletes these objects of the store, and nothing else."""
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1"} | doomed)
    context = pair.context(concurrency=4)
    return context, planned(context)


def test_deletes_go_by_the_plan(pair: Pair) -> None:
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1", **{f"gone/{number}": b"22" for number in range(5)}})
    context = pair.context(shard_objects=3)
    plan = planned(context)
    pair.store.put({"gone/later": b"not in the plan"})
    assert [summary.tally.done for summary in apply(context, plan, "delete")] == [3, 2]
    assert pair.store.keys() == ["gone/later", "kept"]


def test_many_deletes_go_in_batches(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1", **{f"gone/{number:02d}": b"22" for number in range(25)}})
    context = replace(pair.context(concurrency=8), bounds=WorkBounds(keys_a_delete=10))
    plan = planned(context)
    faulty.received.clear()
    (summary,) = apply(context, plan, "delete")
    assert (summary.tally.done, summary.tally.bytes) == (25, 50)
    assert sorted(one.body.count(b"<Key>") for one in faulty.received if "delete" in one.query) == [5, 10, 10]
    assert pair.store.keys() == ["kept"]


def test_a_batch_is_looked_at_and_deleted_in_a_few_requests(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    gone = {f"gone/{number:02d}": b"22" for number in range(40)}
    pair.source.put({"first": b"1", "last": b"1"})
    pair.store.put(gone | {"first": b"1", "last": b"1"})
    context = pair.context(concurrency=8)
    plan = planned(context)
    pair.source.put({"gone/03": b"back"})
    pair.store.put({"gone/05": b"changed", "gone/055": b"not in the plan"})
    pair.store.delete("gone/39")
    faulty.received.clear()
    (summary,) = apply(context, plan, "delete")
    assert (summary.tally.done, summary.skips) == (38, {"BackInSource": 1, "ChangedSincePlan": 1})
    assert pair.store.keys() == ["first", "gone/03", "gone/05", "gone/055", "last"]
    rows = rows_of(context, plan)
    assert rows["gone/39"].code == "AlreadyGone"
    assert {row.version_before for row in rows.values()} == {None}
    # Two probes, a listing of either side, one look for versions, a sample of the source, one more probe, the delete.
    assert len(faulty.received) == 7 + SAMPLE


def test_keys_between_many_others_are_asked_for_one_by_one(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    kept = {f"{number:03d}": b"1" for number in range(120)}
    gone = {f"{number:03d}-": b"1" for number in range(0, 120, 6)}
    pair.source.put(kept)
    pair.store.put(kept | gone)
    context = pair.context(concurrency=3)
    plan = planned(context)
    pair.source.put({"006-": b"back", "114-": b"back"})
    faulty.page_keys = 10
    faulty.received.clear()
    (summary,) = apply(context, plan, "delete")
    assert (summary.tally.done, summary.skips) == (18, {"BackInSource": 2})
    assert pair.store.keys() == sorted([*kept, "006-", "114-"])
    heads = dict.fromkeys((pair.source.name, pair.store.name), 0)
    for one in faulty.received:
        if one.method == "HEAD":
            heads[one.path.split("/")[1]] += 1
    # Four pages of ten tell of the source up to 038 or 039, and of the store up to 033 or 034. What the listing says of
    # the source is asked for too, since it is little.
    assert heads[pair.source.name] in (19, 20)
    assert 14 <= heads[pair.store.name] <= 16


def test_keys_that_can_not_be_listed_are_asked_for(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    context, plan = _planned_deletes(pair, {f"gone/{number:02d}": b"22" for number in range(30)})
    pair.source.put({"gone/03": b"back"})
    pair.store.put({"gone/05": b"changed"})
    # Probes ask for one key, and go through.
    faulty.fault = lambda received: error_answer(403, "AccessDenied") if "start-after" in received.query else None
    (summary,) = apply(context, plan, "delete")
    assert (summary.tally.done, summary.skips) == (28, {"BackInSource": 1, "ChangedSincePlan": 1})
    assert pair.store.keys() == ["gone/03", "gone/05", "kept"]


def _hides(pair: Pair, faulty: FaultyServer, hidden: Callable[[str], bool]) -> None:
    """Leave keys out of the source's listings, which do not say how many there are."""

    def fault(received: Received) -> Answer | None:
        if "list-type" not in received.query or not received.path.startswith(f"/{pair.source.name}"):
            return None
        answer = faulty.forward(received)
        body = re.sub(
            rb"<Contents>.*?<Key>([^<]*)</Key>.*?</Contents>",
            lambda entry: b"" if hidden(entry[1].decode()) else entry[0],
            re.sub(rb"<KeyCount>[0-9]+</KeyCount>", b"", answer.body),
            flags=re.DOTALL,
        )
        return Answer(body)

    faulty.fault = fault


@pytest.mark.parametrize("hidden", [range(18), range(200), range(30, 60), range(0, 200, 2)])
def test_nothing_is_deleted_by_a_listing_of_the_source_that_lacks_what_is_there(
    hidden: range, make_pair: MakePair, faulty: FaultyServer
) -> None:
    pair = make_pair(through=faulty)
    keys = [f"k{number:03d}" for number in range(200)]
    lost = {keys[number] for number in hidden}
    pair.source.put(dict.fromkeys([*lost, "last"], b"1"))
    pair.store.put(dict.fromkeys([*keys, "last"], b"1"))
    _hides(pair, faulty, lost.__contains__)
    context = pair.context(concurrency=8, max_deletes="100%")
    plan = planned(context)
    assert plan.count(ChangeSet.DUPLICATE).objects == 200
    (summary,) = apply(context, plan, "delete")
    assert (summary.tally.done, summary.failures) == (0, {"ListingContradicted": 200})
    assert len(pair.store.keys()) == 201
    detail = rows_of(context, plan)["k000"].detail
    assert detail is not None
    assert "and its listing does not" in detail


def test_what_comes_back_between_the_listing_and_the_question_is_skipped(
    make_pair: MakePair, faulty: FaultyServer
) -> None:
    pair = make_pair(through=faulty)
    context, plan = _planned_deletes(pair, {f"gone/{number:02d}": b"1" for number in range(20)})

    def between(received: Received) -> Answer | None:
        if received.method == "HEAD" and received.path.startswith(f"/{pair.source.name}"):
            pair.source.put({"gone/07": b"back"})
        return None

    faulty.fault = between
    (summary,) = apply(context, plan, "delete")
    assert summary.skips.get("BackInSource", 0) == 1
    assert (summary.tally.done, summary.tally.failed) == (19, 0)
    assert pair.store.keys() == ["gone/07", "kept"]


@pytest.mark.parametrize("refused", [1, 40])
def test_keys_of_the_sample_that_can_not_be_asked_for(refused: int, make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    keys = [f"gone/{number:02d}" for number in range(40)]
    context, plan = _planned_deletes(pair, dict.fromkeys(keys, b"1"))
    names = tuple(f"/{pair.source.name}/{key}" for key in keys[:refused])
    faulty.fault = lambda received: Answer(status=403) if received.path in names else None
    (summary,) = apply(context, plan, "delete")
    # One that is not known is left alone; where nothing is known, nothing but the listing says that all are gone.
    assert (summary.tally.done, summary.failures) == (40 - refused, {"Forbidden": refused})


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_versions_before_a_delete_are_journaled(status: str, make_pair: MakePair) -> None:
    pair = make_pair(versioned=True)
    pair.source.put({"kept": b"1"})
    pair.store.put({"kept": b"1"} | {f"gone/{number:02d}": b"22" for number in range(30)})
    pair.store.client.put_bucket_versioning(Bucket=pair.store.name, VersioningConfiguration={"Status": status})
    context = pair.context()
    plan = planned(context)
    head = pair.store.client.head_object(Bucket=pair.store.name, Key="gone/07")
    (summary,) = apply(context, plan, "delete")
    assert summary.tally.done == 30
    rows = rows_of(context, plan)
    assert rows["gone/07"].version_before == head["VersionId"]
    assert all(row.version_before for row in rows.values())


def test_a_delete_that_the_server_does_not_confirm_has_failed(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    context, plan = _planned_deletes(pair, {"a": b"1", "b": b"1", "c": b"1"})
    answer = (
        b"<DeleteResult><Deleted><Key>a</Key></Deleted>"
        b"<Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"
    )
    faulty.fault = lambda received: Answer(answer) if "delete" in received.query else None
    (summary,) = apply(context, plan, "delete")
    assert (summary.tally.done, summary.tally.failed) == (1, 2)
    assert outcomes(context, plan) == {
        "a": ("done", None),
        "b": ("failed", "AccessDenied"),
        "c": ("failed", "NotMentioned"),
    }


@pytest.mark.parametrize("body", [b"<DeleteResult/>", b""], ids=["nothing mentioned", "no document"])
def test_what_an_answer_does_not_mention_is_looked_at(body: bytes, make_pair: MakePair, faulty: FaultyServer) -> None:
    """Some servers mention only what they did not delete, whatever the request says, and some nothing at all."""
    pair = make_pair(through=faulty)
    context, plan = _planned_deletes(pair, {"a": b"1", "b": b"1", "kept b": b"1"})

    def quiet(received: Received) -> Answer | None:
        if "delete" not in received.query:
            return None
        pair.store.client.delete_objects(
            Bucket=pair.store.name, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}], "Quiet": True}
        )
        return Answer(body)

    faulty.fault = quiet
    apply(context, plan, "delete")
    assert outcomes(context, plan) == {
        "a": ("done", None),
        "b": ("done", None),
        "kept b": ("failed", "NotMentioned" if body else "InvalidResponse"),
    }
    assert (rows_of(context, plan)["kept b"].detail or "").endswith("and the object is still there")


@pytest.mark.parametrize("times", [2, 100])
def test_a_failure_of_single_keys_that_may_pass_is_tried_again(
    times: int, make_pair: MakePair, faulty: FaultyServer
) -> None:
    pair = make_pair(through=faulty)
    context, plan = _planned_deletes(pair, {"a": b"1", "b": b"1"})
    asked: list[list[str]] = []

    def slow_down(received: Received) -> Answer | None:
        if "delete" not in received.query:
            return None
        keys = [str(child_text(entry, "Key")) for entry in parse_xml(received.body).iterchildren()]
        asked.append(keys)
        if len(asked) > times:
            return None
        pair.store.client.delete_object(Bucket=pair.store.name, Key="a")
        deleted = "<Deleted><Key>a</Key></Deleted>" if "a" in keys else ""
        return Answer(
            f"<DeleteResult>{deleted}<Error><Key>b</Key><Code>SlowDown</Code><Message>no</Message></Error>"
            "</DeleteResult>".encode()
        )

    faulty.fault = slow_down
    apply(context, plan, "delete")
    is_passing = times < 4
    assert outcomes(context, plan) == {
        "a": ("done", None),
        "b": ("done", None) if is_passing else ("failed", "SlowDown"),
    }
    assert asked == [["a", "b"], ["b"], ["b"], ["b"]][: times + 1]
    assert rows_of(context, plan)["b"].attempts == len(asked)
    assert pair.store.keys() == (["kept"] if is_passing else ["b", "kept"])


def test_a_key_that_can_not_be_asked_for_is_not_deleted(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    context, plan = _planned_deletes(pair, {"hidden": b"1", "gone": b"1"})
    faulty.fault = lambda received: Answer(status=403) if received.path == f"/{pair.source.name}/hidden" else None
    apply(context, plan, "delete")
    assert outcomes(context, plan) == {"hidden": ("failed", "Forbidden"), "gone": ("done", None)}
    assert pair.store.keys() == ["hidden", "kept"]


class _Conditional:
    """A server that knows the condition of a delete, before one that does not; as `faulty.fault`.

    Args:
        current: the ETags that objects have, by key, None for one that is gone; others have the one that is wanted.

    Attributes:
        asked: what each request wanted to delete: the ETag, or None, by key.
    """

    def __init__(self, current: dict[str, str | None]) -> None:
        self.current = current
        self.asked: list[dict[str, str | None]] = []

    def __call__(self, received: Received) -> Answer | None:
        if "delete" not in received.query:
            return None
        wanted = {
            str(child_text(entry, "Key")): child_text(entry, "ETag")
            for entry in parse_xml(received.body).iterchildren()
        }
        self.asked.append(wanted)
        if not any(wanted.values()):
            return None
        codes = {
            key: "NoSuchKey" if self.current[key] is None else "PreconditionFailed"
            for key, etag in wanted.items()
            if key in self.current and f'"{self.current[key]}"' != etag
        }
        entries = [
            f"<Error><Key>{key}</Key><Code>{codes[key]}</Code></Error>"
            if key in codes
            else f"<Deleted><Key>{key}</Key></Deleted>"
            for key in wanted
        ]
        return Answer(f"<DeleteResult>{''.join(entries)}</DeleteResult>".encode())


def test_what_changes_after_the_last_look_is_not_deleted(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty)
    context, plan = _planned_deletes(pair, {"changed": b"1", "gone": b"1", "same": b"1"})
    server = _Conditional({"changed": "another", "gone": None})

    def between(received: Received) -> Answer | None:
        if "delete" in received.query and not server.asked:
            pair.store.put({"changed": b"22"})
            pair.store.delete("gone")
        return server(received)

    faulty.fault = between
    (summary,) = apply(context, plan, "delete")
    assert len(server.asked) == 1
    assert outcomes(context, plan) == {
        "changed": ("skipped", "ChangedSincePlan"),
        "gone": ("done", "AlreadyGone"),
        "same": ("done", None),
    }
    assert summary.tally.done == 2


def test_an_object_that_is_the_planned_one_is_deleted_where_the_server_compares_otherwise(
    make_pair: MakePair, faulty: FaultyServer
) -> None:
    pair = make_pair(through=faulty)
    context, plan = _planned_deletes(pair, {"a": b"1", "b": b"1"})
    server = faulty.fault = _Conditional({"a": "never the same"})
    apply(context, plan, "delete")
    assert outcomes(context, plan) == {"a": ("done", None), "b": ("done", None)}
    assert [list(asked.items()) for asked in server.asked[1:]] == [[("a", None)]]


@pytest.mark.parametrize(("status", "code"), [(400, "MalformedXML"), (501, "NotImplemented")])
def test_a_server_that_refuses_the_condition_is_asked_without(
    status: int, code: str, make_pair: MakePair, faulty: FaultyServer
) -> None:
    pair = make_pair(through=faulty)
    context, plan = _planned_deletes(pair, {f"{number:04d}": b"1" for number in range(20)})
    faulty.fault = lambda received: error_answer(status, code) if b"<ETag>" in received.body else None
    (summary,) = apply(context, plan, "delete")
    assert (summary.tally.done, summary.tally.failed) == (20, 0)
    assert pair.store.keys() == ["kept"]
