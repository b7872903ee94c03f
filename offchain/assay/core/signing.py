"""EIP-712 signatures: over a job (consumer), a receipt (provider), a voucher (owner of credit).

Keys are eth-account signers; this file neither reads nor writes any. It calls libsecp256k1 itself:
eth-account's way there takes several times as long as the signature.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from coincurve import PrivateKey, PublicKey
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from assay.core.eip712 import digest, typed_data
from assay.core.hashes import JOB_DOMAIN, RECEIPT_FIELDS, job_id
from assay.core.keccak import keccak
from assay.core.types import Hash, Job, Receipt
from assay.core.vouchers import SignedVoucher, Voucher, voucher_digest

SIGNATURE_BYTES = 65
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""Half of secp256k1's order, rounded down."""
V_BASE = 27
"""v is this plus the parity of the nonce's point."""


def sign_job(account: LocalAccount, job: Job, chain_id: int, settlement: str) -> bytes:
    return _sign(account, job_id(job, chain_id, settlement))


def sign_job_id(account: LocalAccount, job: Hash) -> bytes:
    """As `sign_job`, of a job whose id is known: the id is what is signed."""
    return _sign(account, job)


def sign_receipt(account: LocalAccount, receipt: Receipt, chain_id: int, settlement: str) -> bytes:
    return _sign(account, receipt_digest(receipt, chain_id, settlement))


def sign_voucher(
    account: LocalAccount, voucher: Voucher, chain_id: int, ledger: str
) -> SignedVoucher:
    return SignedVoucher(voucher, _sign(account, voucher_digest(voucher, chain_id, ledger)))


def job_signer(job: Job, signature: bytes, chain_id: int, settlement: str) -> str | None:
    """Address of the key that signed the job; None if this is no signature at all."""
    return recovered(job_id(job, chain_id, settlement), signature)


def receipt_signer(
    receipt: Receipt, signature: bytes, chain_id: int, settlement: str
) -> str | None:
    """Address of the key that signed the receipt; None if this is no signature at all."""
    return recovered(receipt_digest(receipt, chain_id, settlement), signature)


def voucher_signer(signed: SignedVoucher, chain_id: int, ledger: str) -> str | None:
    """Address of the key that signed the voucher; None if this is no signature at all."""
    return recovered(voucher_digest(signed.voucher, chain_id, ledger), signed.signature)


def receipt_typed_data(receipt: Receipt, chain_id: int, settlement: str) -> dict[str, Any]:
    """The EIP-712 document that a provider signs: its promise to post this claim."""
    return typed_data(JOB_DOMAIN, chain_id, settlement, "Receipt", RECEIPT_FIELDS, receipt)


def receipt_digest(receipt: Receipt, chain_id: int, settlement: str) -> Hash:
    """The EIP-712 digest that is signed."""
    return digest(JOB_DOMAIN, chain_id, settlement, "Receipt", RECEIPT_FIELDS, receipt)


def recovered(digest_: Hash, signature: bytes) -> str | None:
    """Address of the key that signed a digest; None if this is no signature that contracts take."""
    if len(signature) != SIGNATURE_BYTES or not _canonical(signature):
        return None
    plain = signature[:64] + bytes([signature[64] - V_BASE])
    try:
        key = PublicKey.from_signature_and_message(plain, digest_, hasher=None)
    except ValueError:
        return None
    return _address(key.format(compressed=False)[1:])


def _sign(account: LocalAccount, digest_: Hash) -> bytes:
    """r, the smaller s, v; the nonce is RFC 6979's, so that there is one signature only."""
    found = _key(bytes(account.key)).sign_recoverable(digest_, hasher=None)
    return found[:64] + bytes([found[64] + V_BASE])


@lru_cache(maxsize=16)
def _key(secret: bytes) -> PrivateKey:
    """Kept, as libsecp256k1 derives the public key with each: as long as signatures take."""
    return PrivateKey(secret)


@lru_cache(maxsize=1024)
def _address(point: bytes) -> str:
    return str(to_checksum_address(keccak(point)[-20:]))


def _canonical(signature: bytes) -> bool:
    """Whether contracts take it: the smaller of two s (EIP-2), v of 27 or 28."""
    return 0 < int.from_bytes(signature[32:64], "big") <= HALF_ORDER and signature[64] in (
        V_BASE,
        V_BASE + 1,
    )
