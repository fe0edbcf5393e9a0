"""Signs proofs with Ed25519 keys. Needs the package cryptography, of the extra `sign`."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from hyve_pipeline.core.base.errors import ConfigurationError, naming_file
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.runtime.named_files import open_named

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# More than any key file has.
_MOST_BYTES = 64 * 1024


class Signer:
    """Signs with the private key of a file.

    Args:
        path: a PEM file with an Ed25519 key in the format PKCS #8, without a passphrase.

    Attributes:
        public_key: the public key, 32 bytes in base64.

    Raises:
        ConfigurationError: it can't be read, or is no such key.
    """

    def __init__(self, path: Path) -> None:
        self._key = _read_private_key(path)
        self.public_key = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, message: bytes) -> str:
        """The signature, in base64."""
        return base64.b64encode(self._key.sign(message)).decode()


def is_signed(public_key: str, signature: str, message: bytes) -> bool:
    """Whether the signature, in base64, is of the message and was made with the private key of a public one."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), message)
    except (ValueError, InvalidSignature):
        return False
    return True


def read_public_key(path: Path) -> str:
    """The public key, 32 bytes in base64, of a PEM file.

    Raises:
        ConfigurationError: it can't be read, or is no Ed25519 key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(
            f"{displayed(str(path))}: is no Ed25519 public key in a PEM file: make one of the private key with "
            "'openssl pkey -in KEYFILE -pubout'"
        )
    return base64.b64encode(key.public_bytes_raw()).decode()


def _read_private_key(path: Path) -> "Ed25519PrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    name = displayed(str(path))
    try:
        key = load_pem_private_key(_read(path), password=None)
    except TypeError:
        raise ConfigurationError(f"{name}: the key has a passphrase: give one without") from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"{name}: is no Ed25519 private key in a PEM file: make one with 'openssl genpkey -algorithm ed25519'"
        )
    return key


def _read(path: Path) -> bytes:
    with naming_file(path, "read"), open_named(path) as stream:
        return stream.read(_MOST_BYTES)
