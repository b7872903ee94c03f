"""Vouchers: what the owner of credit signs so that a payee may collect from their channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account.messages import _hash_eip191_message, encode_typed_data

from assay.core.types import Hash

DAY_SECONDS = 86_400

VOUCHER_FIELDS = (
    ("owner", "address"),
    ("payee", "address"),
    ("day", "uint256"),
    ("cumulative", "uint256"),
)


@dataclass(frozen=True)
class Voucher:
    """`cumulative` micro-USD in all that `payee` may collect of `owner`'s for a UTC day.

    `day` is Unix time // 86,400. A later voucher of a day replaces the earlier ones.
    """

    owner: str
    payee: str
    day: int
    cumulative: int

    def abi(self) -> tuple[object, ...]:
        return (self.owner, self.payee, self.day, self.cumulative)


@dataclass(frozen=True)
class SignedVoucher:
    """A voucher and the signature of its owner or of the channel's session key."""

    voucher: Voucher
    signature: bytes

    def abi(self) -> tuple[object, ...]:
        return (self.voucher.abi(), self.signature)


def day_of(timestamp: int) -> int:
    """The UTC day of a Unix time."""
    return timestamp // DAY_SECONDS


def voucher_typed_data(voucher: Voucher, chain_id: int, ledger: str) -> dict[str, Any]:
    """The EIP-712 document of a voucher, for one chain and one CreditLedger."""
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Voucher": [{"name": name, "type": kind} for name, kind in VOUCHER_FIELDS],
        },
        "primaryType": "Voucher",
        "domain": {
            "name": "Assay credit",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": ledger,
        },
        "message": {name: getattr(voucher, name) for name, _ in VOUCHER_FIELDS},
    }


def voucher_digest(voucher: Voucher, chain_id: int, ledger: str) -> Hash:
    """The EIP-712 digest that is signed."""
    document = encode_typed_data(full_message=voucher_typed_data(voucher, chain_id, ledger))
    return Hash(bytes(_hash_eip191_message(document)))
