"""EIP-712 signatures: over a job (consumer), a receipt (provider), a voucher (owner of credit).

Keys are eth-account signers; this file neither reads nor stores any.
"""

from __future__ import annotations

from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_checksum_address
from eth_utils.exceptions import ValidationError

from assay.core.hashes import job_typed_data
from assay.core.types import Job, Receipt
from assay.core.vouchers import SignedVoucher, Voucher, voucher_typed_data

SIGNATURE_BYTES = 65


def sign_job(account: LocalAccount, job: Job, chain_id: int, settlement: str) -> bytes:
    return _sign(account, job_typed_data(job, chain_id, settlement))


def sign_receipt(account: LocalAccount, receipt: Receipt, chain_id: int, settlement: str) -> bytes:
    return _sign(account, receipt_typed_data(receipt, chain_id, settlement))


def sign_voucher(
    account: LocalAccount, voucher: Voucher, chain_id: int, ledger: str
) -> SignedVoucher:
    return SignedVoucher(voucher, _sign(account, voucher_typed_data(voucher, chain_id, ledger)))


def job_signer(job: Job, signature: bytes, chain_id: int, settlement: str) -> str | None:
    """Address of the key that signed the job; None if this is no signature at all."""
    return _recover(job_typed_data(job, chain_id, settlement), signature)


def receipt_signer(
    receipt: Receipt, signature: bytes, chain_id: int, settlement: str
) -> str | None:
    """Address of the key that signed the receipt; None if this is no signature at all."""
    return _recover(receipt_typed_data(receipt, chain_id, settlement), signature)


def voucher_signer(signed: SignedVoucher, chain_id: int, ledger: str) -> str | None:
    """Address of the key that signed the voucher; None if this is no signature at all."""
    return _recover(voucher_typed_data(signed.voucher, chain_id, ledger), signed.signature)


def receipt_typed_data(receipt: Receipt, chain_id: int, settlement: str) -> dict[str, Any]:
    """The EIP-712 document that a provider signs: its promise to post this claim."""
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Receipt": [
                {"name": "job_id", "type": "bytes32"},
                {"name": "output_root", "type": "bytes32"},
                {"name": "output_tokens", "type": "uint32"},
                {"name": "price", "type": "uint256"},
            ],
        },
        "primaryType": "Receipt",
        "domain": {
            "name": "Assay",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": settlement,
        },
        "message": {
            "job_id": receipt.job_id,
            "output_root": receipt.output_root,
            "output_tokens": receipt.output_tokens,
            "price": receipt.price,
        },
    }


def _sign(account: LocalAccount, document: dict[str, Any]) -> bytes:
    signed = account.sign_message(encode_typed_data(full_message=document))
    return bytes(signed.signature)


def _recover(document: dict[str, Any], signature: bytes) -> str | None:
    if len(signature) != SIGNATURE_BYTES:
        return None
    try:
        signer = Account.recover_message(
            encode_typed_data(full_message=document), signature=signature
        )
    except (BadSignature, ValidationError, ValueError):
        return None
    return str(to_checksum_address(signer))
