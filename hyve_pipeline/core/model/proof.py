"""A proof to keep: one JSON document that says what was compared, how each content was proved, and a Merkle root.

docs/proof.md gives the format, and how to compute the roots without Hyve.
"""

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.base.manifest import Count, Frozen
from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.core.settings.mapping import MappingRule
from hyve_pipeline.core.settings.options import VersionsChoice

# The leaves of a range of a proof: a power of two, so that the roots of the ranges are nodes of the whole tree.
RANGE_LEAVES = 65_536

# So many of the first top-level prefixes have a root of their own; the keys below all others have one together.
MOST_PREFIXES = 1_000

# The members of the document that are not signed.
_SIGNATURE = "signature"
_DIGEST = "sha256"


class ChangedProofError(HyveError):
    """A document is no proof, or was changed."""


class How(StrEnum):
    """What proves that two objects of one key and one size have the same content; the first that holds.

    Of a plan of all versions: two versions in one place of the key's history. Only there are delete markers.
    """

    DELETE_MARKER = "delete_marker"
    CHECKSUM = "checksum"
    COMPOSITE_CHECKSUM = "composite_checksum"
    READ = "read"
    MD5_ETAG = "md5_etag"
    PARTS_ETAG = "parts_etag"
    COPIED = "copied"
    REMEMBERED = "remembered"
    NOT_PROVED = "not_proved"

    @property
    def described(self) -> str:
        """What it means, in words."""
        return _HOW[self]


# Short enough for a line of a terminal.
_HOW = {
    How.DELETE_MARKER: "both have a delete marker in this place",
    How.CHECKSUM: "both keep the same full-object checksum",
    How.COMPOSITE_CHECKSUM: "both keep the same checksum of parts",
    How.READ: "both were read and compared",
    How.MD5_ETAG: "both have the same ETag, in MD5 form",
    How.PARTS_ETAG: "both have the same ETag of parts",
    How.COPIED: "copied by this plan, both ETags as then",
    How.REMEMBERED: "copied or adopted earlier, ETags as then",
    How.NOT_PROVED: "only key and size are known to be equal",
}


class Unlike(StrEnum):
    """Why a key is not in the tree."""

    ONLY_IN_SOURCE = "only_in_source"
    ONLY_IN_STORE = "only_in_store"
    DIFFERENT_SIZE = "different_size"
    ALTERED = "altered"
    OUTDATED = "outdated"
    EXCLUDED = "excluded"

    @property
    def described(self) -> str:
        """What it means, in words."""
        return _UNLIKE[self]


_UNLIKE = {
    Unlike.ONLY_IN_SOURCE: "was not copied",
    Unlike.ONLY_IN_STORE: "was not deleted",
    Unlike.DIFFERENT_SIZE: "the sizes differ",
    Unlike.ALTERED: "changed in the store by somebody else",
    Unlike.OUTDATED: "the source's object was not copied",
    Unlike.EXCLUDED: "left out by the filters or the mapping",
}


# The members of a listing that are left out where they say nothing.
_OPTIONAL = ("as_of", "mapping", "left_out")


class Listing(Frozen):
    """One complete listing of a bucket.

    Attributes:
        uri: the bucket and its prefix.
        server: the server that the requests went to.
        inventory: the id of the inventory.
        started, ended: when the first page was requested and the last one received.
        objects, bytes: totals.
        as_of: the earlier time that it is of, by the bucket's versions; left out where it is of its own time.
        mapping: of a source, the rules by which its keys became those of the pairs; left out without any.
        left_out: with a mapping, the objects that no rule is about, which are not among the others; left out without.
    """

    uri: str
    server: str
    inventory: str
    started: datetime
    ended: datetime
    objects: int
    bytes: int
    as_of: datetime | None = None
    mapping: tuple[MappingRule, ...] = ()
    left_out: Count | None = None

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        members: dict[str, Any] = serialize(self)
        return {name: value for name, value in members.items() if name not in _OPTIONAL or value}


class Verified(Frozen):
    """The verification of the plan.

    Attributes:
        ended: when.
        objects: how many objects were as the plan has them.
        compared: how many contents it compared.
        by_checksum: how many of them by checksums that both sides keep; the others were read.
        gets: how many GetObject requests that took.
    """

    ended: datetime
    objects: int
    compared: int = 0
    by_checksum: int = 0
    gets: int = 0


class PrefixRoot(Frozen):
    """The root of the leaves below a top-level prefix; the empty one is that of keys without ``/``."""

    prefix: str
    objects: int
    bytes: int
    root: str


class RangeRoot(Frozen):
    """The root of `RANGE_LEAVES` leaves that follow each other, of the last range perhaps fewer."""

    first_key: str
    last_key: str
    objects: int
    bytes: int
    root: str


class Roots(Frozen):
    """The tree of all pairs of objects.

    Attributes:
        objects, bytes: of all leaves.
        root: the root of all leaves, in hexadecimal, as all hashes.
        prefixes: the roots of the first `MOST_PREFIXES` top-level prefixes.
        other_prefixes: the number of leaves below all other prefixes, their bytes and root; None if there are none.
        ranges: the roots by range.
    """

    objects: int
    bytes: int
    root: str
    prefixes: tuple[PrefixRoot, ...]
    other_prefixes: PrefixRoot | None
    ranges: tuple[RangeRoot, ...]


class UsedFile(Frozen):
    """A file of the state that the proof was made from; `name` is below the folder of the sync's state."""

    # Never outside of the state.
    name: str = Field(pattern=r"^(\w[\w.-]*/)*\w[\w.-]*$")
    bytes: int
    sha256: str


class Contents(Frozen):
    """What a tree is made from: the pairs by what proves them, the keys outside of it, and the roots."""

    proved_by: dict[How, Count]
    not_in_tree: dict[Unlike, Count]
    tree: Roots


class Proof(Frozen):
    """The document, without its digest and signature.

    Attributes:
        hyve_proof: the number of the format.
        made: when the document was made.
        version: the version of Hyve that made it.
        host, user: where, and by which user.
        sync: the sync's name.
        plan: the plan's id.
        planned: when the plan was made.
        source, store: the listings that were compared; the store's is that of the verification.
        verification: its result.
        memory: the id of what was remembered of earlier copies; None if nothing was.
        versions: ``all`` if it is of the versions of keys; left out if it is of current objects.
        proved_by, not_in_tree, tree: as in `Contents`.
        files: the files of the state that were used.
        public_key: the Ed25519 key, 32 bytes in base64, that the signature is checked with; None without signature.
    """

    hyve_proof: Literal[1] = 1
    made: datetime
    version: str
    host: str
    user: str
    sync: str
    plan: str
    planned: datetime
    source: Listing
    store: Listing
    verification: Verified
    memory: str | None
    versions: VersionsChoice = "current"
    proved_by: dict[How, Count]
    not_in_tree: dict[Unlike, Count]
    tree: Roots
    files: tuple[UsedFile, ...]
    public_key: str | None = None

    @model_serializer(mode="wrap")
    def _without_current(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        members: dict[str, Any] = serialize(self)
        return {name: value for name, value in members.items() if name != "versions" or value != "current"}

    @property
    def counted(self) -> str:
        """How many leaves the tree has, in words."""
        if self.versions == "all":
            return f"{self.tree.objects:,} versions and delete markers"
        return counted(self.tree.objects)

    def listing(self, side: Side) -> Listing:
        """The listing of one side."""
        return self.source if side == "source" else self.store


def canonical(proof: Proof) -> bytes:
    """What is hashed and signed: the document as canonical JSON (RFC 8785), without ``sha256`` and ``signature``."""
    # All names of members are ASCII, and all numbers are integers.
    return json.dumps(proof.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def write_document(proof: Proof, signature: str | None) -> bytes:
    """The document as it is written into a file.

    Args:
        proof: its members.
        signature: the signature over `canonical`, in base64; None without one.
    """
    members = proof.model_dump(mode="json")
    members[_DIGEST] = hashlib.sha256(canonical(proof)).hexdigest()
    if signature is not None:
        members[_SIGNATURE] = signature
    return f"{json.dumps(members, indent=1, ensure_ascii=False)}\n".encode()


def read_document(name: str, content: bytes) -> tuple[Proof, str | None]:
    """The proof and the signature in a document.

    Raises:
        ChangedProofError: it is no document that `write_document` has written; any changed byte shows.
    """
    try:
        members = json.loads(content)
        signature = members.pop(_SIGNATURE, None)
        members.pop(_DIGEST)
        proof = Proof.model_validate_json(json.dumps(members))
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        raise ChangedProofError(f"{name}: is no proof that 'hyve prove' has written, or was changed") from None
    if write_document(proof, signature) != content:
        raise ChangedProofError(f"{name}: was changed: it is not what its sha256 is of")
    return proof, signature
