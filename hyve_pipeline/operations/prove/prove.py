"""Makes the proof of a plan, and keeps it in the state."""

from datetime import UTC, datetime

from hyve_pipeline import __version__
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.proof import (
    Contents,
    How,
    Listing,
    Proof,
    Unlike,
    Verified,
    canonical,
    write_document,
)
from hyve_pipeline.core.model.verification import Verification
from hyve_pipeline.core.runtime.progress import end, estimate, report
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.prove.evidence import find_evidence, used_files
from hyve_pipeline.operations.prove.pairs import Evidence, PairCounts, read_pairs
from hyve_pipeline.operations.prove.read import proof_folder
from hyve_pipeline.operations.prove.roots import RootsBuilder
from hyve_pipeline.operations.prove.signature import Signer

# The activity, for progress reports.
PROVE = "prove"


def prove_plan(context: SyncContext, plan: Plan, signer: Signer | None = None) -> tuple[Proof, bytes]:
    """The proof of a verified plan, and its document, which is kept in the state, too; an event says that it was made.

    Args:
        context: the sync.
        plan: the plan, see `choose_verified`.
        signer: signs it; None for no signature.

    Raises:
        RefusedError: it was never verified.
        StateError: a file that is needed is missing or damaged, or the document can't be written.
    """
    estimate(PROVE, 0)
    evidence = find_evidence(context, plan)
    contents = compute_contents(context, evidence)
    memory = evidence.memory
    proof = Proof(
        made=datetime.now(UTC),
        version=__version__,
        host=context.actor.host,
        user=context.actor.user,
        sync=context.name,
        plan=plan.id,
        planned=plan.created,
        source=listing_of(evidence.source),
        store=listing_of(evidence.store),
        verification=verified_by(evidence.verification),
        memory=None if memory is None else memory.id,
        versions=plan.options.versions,
        **dict(contents),
        files=used_files(context, evidence),
        public_key=None if signer is None else signer.public_key,
    )
    document = write_document(proof, None if signer is None else signer.sign(canonical(proof)))
    name = f"{evidence.verification.inventory}.json"
    with proof_folder(context, plan).writing(name) as stream:
        stream.write(document)
    context.note(EventKind.PLAN_PROVED, plan=plan.id, verification=evidence.verification.inventory)
    return proof, document


def compute_contents(context: SyncContext, evidence: Evidence) -> Contents:
    """The roots of all pairs, and their numbers by what proves them.

    Raises:
        StateError: a file is missing or damaged.
    """
    counts = PairCounts()
    builder = RootsBuilder()
    estimate(PROVE, max(evidence.source.objects, evidence.store.objects))
    for pairs in read_pairs(context, evidence, counts):
        builder.add(pairs)
        report(PROVE, pairs.num_rows, 0)
    end(PROVE)
    return Contents(
        proved_by={
            how: counts.proved_by.get(how, Count())
            for how in How
            if how is not How.DELETE_MARKER or evidence.plan.has_histories
        },
        not_in_tree={unlike: counts.not_in_tree.get(unlike, Count()) for unlike in Unlike},
        tree=builder.roots(),
    )


def listing_of(inventory: Inventory) -> Listing:
    """What a proof says of an inventory."""
    return Listing(
        uri=inventory.place.uri,
        server=inventory.place.shown_server,
        inventory=inventory.id,
        started=inventory.started,
        ended=inventory.ended,
        objects=inventory.objects,
        bytes=inventory.bytes,
        as_of=None if inventory.as_of is None else inventory.as_of.time,
        mapping=inventory.place.mapping,
        left_out=None if inventory.mapped is None else inventory.mapped.left_out,
    )


def verified_by(verification: Verification) -> Verified:
    """What a proof says of a verification."""
    content = verification.content
    if content is None:
        return Verified(ended=verification.ended, objects=verification.objects)
    return Verified(
        ended=verification.ended,
        objects=verification.objects,
        compared=content.objects,
        by_checksum=content.by_checksum,
        gets=content.gets,
    )
