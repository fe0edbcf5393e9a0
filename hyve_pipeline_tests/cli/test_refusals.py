"""What the safety rules forbid: exit code 3, nothing deleted, and a way on."""

from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline_tests.faults import FaultyServer, restoring
from hyve_pipeline_tests.operations.applying import is_copy_of
from hyve_pipeline_tests.s3.scripted import error_answer
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair, next_second


def _put(pair: Pair, *, kept: int, extra: int) -> None:
    """The store has `kept` objects as the source has them, and `extra` more."""
    pair.source.put({f"kept/{number:04d}": b"same" for number in range(kept)})
    pair.store.put(
        {f"kept/{number:04d}": b"same" for number in range(kept)}
        | {f"extra/{number:04d}": b"gone" for number in range(extra)}
    )


def test_an_empty_source_deletes_nothing_whatever_the_limit(pair: Pair, hyve: Hyve) -> None:
    warning = f"warning: s3://{pair.source.name}/ and s3://{pair.store.name}/ have no objects"
    assert warning in hyve("dryrun").err
    both_empty = hyve("sync", "--json")
    assert (both_empty.code, both_empty.document["verified"], both_empty.document["refused"]) == (0, True, None)
    pair.store.put({"a": b"1", "b": b"2"})
    store = pair.store.listing()
    for more in ((), ("--max-deletes", "100%"), ("--max-deletes", "1000")):
        for command in ("sync", "delete"):
            refused = hyve(command, "--json", *more)
            assert (refused.code, refused.document["refused"]["rule"]) == (3, "empty_source")
            assert refused.document["deleted"] == 0
    assert pair.store.listing() == store


def test_a_mistyped_prefix_counts_as_an_empty_source(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(prefixes=("imgs/", ""))
    pair.source.put({"img/a": b"1"})
    pair.store.put({"a": b"1"})
    dryrun = hyve("dryrun")
    assert dryrun.code == 3
    assert "refused by empty_source" in dryrun.err
    assert hyve("delete").code == 3
    assert pair.store.keys() == ["a"]


def test_too_large_a_share_of_deletes_is_refused_but_its_copies_are_made(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    _put(pair, kept=5, extra=101)
    pair.source.put({"new": b"1"})
    before = pair.store.listing()

    synced = hyve("sync", "--json")
    assert synced.code == 3
    assert synced.document["refused"]["rule"] == "max_deletes"
    assert "101" in synced.document["refused"]["detail"]
    assert "--max-deletes" in synced.document["refused"]["detail"]
    assert (synced.document["copied"], synced.document["deleted"], synced.document["verified"]) == (1, 0, None)
    after = pair.store.listing()
    assert set(after) - set(before) == {"new"}
    assert all(after[key] == before[key] for key in before)

    plan = synced.document["plan"]
    listed = hyve("plans", "--json").document["plans"]
    assert [(entry["plan"], entry["state"], entry["refused"]["rule"]) for entry in listed] == [
        (plan, "refused", "max_deletes")
    ]
    assert "refused" in hyve("plans").out

    refused = hyve("delete", "--json")
    assert (refused.code, refused.document["refused"]["rule"], refused.document["deleted"]) == (3, "max_deletes", 0)
    still = hyve("delete", "--max-deletes", "100", "--json")
    assert (still.code, still.document["deleted"]) == (3, 0)
    assert pair.store.listing() == after

    allowed = hyve("delete", "--max-deletes", "101", "--json")
    assert (allowed.code, allowed.document["refused"]) == (0, None)
    assert (allowed.document["plan"], allowed.document["deleted"]) == (plan, 101)
    assert pair.store.read() == pair.source.read()
    (entry,) = hyve("plans", "--json").document["plans"]
    assert (entry["state"], entry["refused"]) == ("finished", None)


def test_a_hundred_deletes_are_never_too_large_a_share(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(max_deletes="0%")
    _put(pair, kept=1, extra=100)
    synced = hyve("sync", "--json")
    assert (synced.code, synced.document["deleted"]) == (0, 100)
    assert pair.store.keys() == ["kept/0000"]


def test_a_number_of_deletes_is_meant_exactly(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(max_deletes="2")
    _put(pair, kept=1, extra=3)
    refused = hyve("dryrun", "--json")
    assert (refused.code, refused.document["refused"]["rule"]) == (3, "max_deletes")
    assert refused.document["duplicate"] == {"objects": 3, "bytes": 12}
    assert len(pair.lines("duplicate_stores")) == 3
    assert hyve("dryrun", "--max-deletes", "3").code == 0
    assert hyve("sync", "--json").code == 3
    assert len(pair.store.keys()) == 4
    assert hyve("sync", "--max-deletes", "3").code == 0
    assert pair.store.keys() == ["kept/0000"]


def test_a_refused_plan_is_told_once_and_not_called_so_once_it_is_approved(pair: Pair, hyve: Hyve) -> None:
    _put(pair, kept=1, extra=1)
    refused = hyve("sync", "--max-deletes", "0")
    assert refused.code == 3
    assert refused.err.count("refused by") == 1
    assert len(pair.store.keys()) == 2
    # It has no copies that a delete would have to wait for.
    deleted = hyve("delete", "--max-deletes", "1")
    assert deleted.code == 0
    assert "refused" not in deleted.out + deleted.err
    assert pair.store.keys() == ["kept/0000"]


def test_too_many_overwrites_are_refused_before_the_first_copy(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(max_overwrites="1")
    pair.source.put({"a": b"newer", "b": b"newer", "new": b"1"})
    pair.store.put({"a": b"old", "b": b"old", "gone": b"2"})
    store = pair.store.listing()
    dryrun = hyve("dryrun", "--json")
    assert (dryrun.code, dryrun.document["refused"]["rule"]) == (3, "max_overwrites")
    for command in ("copy", "sync", "delete"):
        refused = hyve(command, "--json")
        assert refused.code == 3, command
        assert refused.document["copied"] == refused.document["deleted"] == 0
        assert pair.store.listing() == store
    copied = hyve("copy", "--max-overwrites", "2", "--json")
    assert (copied.code, copied.document["copied"]) == (0, 3)
    assert pair.store.read() == {"a": b"newer", "b": b"newer", "new": b"1", "gone": b"2"}


def test_deletes_wait_for_the_copies(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({"new": b"1"})
    pair.store.put({"gone": b"2"})
    assert hyve("dryrun").code == 0
    refused = hyve("delete", "--json")
    assert (refused.code, refused.document["deleted"]) == (3, 0)
    assert refused.document["refused"]["rule"] == "copies_first"
    assert pair.store.keys() == ["gone"]
    assert hyve("copy").code == 0
    assert hyve("delete").code == 0
    assert pair.store.keys() == ["new"]


def test_a_shard_that_another_process_works_on_is_left_to_it(pair: Pair, hyve: Hyve) -> None:
    pair.source.put({f"{number}": b"1" for number in range(7)})
    pair.store.put({"gone": b"1"})
    plan = hyve("dryrun", "--json").document["plan"]
    context = pair.context()
    with ShardJournal(context.state, plan, context.plans.load(plan).shards[0]).claimed(context.actor):
        copied = hyve("copy", "--json")
        assert "not finished: 1 shard that another process works on" in hyve("copy").err
        assert hyve("delete", "--json").document["refused"]["rule"] == "copies_first"
    assert (copied.code, copied.document["copied"], copied.document["refused"]) == (1, 2, None)
    assert pair.store.keys() == ["5", "6", "gone"]
    assert hyve("copy", "--json").document["copied"] == 7


def test_archived_objects_are_skipped_with_a_warning_and_their_copies_stay(pair: Pair, hyve: Hyve) -> None:
    pair.store.put({"arch.bin": b"good copy", "plain": b"old", "same": b"same"})
    pair.source.put({"arch.bin": b"unreadable now", "arch-new.bin": b"x"}, StorageClass="GLACIER")
    pair.source.put({"deep.bin": b"x"}, StorageClass="DEEP_ARCHIVE")
    pair.source.put({"plain": b"newer"})
    next_second()
    pair.source.put({"same": b"same"}, StorageClass="GLACIER")
    next_second()
    pair.store.put({"same": b"same"})
    planned = hyve("dryrun", "--json")
    assert planned.code == 0
    assert planned.document["skipped"] == {"objects": 3, "bytes": 16}
    assert planned.document["unchanged"]["objects"] == 1
    assert planned.document["duplicate"]["objects"] == 0
    synced = hyve("sync")
    assert synced.code == 0
    assert "warning: 3 archived objects" in synced.err
    assert pair.store.read() == {"arch.bin": b"good copy", "plain": b"newer", "same": b"same"}


def test_archived_objects_that_were_restored_are_copied(make_pair: MakePair, faulty: FaultyServer, hyve: Hyve) -> None:
    pair = make_pair(through=faulty)
    pair.store.put({"cold": b"old"})
    next_second()
    pair.source.put({"cold": b"newer", "colder": b"x"}, StorageClass="DEEP_ARCHIVE")
    faulty.fault = restoring(faulty, None)
    assert hyve("dryrun", "--json").document["skipped"] == {"objects": 2, "bytes": 6}
    for key in ("cold", "colder"):
        pair.source.client.restore_object(Bucket=pair.source.name, Key=key, RestoreRequest={"Days": 7})
    # Each HEAD lets moto continue a restore.
    while 'ongoing-request="true"' in pair.source.client.head_object(Bucket=pair.source.name, Key="cold")["Restore"]:
        pass
    faulty.fault = restoring(faulty, "2100-01-01T00:00:00.000Z")
    synced = hyve("sync", "--json")
    assert (synced.code, synced.document["copied"], synced.document["verified"]) == (0, 2, True)
    assert pair.store.keys() == ["cold", "colder"]
    copied = pair.store.client.head_object(Bucket=pair.store.name, Key="cold")
    assert (copied["ContentLength"], copied["StorageClass"]) == (5, "DEEP_ARCHIVE")
    assert hyve("dryrun", "--json").document["unchanged"]["objects"] == 2


def test_what_turns_out_to_be_archived_is_skipped_and_its_copy_stays(
    make_pair: MakePair, faulty: FaultyServer, hyve: Hyve
) -> None:
    """The listing does not show in which tier an object of INTELLIGENT_TIERING is."""
    pair = make_pair(through=faulty)
    pair.store.put({"cold": b"good copy", "gone": b"1"})
    pair.source.put({"cold": b"unreadable now", "cold-new": b"1"}, StorageClass="INTELLIGENT_TIERING")
    pair.source.put({"plain": b"1"})
    faulty.fault = lambda received: (
        error_answer(403, "InvalidObjectState") if is_copy_of(received, "/cold", "/cold-new") else None
    )
    synced = hyve("sync", "--json")
    assert synced.code == 0
    assert (synced.document["copied"], synced.document["copy_skipped"], synced.document["copy_failed"]) == (1, 2, 0)
    assert (synced.document["deleted"], synced.document["verified"]) == (1, True)
    assert pair.store.read() == {"cold": b"good copy", "plain": b"1"}
    plan = synced.document["plan"]
    assert hyve("show", plan, "--json").document["reasons"] == {"Archived": 2}
    assert hyve("copy").code == 0
    # The copy must stay: without it the store is no longer as the plan requires.
    pair.store.delete("cold")
    verified = hyve("verify", "--json")
    assert (verified.code, verified.document["differences"]) == (1, {"missing": 1})
