"""Every hash of the protocol, in one place: what is hashed, under which tag, in which order.

Trees use SHA-256 (a precompile in the EVM, an instruction on CPUs) with a one-byte domain tag, so
that no leaf is a node and no kind of leaf is another. Ids and signatures use Keccak-256.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, cast

from eth_abi.abi import encode

from assay.core.eip712 import Fields, digest, typed_data
from assay.core.keccak import keccak as _keccak
from assay.core.types import Hash, Job, Model, Receipt, Step

TAG_TILE = b"\x00"
TAG_NODE = b"\x01"
TAG_TENSOR = b"\x02"
TAG_TOKEN = b"\x04"
TAG_TOKENS = b"\x05"
TAG_SALT = b"\x06"
TAG_STEP = b"\x07"
TAG_PROGRAM = b"\x08"
TAG_LIST = b"\x09"
TAG_RECEIPT = b"\x0a"
TAG_EMBEDDING = b"\x0b"

PROMPT_SIDE = 0
OUTPUT_SIDE = 1


def keccak(data: bytes) -> Hash:
    return Hash(_keccak(data))


def tile_leaf(data: bytes) -> Hash:
    """Leaf of up to TILE elements, each signed and big-endian."""
    return Hash(sha256(TAG_TILE + data).digest())


def node(left: bytes, right: bytes) -> Hash:
    return Hash(sha256(TAG_NODE + left + right).digest())


def nodes(row: Sequence[bytes]) -> list[Hash]:
    """`node` of the first and the second, the third and the fourth, …; an even number of them."""
    pairs = zip(row[::2], row[1::2], strict=True)
    return cast(list[Hash], [sha256(TAG_NODE + left + right).digest() for left, right in pairs])


def tensor_commitment(rows: int, width: int, elem_bytes: int, root: bytes) -> Hash:
    """Binds a tensor's shape to the root over its tiles."""
    header = rows.to_bytes(4, "big") + width.to_bytes(4, "big") + elem_bytes.to_bytes(1, "big")
    return Hash(sha256(TAG_TENSOR + header + root).digest())


def token_salt(job_salt: bytes, side: int, index: int) -> Hash:
    """Salt of one token, so that a short prompt cannot be guessed from its root."""
    return Hash(sha256(TAG_SALT + job_salt + bytes([side]) + index.to_bytes(4, "big")).digest())


def token_salts(job_salt: bytes, side: int, count: int) -> list[Hash]:
    """`token_salt` of the first `count` tokens."""
    head = TAG_SALT + job_salt + bytes([side])
    hashed = [sha256(head + index.to_bytes(4, "big")).digest() for index in range(count)]
    return cast(list[Hash], hashed)


def token_leaf(salt: bytes, token: int) -> Hash:
    return token_leaves([salt], [token])[0]


def token_leaves(salts: Sequence[bytes], tokens: Sequence[int]) -> list[Hash]:
    """`token_leaf` of each."""
    pairs = zip(salts, tokens, strict=True)
    hashed = [sha256(TAG_TOKEN + salt + token.to_bytes(4, "big")).digest() for salt, token in pairs]
    return cast(list[Hash], hashed)


def token_root(count: int, root: bytes) -> Hash:
    """Root of a token list: binds its length. An empty list has the zero Merkle root."""
    return Hash(sha256(TAG_TOKENS + count.to_bytes(4, "big") + root).digest())


def embedding_root(salt: bytes, commitment: bytes) -> Hash:
    """Root of an output that is an embedding, from its `tensor_commitment`.

    The salt is that of the prompt's first token, so that the chain can check it against the job,
    and nobody without it can try guesses of the prompt.
    """
    return Hash(sha256(TAG_EMBEDDING + salt + commitment).digest())


def step_leaf(step: Step) -> Hash:
    return Hash(sha256(TAG_STEP + encode([Step.ABI], [step.abi()])).digest())


def program_root(count: int, root: bytes) -> Hash:
    return Hash(sha256(TAG_PROGRAM + count.to_bytes(4, "big") + root).digest())


def list_root(count: int, root: bytes) -> Hash:
    """Root of a model's weights or tables: binds how many tensors there are."""
    return Hash(sha256(TAG_LIST + count.to_bytes(4, "big") + root).digest())


def receipt_leaf(receipt: Receipt) -> Hash:
    return Hash(sha256(TAG_RECEIPT + encode([Receipt.ABI], [receipt.abi()])).digest())


def model_root(model: Model) -> Hash:
    return keccak(encode([Model.ABI], [model.abi()]))


JOB_DOMAIN = ("Assay", "1")
JOB_FIELDS: Fields = (
    ("model_root", "bytes32"),
    ("consumer", "address"),
    ("provider", "address"),
    ("prompt_root", "bytes32"),
    ("prompt_tokens", "uint32"),
    ("max_output_tokens", "uint32"),
    ("inv_temperature", "uint64"),
    ("seed", "bytes32"),
    ("price_input", "uint64"),
    ("price_output", "uint64"),
    ("max_price", "uint256"),
    ("deadline", "uint64"),
    ("data_mode", "uint8"),
    ("nonce", "bytes32"),
)

RECEIPT_FIELDS: Fields = (
    ("job_id", "bytes32"),
    ("output_root", "bytes32"),
    ("output_tokens", "uint32"),
    ("price", "uint256"),
)


def job_typed_data(job: Job, chain_id: int, settlement: str) -> dict[str, Any]:
    """The EIP-712 document that a consumer signs."""
    return typed_data(JOB_DOMAIN, chain_id, settlement, "Job", JOB_FIELDS, job)


def job_id(job: Job, chain_id: int, settlement: str) -> Hash:
    """EIP-712 digest of the job for one chain and one Settlement."""
    return digest(JOB_DOMAIN, chain_id, settlement, "Job", JOB_FIELDS, job)
