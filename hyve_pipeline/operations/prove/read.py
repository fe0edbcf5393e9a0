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
    folder = proof_folder(context, plan)
    names = newest_manifests(folder.names())
    if not names:
        return None
    try:
        return read_document(folder.uri_of(names[0]), folder.read_text(names[0]).encode())[0]
    except ChangedProofError as error:
        raise StateError(str(error)) from error
