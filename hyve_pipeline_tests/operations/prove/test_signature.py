"""Signatures that OpenSSL's keys make, and files that are no such keys."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.operations.prove.signature import Signer, is_signed, read_public_key

_FORM = Encoding.PEM, PrivateFormat.PKCS8


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private and a public key."""
    key = ed25519.Ed25519PrivateKey.generate()
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    private.write_bytes(key.private_bytes(*_FORM, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def test_a_signature_is_of_one_message_and_one_key(keys: tuple[Path, Path]) -> None:
    signer = Signer(keys[0])
    signature = signer.sign(b"message")
    assert read_public_key(keys[1]) == signer.public_key
    assert is_signed(signer.public_key, signature, b"message")
    assert not is_signed(signer.public_key, signature, b"massage")
    assert not is_signed(signer.public_key, "no base64", b"message")
    assert not is_signed("AAAA", signature, b"message")
    assert not is_signed(signer.public_key, signature[4:] + signature[:4], b"message")


def test_a_file_that_is_no_such_key(keys: tuple[Path, Path], tmp_path: Path) -> None:
    private, public = keys
    other = tmp_path / "other"
    other.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(*_FORM, NoEncryption()))
    for path in (other, public):
        with pytest.raises(ConfigurationError, match="no Ed25519 private key"):
            Signer(path)
    with pytest.raises(ConfigurationError, match="no Ed25519 public key"):
        read_public_key(private)
    key = ed25519.Ed25519PrivateKey.generate()
    other.write_bytes(key.private_bytes(*_FORM, BestAvailableEncryption(b"secret")))
    with pytest.raises(ConfigurationError, match="has a passphrase"):
        Signer(other)
    with pytest.raises(ConfigurationError, match="nowhere: can't be read: No such file"):
        Signer(tmp_path / "nowhere")
