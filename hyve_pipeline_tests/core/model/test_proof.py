"""A document that was changed is found, whatever was changed."""

from datetime import UTC, datetime

import pytest

from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.proof import (
    ChangedProofError,
    How,
    Listing,
    PrefixRoot,
    Proof,
    RangeRoot,
    Roots,
    Unlike,
    UsedFile,
    Verified,
    canonical,
    read_document,
    write_document,
)

_TIME = datetime(2026, 11, 1, 2, 3, 4, 567, UTC)
_LISTING = Listing(uri="s3://a/", server="AWS", inventory="i", started=_TIME, ended=_TIME, objects=1, bytes=2)


def _proof() -> Proof:
    root = "ab" * 32
    return Proof(
        made=_TIME,
        version="1",
        host="h",
        user="ü",
        sync="images",
        plan="p",
        planned=_TIME,
        source=_LISTING,
        store=_LISTING,
        verification=Verified(ended=_TIME, objects=1),
        memory=None,
        proved_by={how: Count(objects=1, bytes=2) for how in How},
        not_in_tree={unlike: Count() for unlike in Unlike},
        tree=Roots(
            objects=1,
            bytes=2,
            root=root,
            prefixes=(PrefixRoot(prefix="é\n/", objects=1, bytes=2, root=root),),
            other_prefixes=None,
            ranges=(RangeRoot(first_key="é\n/\u2028", last_key='"\\', objects=1, bytes=2, root=root),),
        ),
        files=(UsedFile(name="plans/p/plan.json", bytes=3, sha256=root),),
        public_key="key",
    )


def test_a_document_is_read_as_it_was_written() -> None:
    for signature in (None, "signed"):
        assert read_document("file", write_document(_proof(), signature)) == (_proof(), signature)


def test_every_changed_byte_is_found() -> None:
    document = write_document(_proof(), "signed")
    # The signature is checked with the key.
    for place in range(document.index(b'"signature"') - 1):
        changed = document[:place] + bytes([document[place] ^ 1]) + document[place + 1 :]
        with pytest.raises(ChangedProofError, match=r"^file: .*was changed"):
            read_document("file", changed)
    for changed in (document[:-1], document + b"\n", document[:40], b"", b"[]", b"\xff", b"null"):
        with pytest.raises(ChangedProofError):
            read_document("file", changed)


def test_what_is_signed_is_canonical_json() -> None:
    text = canonical(_proof()).decode()
    assert text.startswith('{"files":[{"bytes":3,"name":"plans/p/plan.json","sha256":')
    assert '"user":"ü"' in text
    assert '"first_key":"é\\n/\u2028"' in text


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../b", "a//b", ".hidden", ""])
def test_no_file_outside_of_the_state_is_read(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        UsedFile(name=name, bytes=1, sha256="")
