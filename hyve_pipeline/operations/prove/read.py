"""Reads the proofs that are kept in the state. Separate from `prove`, since reading requires no database."""

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.proof import ChangedProofError, Proof, read_document
from hyve_pipeline.operations.context import Folder, SyncContext
from hyve_pipeline.state.plans import newest_manifests


def proof_folder(context: SyncContext, plan: Plan) -> Folder:
    """The folder of the proofs of a plan; each is named by the inventory of its verification."""
    return context.state.below(f"proofs/{plan.id}")


def newest_proof(context: SyncContext, plan: Plan) -> Proof | None:
    """The newest proof of a plan that is in the state; None when there is none.

    Raises:
        StateError: it was changed, or can't be read.
    """
    names = newest_manifests(proof_folder(context, plan).names())
    return read_proof(context, plan, names[0].removesuffix(".json")) if names else None


def read_proof(context: SyncContext, plan: Plan, verification: str) -> Proof:
    """The proof of a plan that was made from a verification, by the id of its inventory.

    Raises:
        StateError: it is not there, was changed, or can't be read.
    """
    folder, name = proof_folder(context, plan), f"{verification}.json"
    try:
        return read_document(folder.uri_of(name), folder.read_text(name).encode())[0]
    except ChangedProofError as error:
        raise StateError(str(error)) from error
