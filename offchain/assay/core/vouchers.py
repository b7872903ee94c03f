"""Vouchers: what the owner of credit signs so that a payee may collect from their channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assay.core.eip712 import digest, typed_data
from assay.core.types import Hash

DAY_SECONDS = 86_400

VOUCHER_DOMAIN = ("Assay credit", "1")
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
    return typed_data(VOUCHER_DOMAIN, chain_id, ledger, "Voucher", VOUCHER_FIELDS, voucher)


def voucher_digest(voucher: Voucher, chain_id: int, ledger: str) -> Hash:
    """The EIP-712 digest that is signed."""
    return digest(VOUCHER_DOMAIN, chain_id, ledger, "Voucher", VOUCHER_FIELDS, voucher)
