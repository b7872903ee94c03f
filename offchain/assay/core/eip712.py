"""EIP-712 documents and digests: one domain per name, chain and contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eth_account.messages import _hash_eip191_message, encode_typed_data

from assay.core.types import Hash

Fields = Sequence[tuple[str, str]]
"""Names and ABI types of a struct's fields, in their order."""

DOMAIN_FIELDS: Fields = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)


def typed_data(
    domain: tuple[str, str], chain_id: int, contract: str, kind: str, fields: Fields, values: object
) -> dict[str, Any]:
    """The document that a wallet shows and signs.

    Args:
        domain: the domain's name and version.
        contract: the contract that verifies the signature.
        kind, fields: the struct; `values` has them as attributes or, a mapping, as items.
    """
    value = values.__getitem__ if isinstance(values, Mapping) else values.__getattribute__
    return {
        "types": {"EIP712Domain": _types(DOMAIN_FIELDS), kind: _types(fields)},
        "primaryType": kind,
        "domain": dict(zip(("name", "version"), domain, strict=True))
        | {"chainId": chain_id, "verifyingContract": contract},
        "message": {name: value(name) for name, _ in fields},
    }


def digest(document: dict[str, Any]) -> Hash:
    """What is signed: keccak of 0x1901, the domain's separator and the struct's hash."""
    return Hash(bytes(_hash_eip191_message(encode_typed_data(full_message=document))))


def _types(fields: Fields) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields]
