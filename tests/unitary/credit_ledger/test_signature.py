"""Who may sign a voucher, and where and how often it counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boa
import pytest

from assay.core.vouchers import voucher_digest
from tests.support.credit import DOLLAR, KARAT, Credit, account
from tests.support.evm import DAY, begin_day, now, today
from tests.support.market import deployer, reverts

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
WRONG = "credit_ledger: wrong signature"
STALE = "credit_ledger: stale voucher"
STRANGER = account("stranger")


@pytest.fixture(autouse=True)
def owner(credit: Credit) -> str:
    credit.give_karat(credit.owner.address, 100 * KARAT)
    credit.open(50 * DOLLAR, key=credit.key.address)
    return credit.owner.address


def test_digest_is_what_wallets_sign(credit: Credit) -> None:
    voucher = credit.sign(5).voucher
    chain = boa.env.evm.patch.chain_id
    expected = voucher_digest(voucher, chain, credit.ledger.address)
    assert bytes(credit.ledger.voucher_digest(voucher.abi())) == expected


# Replays.


def test_revert_twice(credit: Credit) -> None:
    signed = credit.sign(5).abi()
    assert credit.ledger.collect(signed) == 5
    with reverts(STALE):
        credit.ledger.collect(signed)


def test_revert_an_older_one(credit: Credit) -> None:
    older, newer = credit.sign(5).abi(), credit.sign(6).abi()
    assert credit.ledger.collect(newer) == 6
    with reverts(STALE):
        credit.ledger.collect(older)


def test_revert_other_chain(credit: Credit) -> None:
    with reverts(WRONG):
        credit.collect(5, chain_id=boa.env.evm.patch.chain_id + 1)


def test_revert_after_a_chain_split(credit: Credit) -> None:
    """The domain follows the chain id of the moment, not that of the deployment."""
    signed, chain = credit.sign(5).abi(), boa.env.evm.patch.chain_id
    boa.env.evm.patch.chain_id = chain + 1
    try:
        with reverts(WRONG):
            credit.ledger.collect(signed)
        assert credit.collect(5) == 5
    finally:
        boa.env.evm.patch.chain_id = chain


def test_revert_other_ledger(credit: Credit) -> None:
    with reverts(WRONG):
        credit.collect(5, ledger=credit.market.settlement.address)


@pytest.mark.parametrize(
    "alter",
    [
        lambda credit, v: (credit.market.provider, *v[1:]),
        lambda credit, v: (v[0], credit.market.stranger, *v[2:]),
        lambda credit, v: (*v[:2], v[2] - 1, v[3]),
        lambda credit, v: (*v[:3], v[3] + 1),
    ],
    ids=["owner", "payee", "day", "cumulative"],
)
def test_revert_altered(credit: Credit, alter: Callable[[Credit, Any], Any]) -> None:
    """There is such a channel, and was on that day: the signature is of something else."""
    begin_day()
    other = credit.market.provider
    credit.give_karat(other, 10 * KARAT)
    credit.open(10 * DOLLAR, owner=other)
    credit.open(10 * DOLLAR, payee=credit.market.stranger)
    for signer in (credit.owner, credit.key):
        signed = credit.sign(5, signer=signer)
        with reverts(WRONG):
            credit.ledger.collect((alter(credit, signed.voucher.abi()), signed.signature))


# Keys.


def test_revert_wrong_signer(credit: Credit) -> None:
    with reverts(WRONG):
        credit.collect(5, signer=STRANGER)


def test_revert_key_of_another_owner(credit: Credit) -> None:
    other = credit.market.provider
    credit.give_karat(other, 10 * KARAT)
    credit.open(10 * DOLLAR, owner=other, key=STRANGER.address)
    with reverts(WRONG):
        credit.collect(5, signer=STRANGER)
    assert credit.collect(5, owner=other, signer=STRANGER) == 5


def test_revert_malleable(credit: Credit) -> None:
    """The twin (n - s, v ^ 1) of a signature recovers to the same key and is refused."""
    signed = credit.sign(5)
    r, s, v = signed.signature[:32], int.from_bytes(signed.signature[32:64]), signed.signature[64]
    twin = r + (ORDER - s).to_bytes(32) + bytes([55 - v])
    with reverts(WRONG):
        credit.ledger.collect((signed.voucher.abi(), twin))
    assert credit.ledger.collect(signed.abi()) == 5


@pytest.mark.parametrize(
    "mangle",
    [
        lambda s: b"",
        lambda s: s[:64],
        lambda s: bytes(65),
        lambda s: s[:64] + bytes([s[64] - 27]),
        lambda s: s[:64] + b"\xff",
        lambda s: bytes([s[0] ^ 1]) + s[1:],
        lambda s: b"\xff" * 32 + s[32:],
        lambda s: s[:32] + bytes(32) + s[64:],
    ],
    ids=["none", "short", "zeros", "v is 0 or 1", "v is 255", "r", "r too large", "s is 0"],
)
def test_revert_no_signature(credit: Credit, mangle: Callable[[bytes], bytes]) -> None:
    signed = credit.sign(5)
    with reverts(WRONG):
        credit.ledger.collect((signed.voucher.abi(), mangle(signed.signature)))


# Contract accounts.


@pytest.fixture
def wallet(credit: Credit) -> Any:
    """An ERC-1271 wallet of the key "stranger", with a channel of $10."""
    wallet = deployer("mocks/TestWallet")(STRANGER.address)
    credit.give_karat(wallet.address, 10 * KARAT)
    data = credit.ledger.set_channel.prepare_calldata(
        credit.payee, 10 * DOLLAR, 0, credit.key.address, now() + 9 * DAY, 0
    )
    wallet.execute(credit.ledger.address, data, sender=STRANGER.address)
    return wallet


def test_wallet(credit: Credit, wallet: Any) -> None:
    assert credit.collect(5, owner=wallet.address, signer=STRANGER) == 5
    assert credit.collect(6, owner=wallet.address, signer=credit.key) == 1
    with reverts(WRONG):
        credit.collect(7, owner=wallet.address, signer=credit.owner)


def test_wallet_changes_its_key(credit: Credit, wallet: Any) -> None:
    wallet.set_key(credit.owner.address, sender=STRANGER.address)
    with reverts(WRONG):
        credit.collect(5, owner=wallet.address, signer=STRANGER)
    assert credit.collect(5, owner=wallet.address, signer=credit.owner) == 5


def test_key_with_code_at_its_address(credit: Credit, owner: str) -> None:
    """EIP-7702: an account keeps its key whatever code it runs."""
    boa.env.set_code(owner, deployer("mocks/TestWallet")(STRANGER.address).bytecode)
    assert boa.env.get_code(owner)
    assert credit.collect(5) == 5


WALLETS = {
    "reverts": "raise",
    "answers another word": "return 0xffffffff",
    "answers the word with dirt": "return 0x1626ba7e" + "00" * 27 + "01",
    "burns all gas": """
    for i: uint256 in range(10**9):
        assert i < 10**10
    return 0x1626ba7e""",
}
"""Bodies of `isValidSignature` that accept nothing."""


@pytest.mark.parametrize("body", WALLETS.values(), ids=WALLETS.keys())
def test_revert_wallet_does_not_accept(credit: Credit, body: str) -> None:
    """Nothing it does reverts a bulk collection or uses up its gas."""
    kind = "bytes32" if "0000" in body else "bytes4"
    source = f"""
# pragma version 0.4.3
@external
def isValidSignature(digest: bytes32, signature: Bytes[65]) -> {kind}:
    {body}
"""
    rogue = boa.loads(source).address
    credit.give_karat(rogue, 10 * KARAT)
    credit.open(10 * DOLLAR, owner=rogue)
    signed = [credit.sign(5, owner=rogue).abi(), credit.sign(5).abi()]
    with reverts(WRONG):
        credit.ledger.collect(signed[0])
    assert credit.ledger.collect_many(signed, gas=600_000) == 5


def test_revert_wallet_cannot_write(credit: Credit) -> None:
    """It is asked by a static call: no reentry, no change."""
    rogue = boa.loads("""
# pragma version 0.4.3
count: public(uint256)

@external
def isValidSignature(digest: bytes32, signature: Bytes[65]) -> bytes4:
    self.count += 1
    return 0x1626ba7e
""")
    credit.give_karat(rogue.address, 10 * KARAT)
    credit.open(10 * DOLLAR, owner=rogue.address)
    with reverts(WRONG):
        credit.collect(5, owner=rogue.address)
    assert rogue.count() == 0
    assert credit.state(today(), owner=rogue.address).collected_credit == 0
