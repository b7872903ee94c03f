"""Transfers of dollars by signature (EIP-3009): whoever holds one may bring it to the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assay.core.eip712 import Fields, digest, typed_data
from assay.core.types import Hash

AUTHORIZATION = "TransferWithAuthorization"
AUTHORIZATION_FIELDS: Fields = (
    ("from", "address"),
    ("to", "address"),
    ("value", "uint256"),
    ("validAfter", "uint256"),
    ("validBefore", "uint256"),
    ("nonce", "bytes32"),
)


@dataclass(frozen=True)
class Authorization:
    """`value` in the token's smallest units; times in Unix seconds, both ends excluded."""

    payer: str
    to: str
    value: int
    valid_after: int
    valid_before: int
    nonce: bytes

    def abi(self) -> tuple[object, ...]:
        return (
            self.payer,
            self.to,
            self.value,
            self.valid_after,
            self.valid_before,
            self.nonce,
        )

    def fields(self) -> dict[str, object]:
        return dict(zip((name for name, _ in AUTHORIZATION_FIELDS), self.abi(), strict=True))


def authorization_typed_data(
    given: Authorization, domain: tuple[str, str], chain_id: int, token: str
) -> dict[str, Any]:
    """The EIP-712 document, in the token's own domain."""
    fields = AUTHORIZATION_FIELDS
    return typed_data(domain, chain_id, token, AUTHORIZATION, fields, given.fields())


def authorization_digest(
    given: Authorization, domain: tuple[str, str], chain_id: int, token: str
) -> Hash:
    """The EIP-712 digest that is signed."""
    fields = AUTHORIZATION_FIELDS
    return digest(domain, chain_id, token, AUTHORIZATION, fields, given.fields())
