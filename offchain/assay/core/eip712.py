"""EIP-712 documents and digests: one domain per name, chain and contract."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from assay.core.keccak import keccak
from assay.core.types import Hash

Fields = tuple[tuple[str, str], ...]
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


def digest(
    domain: tuple[str, str], chain_id: int, contract: str, kind: str, fields: Fields, values: object
) -> Hash:
    """What is signed: keccak of 0x1901, the domain's separator and the struct's hash.

    Arguments as `typed_data`; fields are `bytes32`, `address` or `uintN`, one word each. Every
    request needs two of these, so no document is built for them.
    """
    value = values.__getitem__ if isinstance(values, Mapping) else values.__getattribute__
    words = [_type_hash(kind, fields), *(_word(type_, value(name)) for name, type_ in fields)]
    prefix = b"\x19\x01" + separator(domain, chain_id, contract)
    return Hash(keccak(prefix + keccak(b"".join(words))))


@lru_cache(maxsize=64)
def separator(domain: tuple[str, str], chain_id: int, contract: str) -> bytes:
    """The hash of a domain, as contracts show it by DOMAIN_SEPARATOR()."""
    name, version = (keccak(text.encode()) for text in domain)
    words = (_type_hash("EIP712Domain", DOMAIN_FIELDS), name, version)
    return keccak(b"".join((*words, _word("uint256", chain_id), _word("address", contract))))


@lru_cache(maxsize=64)
def _type_hash(kind: str, fields: Fields) -> bytes:
    return keccak(f"{kind}({','.join(f'{type_} {name}' for name, type_ in fields)})".encode())


def _word(kind: str, value: Any) -> bytes:
    """The 32 bytes of an atomic value; ValueError or OverflowError if it does not fit its type."""
    if kind == "bytes32":
        if len(value) != 32:
            raise ValueError(f"{len(value)} bytes for bytes32")
        return bytes(value)
    if kind == "address":
        return bytes.fromhex(value[2:]).rjust(32, b"\0")
    return bytes(32 - int(kind[4:]) // 8) + int(value).to_bytes(int(kind[4:]) // 8, "big")


def _types(fields: Fields) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields]
