"""`hyve prove`, from the sync to a proof that does not hold any more."""

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hyve_pipeline_tests.syncs import Hyve, Pair


def _write_keys(private: Path, public: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def test_a_proof_is_written_and_checked(pair: Pair, hyve: Hyve, tmp_path: Path) -> None:
    pair.source.put({"a/1": b"1", "a/2": b"22", "b": b"333"})
    assert "no plan yet" in hyve("prove").only_line
    plan = hyve("dryrun", "--json").document["plan"]
    refused = hyve("prove")
    assert refused.code == 3
    assert "not_verified (nothing is proved)" in refused.only_line
    assert hyve("sync").code == 0

    proved = hyve("prove")
    assert (proved.code, proved.err) == (0, "images: prove: 3 objects\n")
    first, head, classes, root, path = proved.out.splitlines()
    assert first.endswith(": 3 objects, 6 B")
    assert head == "content proved by:"
    assert classes == "            3  md5_etag            both have the same ETag, in MD5 form"
    assert path.endswith(".proof.json")
    document = json.loads(Path(path).read_text())
    assert root == f"root {document['tree']['root']}"
    assert document["plan"] != plan
    checked = hyve("prove", "--check", path)
    assert (checked.code, checked.err) == (0, "images: prove: 3 objects\n")
    assert checked.out.splitlines()[0].endswith("holds against the state: 3 objects")
    assert hyve("prove", "--check", path, "--buckets").code == 0
    assert hyve("prove", "--output", "-").out.startswith('{\n "hyve_proof": 1,')

    pair.store.put({"b": b"334"})
    differing = hyve("prove", "--check", path, "--buckets")
    assert (differing.code, differing.out) == (1, "")
    assert "  store: b is another object" in differing.err.splitlines()
    found = hyve("prove", "--check", path, "--buckets", "--json")
    assert (found.code, found.document["holds"]) == (1, False)
    changed = Path(path).read_text().replace('"host": "', '"host": "x')
    Path(path).write_text(changed)
    assert "was changed" in hyve("prove", "--check", path).only_line
    assert hyve("prove", "--check", path).code == 1


def test_a_proof_is_signed(pair: Pair, hyve: Hyve, tmp_path: Path) -> None:
    pair.source.put({"a": b"1"})
    assert hyve("sync").code == 0
    key, public, other, file = (tmp_path / name for name in ("key.pem", "public.pem", "other.pem", "proof.json"))
    _write_keys(key, public)
    _write_keys(tmp_path / "another.pem", other)
    written = hyve("prove", "--sign", str(key), "--output", str(file), "--json")
    assert written.code == 0
    assert written.document["public_key"]
    assert hyve("prove", "--check", str(file), "--signed-by", str(public)).code == 0
    wrong = hyve("prove", "--check", str(file), "--signed-by", str(other))
    assert wrong.code == 1
    assert "signature: it was made with the key of" in wrong.err
    text = file.read_text()
    signature = json.loads(text)["signature"]
    file.write_text(text.replace(signature, signature[4:] + signature[:4]))
    assert "signature: it is not one of this document" in hyve("prove", "--check", str(file)).err
    assert hyve("prove", "--output", str(file)).code == 0
    unsigned = hyve("prove", "--check", str(file), "--signed-by", str(public))
    assert unsigned.code == 1
    assert "signature: there is none" in unsigned.err


def test_options_that_do_not_go_together(pair: Pair, hyve: Hyve) -> None:
    for arguments in (
        ("--buckets",),
        ("--signed-by", "key"),
        ("--check", "file", "--sign", "key"),
        ("--check", "file", "--output", "-"),
        ("000001", "--check", "file"),
        ("--output", "-", "--json"),
        ("--check", "nowhere"),
        ("--sign", "nowhere"),
    ):
        finished = hyve("prove", *arguments)
        assert (finished.code, finished.out) == (2, ""), arguments
        assert "Traceback" not in finished.err
