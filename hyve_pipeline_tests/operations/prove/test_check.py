"""A check finds whatever is not as the proof has it, and says what."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.proof import How, Proof, read_document
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.prove.check import check_buckets, check_state
from hyve_pipeline.operations.prove.evidence import choose_verified
from hyve_pipeline.operations.prove.prove import prove_plan
from hyve_pipeline.operations.prove.read import newest_proof
from hyve_pipeline.operations.verify.verify import verify_plan
from hyve_pipeline_tests.operations.applying import copied_plan
from hyve_pipeline_tests.operations.listings import Entry
from hyve_pipeline_tests.operations.prove.proved import plan_of
from hyve_pipeline_tests.syncs import MakePair, Pair


def path_of(context: SyncContext, name: str) -> Path:
    folder = context.state.local_path
    assert folder is not None
    return folder / name


def test_a_proof_holds_and_is_kept(proved: tuple[SyncContext, Plan]) -> None:
    context, plan = proved
    assert newest_proof(context, plan) is None
    proof, document = prove_plan(context, plan)
    assert read_document("it", document) == (proof, None)
    assert newest_proof(context, plan) == proof
    found = check_state(context, proof)
    assert (found.differences, found.notes) == ([], [])
    # The next plan changes nothing of it.
    plan_of(context, {"from/new": Entry()}, {})
    found = check_state(context, proof)
    assert (found.differences, found.notes) == ([], [])
    assert choose_verified(context, None).id == plan.id


def test_a_changed_byte_of_any_file_is_found(proved: tuple[SyncContext, Plan]) -> None:
    context, plan = proved
    proof, _ = prove_plan(context, plan)
    for file in proof.files:
        path = path_of(context, file.name)
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert check_state(context, proof).differences == [f"{file.name}: is not the file that the proof was made from"]
        path.unlink()
        found = check_state(context, proof)
        if file.name.startswith("memory/"):
            assert found.differences == []
            (note,) = found.notes
            assert "that 1 object was copied earlier is not checked" in note
        elif file.name.endswith("/plan.json"):
            state = context.state.uri
            assert found.differences == [
                f"plan {plan.id} is no longer in {state}: only the document itself was checked"
            ]
        else:
            assert found.differences == [f"{file.name}: is no longer in {context.state.uri}"]
        path.write_bytes(content)
    assert check_state(context, proof).differences == []


def _changes() -> dict[str, Callable[[Proof], dict[str, object]]]:
    return {
        "md5_etag": lambda proof: {"proved_by": proof.proved_by | {How.MD5_ETAG: proof.proved_by[How.READ]}},
        "planned": lambda proof: {"planned": proof.made},
        "source": lambda proof: {"source": proof.source.model_copy(update={"objects": 1})},
        "verification": lambda proof: {"verification": proof.verification.model_copy(update={"compared": 7})},
        "the root": lambda proof: {"tree": proof.tree.model_copy(update={"root": "00" * 32})},
        "a/": lambda proof: {
            "tree": proof.tree.model_copy(
                update={
                    "prefixes": tuple(
                        one.model_copy(update={"root": "00" * 32}) if one.prefix == "a/" else one
                        for one in proof.tree.prefixes
                    )
                }
            )
        },
        "the first range": lambda proof: {
            "tree": proof.tree.model_copy(
                update={"ranges": tuple(one.model_copy(update={"bytes": 0}) for one in proof.tree.ranges)}
            )
        },
    }


@pytest.mark.parametrize("what", _changes())
def test_a_claim_that_the_state_does_not_have_is_found(what: str, proved: tuple[SyncContext, Plan]) -> None:
    context, plan = proved
    proof, _ = prove_plan(context, plan)
    other = proof.model_copy(update=_changes()[what](proof))
    (difference,) = check_state(context, other).differences
    assert difference.startswith(what)


def test_a_file_that_the_proof_omits_is_found(proved: tuple[SyncContext, Plan]) -> None:
    context, plan = proved
    proof, _ = prove_plan(context, plan)
    omitted, *files = proof.files
    found = check_state(context, proof.model_copy(update={"files": tuple(files)})).differences
    assert found == [f"{omitted.name}: the state has this file, which the proof does not have"]


def test_a_proof_of_another_sync(proved: tuple[SyncContext, Plan]) -> None:
    context, plan = proved
    proof, _ = prove_plan(context, plan)
    with pytest.raises(ConfigurationError, match="--sync other"):
        check_state(context, proof.model_copy(update={"sync": "other"}))


@pytest.mark.both_states
def test_the_buckets_are_checked(make_pair: MakePair) -> None:
    pair: Pair = make_pair(prefixes=("from/", "to/"))
    pair.source.put({f"from/{name}": name.encode() for name in ("a/1", "a/2", "b/3", "b/4", "c")})
    context = pair.context()
    plan = copied_plan(context)
    verify_plan(context, plan, content="100%")
    proof, _ = prove_plan(context, plan)
    assert proof.proved_by[How.READ].objects == 5
    assert check_state(context, proof).differences == []
    assert check_buckets(context, proof).differences == []
    pair.store.put({"to/a/2": b"X/2", "to/more": b"of the store"})
    pair.source.delete("from/b/4")
    found = check_buckets(context, proof).differences
    assert [line for line in found if line.startswith(("source:", "store:"))] == [
        *("source: b/4 is gone", "store: a/2 is another object", "store: more is new"),
    ]
    assert "a/: 2 objects, 6 bytes; the proof has 2 objects, 6 bytes, with another root" in found
    assert "b/: 1 object, 3 bytes; the proof has 2 objects, 6 bytes, with another root" in found
    assert any(line.startswith("read: 3 objects, 7 bytes; the proof has 5 objects") for line in found)
    assert any(line.startswith("the root is ") and proof.tree.root in line for line in found)
    # The state is as it was.
    assert check_state(context, proof).differences == []
