"""The key pair that push services know this installation by (VAPID, RFC 8292)."""

from __future__ import annotations

import base64
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from data.errors import KeysError

_FILE = "vapid.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushKeys:
    """A P-256 key pair."""

    private_pem: bytes
    public_key: str  #: uncompressed point, base64url without padding, as browsers want it

    def derive(self, purpose: str) -> bytes:
        """Return a key of 32 bytes for another purpose, which tells nothing of this one (HKDF, RFC 5869)."""
        return HKDF(SHA256(), length=32, salt=None, info=purpose.encode()).derive(self.private_pem)


def load_push_keys(home: Path) -> PushKeys:
    """Return the key pair kept in ``home``; make it once, readable by its owner only.

    Subscriptions are bound to the public key: losing the file means that every browser must subscribe anew.

    Raises:
        KeysError: The file is there but holds no P-256 private key; names it.
    """
    path = home / _FILE
    if not path.exists():
        _create(path)
    return _read(path)


def _create(path: Path) -> None:
    """Write a new key under a private name first: whoever links it first wins, nobody reads half a key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    handle, draft = tempfile.mkstemp(prefix=".vapid-", dir=path.parent)  # mode 0600
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first; its key counts
    finally:
        os.unlink(draft)


def _read(path: Path) -> PushKeys:
    pem = path.read_bytes()
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except ValueError as error:
        raise KeysError(f"{path}: must hold a private key in PEM: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeysError(f"{path}: must hold a P-256 private key")
    point = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return PushKeys(private_pem=pem, public_key=base64.urlsafe_b64encode(point).rstrip(b"=").decode())
