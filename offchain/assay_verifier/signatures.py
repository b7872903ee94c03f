"""EIP-712 digests, and who signed one (secp256k1), as "Jobs, receipts and signatures" says."""

from __future__ import annotations

from collections.abc import Sequence

from assay_verifier.hashes import keccak, words

Fields = Sequence[tuple[str, str]]
"""Names and types of a struct's fields, all of one word."""
Point = tuple[int, int] | None
"""None is the neutral element."""

FIELD = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
BASE = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


def digest(
    kind: str, fields: Fields, values: Sequence[int | bytes], chain_id: int, settlement: bytes
) -> bytes:
    """What is signed of a struct."""
    text = f"{kind}({','.join(f'{type_} {name}' for name, type_ in fields)})"
    struct = keccak(words(keccak(text.encode()), *values))
    name, version = keccak(b"Assay"), keccak(b"1")
    domain = keccak(words(keccak(DOMAIN.encode()), name, version, chain_id, settlement))
    return keccak(b"\x19\x01" + domain + struct)


def signer(message: bytes, signature: bytes) -> bytes | None:
    """Address of the account that signed the digest; None if this is no signature."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        return None
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if not (0 < r < ORDER and 0 < s <= ORDER // 2):
        return None
    y = pow(r**3 + 7, (FIELD + 1) // 4, FIELD)
    if (y * y - r**3 - 7) % FIELD:
        return None
    nonce_point = (r, y if y % 2 == signature[64] - 27 else FIELD - y)
    inverse = pow(r, -1, ORDER)
    z = int.from_bytes(message, "big")
    key = _sum(_times(nonce_point, s * inverse), _times(BASE, -z * inverse))
    return keccak(words(*key))[-20:] if key else None


def _times(point: Point, factor: int) -> Point:
    """factor * point by doubling."""
    result: Point = None
    for bit in bin(factor % ORDER)[2:]:
        result = _sum(result, result)
        if bit == "1":
            result = _sum(result, point)
    return result


def _sum(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % FIELD == 0:
            return None
        slope = 3 * a[0] ** 2 * pow(2 * a[1], -1, FIELD)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, FIELD)
    x = (slope**2 - a[0] - b[0]) % FIELD
    return x, (slope * (a[0] - x) - a[1]) % FIELD
