"""Boxes that only the holder of an X25519 key opens: data of claims for a drawn auditor.

A fresh key for every box; X25519, HKDF-SHA256 over both public keys, ChaCha20-Poly1305. A box is
public key (32 bytes), tag (16 bytes), ciphertext.
"""

from __future__ import annotations

from collections.abc import Callable

from Crypto.Cipher import ChaCha20_Poly1305
from Crypto.Hash import SHA256
from Crypto.Protocol.DH import (
    import_x25519_private_key,
    import_x25519_public_key,
    key_agreement,
)
from Crypto.Protocol.KDF import HKDF
from Crypto.PublicKey import ECC

from assay.core.errors import ProofError
from assay.core.hashes import keccak

CONTEXT = b"assay claim data"
KEY_BYTES = 32
TAG_BYTES = 16
NONCE = bytes(12)
"""A key encrypts once, so the nonce need not change."""


def private_key(secret: bytes) -> bytes:
    """The box key that belongs to an account's secret; it says nothing about the secret."""
    return keccak(CONTEXT + secret)


def public_key(private: bytes) -> bytes:
    return bytes(import_x25519_private_key(private).public_key().export_key(format="raw"))


def seal(data: bytes, public: bytes) -> bytes:
    """A box for the holder of `public`; ProofError if that is no key."""
    own = ECC.generate(curve="Curve25519")
    mine = bytes(own.public_key().export_key(format="raw"))
    try:
        theirs = import_x25519_public_key(public)
        key = key_agreement(eph_priv=own, static_pub=theirs, kdf=_kdf(mine + public))
    except ValueError as error:
        raise ProofError(f"0x{public.hex()} is no X25519 public key ({error})") from error
    text, tag = ChaCha20_Poly1305.new(key=key, nonce=NONCE).encrypt_and_digest(data)
    return mine + tag + text


def unseal(box: bytes, private: bytes) -> bytes:
    """What is in a box; ProofError if it was sealed for another key, or changed."""
    theirs, tag = box[:KEY_BYTES], box[KEY_BYTES : KEY_BYTES + TAG_BYTES]
    own = import_x25519_private_key(private)
    try:
        key = key_agreement(
            static_priv=own,
            eph_pub=import_x25519_public_key(theirs),
            kdf=_kdf(theirs + public_key(private)),
        )
        cipher = ChaCha20_Poly1305.new(key=key, nonce=NONCE)
        return bytes(cipher.decrypt_and_verify(box[KEY_BYTES + TAG_BYTES :], tag))
    except ValueError as error:
        raise ProofError(f"the box does not open with this key ({error})") from error


def _kdf(both: bytes) -> Callable[[bytes | bytearray | memoryview], bytes]:
    """HKDF over the shared secret, bound to both public keys."""

    def derive(shared: bytes | bytearray | memoryview) -> bytes:
        key = HKDF(bytes(shared), KEY_BYTES, both, SHA256, context=CONTEXT)
        assert isinstance(key, bytes)
        return key

    return derive
