"""Signatures: whose they are, and by what they are made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_keys.backends import CoinCurveECCBackend, NativeECCBackend
from eth_keys.main import KeyAPI
from hypothesis import given
from hypothesis import strategies as st

from assay.core.hashes import job_id, job_typed_data
from assay.core.signing import (
    HALF_ORDER,
    receipt_digest,
    receipt_signer,
    receipt_typed_data,
    sign_receipt,
)
from assay.core.types import Job, Receipt

SETTLEMENT = "0x" + "33" * 20
RECEIPT = Receipt(bytes(range(32)), bytes(32), 64, 100)
ACCOUNT = Account.from_key(bytes([7]) * 32)


def test_signatures_are_made_in_c() -> None:
    """In Python they would take several times as long as a small model's whole answer."""
    assert isinstance(KeyAPI().backend, CoinCurveECCBackend)


def test_the_library_changes_no_signature() -> None:
    """Nonces are those of RFC 6979, so a receipt's signature is one, whoever makes it."""
    found = sign_receipt(ACCOUNT, RECEIPT, 1, SETTLEMENT)
    backends = KeyAPI(NativeECCBackend()), KeyAPI(CoinCurveECCBackend())
    for number in range(8):
        digest = bytes([number]) * 32
        one, other = (
            keys.ecdsa_sign(digest, keys.PrivateKey(bytes([7]) * 32)).to_bytes()
            for keys in backends
        )
        assert one == other
    digest = receipt_digest(RECEIPT, 1, SETTLEMENT)
    assert found == bytes(ACCOUNT.unsafe_sign_hash(digest).signature)
    assert receipt_signer(RECEIPT, found, 1, SETTLEMENT) == ACCOUNT.address


@pytest.mark.parametrize("bit", [0, 255, 300, 511])
def test_an_altered_receipt_or_signature_is_another_signers(bit: int) -> None:
    signature = bytearray(sign_receipt(ACCOUNT, RECEIPT, 1, SETTLEMENT))
    altered = replace(RECEIPT, price=RECEIPT.price + 1)
    assert receipt_signer(altered, bytes(signature), 1, SETTLEMENT) != ACCOUNT.address
    assert receipt_signer(RECEIPT, bytes(signature), 2, SETTLEMENT) != ACCOUNT.address
    signature[bit // 8] ^= 1 << bit % 8
    assert receipt_signer(RECEIPT, bytes(signature), 1, SETTLEMENT) != ACCOUNT.address
    assert receipt_signer(RECEIPT, bytes(signature[:64]), 1, SETTLEMENT) is None


def test_what_is_signed_names_chain_and_contract() -> None:
    domain = receipt_typed_data(RECEIPT, 5, SETTLEMENT)["domain"]
    assert (domain["chainId"], domain["verifyingContract"]) == (5, SETTLEMENT)


def test_only_what_contracts_take_is_a_signature() -> None:
    """A signature that a service accepts and a contract refuses would hold up its whole batch."""
    signature = sign_receipt(ACCOUNT, RECEIPT, 1, SETTLEMENT)
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    order = 2 * HALF_ORDER + 1
    twin = r + (order - s).to_bytes(32, "big") + bytes([55 - v])
    typed = encode_typed_data(full_message=receipt_typed_data(RECEIPT, 1, SETTLEMENT))
    assert Account.recover_message(typed, signature=twin) == ACCOUNT.address
    for other in (twin, signature[:64] + bytes([v - 27])):
        assert receipt_signer(RECEIPT, other, 1, SETTLEMENT) is None
    assert receipt_signer(RECEIPT, signature, 1, SETTLEMENT) == ACCOUNT.address


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**256 - 1),
    st.integers(1, 2**64),
)
def test_digests_are_those_of_the_documents(
    word: bytes, tokens: int, price: int, chain_id: int
) -> None:
    """What is hashed word by word is what wallets hash from the document."""
    receipt = Receipt(word, word[::-1], tokens, price)
    document = receipt_typed_data(receipt, chain_id, SETTLEMENT)
    expected = _hash_eip191_message(encode_typed_data(full_message=document))
    assert receipt_digest(receipt, chain_id, SETTLEMENT) == expected
    job = Job(
        word, SETTLEMENT, "0x" + word.hex()[:40], word, tokens, tokens, tokens, word,
        tokens, tokens, price, tokens, tokens % 256, word,
    )  # fmt: skip
    document = job_typed_data(job, chain_id, SETTLEMENT)
    expected = _hash_eip191_message(encode_typed_data(full_message=document))
    assert job_id(job, chain_id, SETTLEMENT) == expected


@pytest.mark.parametrize(
    "wrong", [{"output_tokens": 2**32}, {"price": -1}, {"job_id": bytes(31)}], ids=str
)
def test_revert_a_value_that_its_type_does_not_hold(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, OverflowError)):
        receipt_digest(replace(RECEIPT, **wrong), 1, SETTLEMENT)
