"""``hyve prove``: write a proof of what is equal, or check one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyve_pipeline.cli.options import plan_argument, sync_options
from hyve_pipeline.cli.output_file import is_standard_output, output_option, write_beside_lists
from hyve_pipeline.core.base.errors import naming_file

if TYPE_CHECKING:
    from hyve_pipeline.core.model.proof import Proof

_MOST_PROOF_BYTES = 256 * 1024**2

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@plan_argument
@sync_options
@output_option("proof", "PLAN.proof.json")
@click.option("--sign", type=_FILE, metavar="KEYFILE", help="Sign it with the Ed25519 private key of a PEM file.")
@click.option("--check", "checked", type=_FILE, metavar="FILE", help="Check a proof against the state.")
@click.option("--buckets", is_flag=True, help="With --check: list both buckets again, and check against these.")
@click.option("--signed-by", type=_FILE, metavar="FILE", help="With --check: require a signature of this public key.")
def prove(
    home: Path,
    sync_name: str | None,
    as_json: bool,
    plan_id: str | None,
    output: Path | None,
    sign: Path | None,
    checked: Path | None,
    buckets: bool,
    signed_by: Path | None,
) -> int:
    """Write a proof of the newest verified plan, or of plan ID: what was compared, and how each content was proved.

    It is made from the state alone; no request is sent to a bucket. It can be checked without Hyve, see docs/proof.md.
    """
    if checked is None:
        if buckets or signed_by is not None:
            raise click.UsageError(f"{'--buckets' if buckets else '--signed-by'} needs --check FILE")
        return _write(home, sync_name, plan_id, output, sign, as_json=as_json)
    if plan_id is not None or output is not None or sign is not None:
        raise click.UsageError("--check takes neither a plan nor --output nor --sign: the proof names its plan")
    return _check(home, sync_name, checked, signed_by, as_json=as_json, buckets=buckets)


def _write(
    home: Path, sync_name: str | None, plan_id: str | None, output: Path | None, sign: Path | None, *, as_json: bool
) -> int:
    to_standard_output = is_standard_output(output, as_json=as_json)
    from hyve_pipeline.cli.chosen_sync import working
    from hyve_pipeline.cli.extras import require_extra
    from hyve_pipeline.cli.output import print_json, warn
    from hyve_pipeline.core.base.keys import displayed
    from hyve_pipeline.core.model.event import Actor
    from hyve_pipeline.operations.context import Home, SyncContext
    from hyve_pipeline.operations.prove.evidence import choose_verified
    from hyve_pipeline.operations.prove.prove import prove_plan
    from hyve_pipeline.operations.prove.signature import Signer

    if sign is not None:
        require_extra("sign", "cryptography")
    signer = None if sign is None else Signer(sign)
    sync = SyncContext.of_state(Home(home), sync_name).acting_as(Actor.of_command("prove"))
    plan = choose_verified(sync, plan_id)
    newest = sync.plans.newest_id()
    if plan_id is None and newest is not None and plan.id != newest:
        warn(f"plan {newest} is newer and not verified: this is the proof of the last plan that is")
    with working(sync):
        proof, document = prove_plan(sync, plan, signer)
    if to_standard_output:
        # As bytes: a terminal's own encoding may not have all characters.
        click.echo(document, nl=False)
        return 0
    path = write_beside_lists(sync, f"{plan.id}.proof.json", output, document)
    if as_json:
        print_json({**_summary(proof), "file": str(path)})
    else:
        _describe(proof, displayed(str(path)))
    return 0


def _summary(proof: "Proof") -> dict[str, Any]:
    document = proof.model_dump(mode="json", include={"sync", "plan", "proved_by", "not_in_tree", "public_key"})
    return {**document, "objects": proof.tree.objects, "bytes": proof.tree.bytes, "root": proof.tree.root}


def _describe(proof: "Proof", path: str) -> None:
    from hyve_pipeline.cli.output import say
    from hyve_pipeline.core.base.sizes import readable_bytes

    say(f"proof of plan {proof.plan}: {proof.counted}, {readable_bytes(proof.tree.bytes)}")
    for head, classes in (("content proved by", proof.proved_by), ("not in the tree", proof.not_in_tree)):
        found = {name: count for name, count in classes.items() if count.objects}
        if found:
            say(f"{head}:")
        for name, count in found.items():
            say(f"  {count.objects:>11,}  {name.value:<18}  {name.described}")
    say(f"root {proof.tree.root}")
    if proof.public_key is not None:
        say(f"signed with the key whose public key is {proof.public_key}")
    say(path)


def _check(
    home: Path, sync_name: str | None, file: Path, signed_by: Path | None, *, as_json: bool, buckets: bool
) -> int:
    from hyve_pipeline.cli.chosen_sync import opened, working
    from hyve_pipeline.cli.output import print_json, say, warn
    from hyve_pipeline.core.base.keys import displayed
    from hyve_pipeline.core.model.proof import read_document
    from hyve_pipeline.core.runtime.named_files import read_named
    from hyve_pipeline.operations.context import Home, SyncContext
    from hyve_pipeline.operations.prove.check import check_buckets, check_state

    name = displayed(str(file))
    with naming_file(file, "read"):
        content = read_named(file.expanduser(), _MOST_PROOF_BYTES)
    proof, signature = read_document(name, content)
    problem = _wrong_signature(proof, signature, signed_by)
    sync_name = sync_name or proof.sync
    if buckets:
        with opened(home, sync_name, "prove") as sync:
            found = check_buckets(sync, proof)
    else:
        sync = SyncContext.of_state(Home(home), sync_name)
        with working(sync):
            found = check_state(sync, proof)
    differences = [*([] if problem is None else [f"signature: {problem}"]), *found.differences]
    what = "the buckets" if buckets else "the state"
    if as_json:
        print_json(
            {
                "sync": proof.sync,
                "plan": proof.plan,
                "checked": "buckets" if buckets else "state",
                "holds": not differences,
                "differences": differences,
                "notes": found.notes,
                "public_key": proof.public_key,
            }
        )
        return 1 if differences else 0
    for note in found.notes:
        warn(note)
    if differences:
        warn(f"the proof of plan {proof.plan} does not hold against {what}:")
        for difference in differences:
            warn(f"  {difference}")
        return 1
    say(f"the proof of plan {proof.plan} holds against {what}: {proof.counted}")
    if proof.public_key is None:
        say("it is not signed")
    else:
        who = "" if signed_by is not None else "; --signed-by FILE checks whose that is"
        say(f"signed with the key whose public key is {proof.public_key}{who}")
    return 0


def _wrong_signature(proof: "Proof", signature: str | None, signed_by: Path | None) -> str | None:
    """What is wrong with the signature of a proof; None if nothing is."""
    from hyve_pipeline.core.model.proof import canonical

    if signature is None and proof.public_key is None and signed_by is None:
        return None
    from hyve_pipeline.cli.extras import require_extra
    from hyve_pipeline.operations.prove.signature import is_signed, read_public_key

    require_extra("sign", "cryptography")
    required = None if signed_by is None else read_public_key(signed_by)
    if signature is None or proof.public_key is None:
        return "there is none" if signature is None and proof.public_key is None else "it is incomplete"
    if not is_signed(proof.public_key, signature, canonical(proof)):
        return "it is not one of this document by the public key in it"
    if required is not None and required != proof.public_key:
        return f"it was made with the key of {proof.public_key}, not of {required}"
    return None
