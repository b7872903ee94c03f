"""Vouchers used twice, elsewhere, or signed by the wrong party; wallets of any kind.

What the ledger refuses is tested voucher by voucher in tests/unitary/credit_ledger/test_signature;
here each refusal's line is taken out, and the attack succeeds.
"""

from __future__ import annotations

from collections.abc import Callable

import boa
import pytest

from assay.core.signing import sign_voucher
from assay.core.vouchers import SignedVoucher, Voucher
from tests.attacks.arena import Defect, economy
from tests.support.credit import account
from tests.support.economy import DOLLAR, ETHER, Economy
from tests.support.evm import DAY, now, today

LEDGER, CHANNELS, VOUCHERS = "network/CreditLedger", "modules/channels", "modules/vouchers"
OWNER, THIEF = account("owner"), account("thief")
PAYEE = account("payee").address
NOBODY = "0x" + "00" * 20
CREDIT = 50 * DOLLAR
AMOUNT = 10 * DOLLAR

# Answers everything with 32 bytes, as a wallet with a fallback might.
CARELESS_WALLET = """
# pragma version 0.4.3
@external
def execute(target: address, payload: Bytes[2048]):
    raw_call(target, payload)

@external
def __default__() -> uint256:
    return 1
"""

FORGETFUL = Defect(
    LEDGER,
    "    self.record[id].tally = tallies._collected(tally, place, credit, usdc)\n",
    "",
    CHANNELS,
)
TRUSTING = Defect(
    LEDGER,
    "vouchers._is_signed(signed, promises._key(terms))",
    "(vouchers._is_signed(signed, promises._key(terms)) or True)",
    CHANNELS,
)
HASHED = "keccak256(abi_encode(VOUCHER_TYPE_HASH, voucher))"
FIELDS = "voucher.owner, voucher.payee, voucher.day, voucher.cumulative"


def unsigned(field: str, nothing: str) -> Defect:
    """The digest does not depend on a field of the voucher."""
    fields = FIELDS.replace(field, nothing)
    return Defect(LEDGER, HASHED, f"keccak256(abi_encode(VOUCHER_TYPE_HASH, {fields}))", VOUCHERS)


DAYLESS = unsigned("voucher.day", "empty(uint256)")
PAYEELESS = unsigned("voucher.payee", "empty(address)")
ANY_ANSWER = Defect(
    LEDGER,
    "        and convert(answer, bytes32) == convert(ERC1271_MAGIC, bytes32)\n",
    "",
    VOUCHERS,
)
ANY_KEY = Defect(
    LEDGER,
    "if signer != empty(address) and (signer == signed.voucher.owner or signer == session_key):",
    "if signer == signed.voucher.owner or signer == session_key:",
    VOUCHERS,
)


def opened(economy: Economy, payee: str = PAYEE, owner: str = OWNER.address) -> None:
    if economy.karat.staked_of(owner) == 0:
        economy.mint_karat(owner, 10_000 * ETHER)
    arguments = (payee, CREDIT, 0, NOBODY, now() + 10 * DAY, 0)
    economy.ledger.set_channel(*arguments, sender=owner)


def signed(economy: Economy, voucher: Voucher) -> SignedVoucher:
    chain = boa.env.evm.patch.chain_id
    return sign_voucher(OWNER, voucher, chain, economy.ledger.address)


def taken(economy: Economy, voucher: Voucher, signature: bytes) -> int:
    """What a voucher collects; 0 if it is refused."""
    try:
        return int(economy.ledger.collect(SignedVoucher(voucher, signature).abi()))
    except boa.BoaError:
        return 0


def replay(economy: Economy) -> int:
    opened(economy)
    one = signed(economy, Voucher(OWNER.address, PAYEE, today(), AMOUNT))
    assert taken(economy, one.voucher, one.signature) == AMOUNT
    return taken(economy, one.voucher, one.signature)


def replay_tomorrow(economy: Economy) -> int:
    opened(economy)
    day = today()
    one = signed(economy, Voucher(OWNER.address, PAYEE, day, AMOUNT))
    taken(economy, one.voucher, one.signature)
    boa.env.time_travel(seconds=DAY)
    # Where the day is not signed, all days' vouchers look the same: one over day 0 is one over all.
    return taken(economy, Voucher(OWNER.address, PAYEE, day + 1, AMOUNT), one.signature)


def another_payee(economy: Economy) -> int:
    opened(economy)
    opened(economy, THIEF.address)
    one = signed(economy, Voucher(OWNER.address, PAYEE, today(), AMOUNT))
    return taken(economy, Voucher(OWNER.address, THIEF.address, today(), AMOUNT), one.signature)


def forged(economy: Economy) -> int:
    opened(economy)
    voucher = Voucher(OWNER.address, PAYEE, today(), AMOUNT)
    chain = boa.env.evm.patch.chain_id
    return taken(
        economy, voucher, sign_voucher(THIEF, voucher, chain, economy.ledger.address).signature
    )


def no_signature(economy: Economy) -> int:
    """Of a channel without a key: garbage recovers to nobody, and nobody is its key."""
    opened(economy)
    return taken(economy, Voucher(OWNER.address, PAYEE, today(), AMOUNT), b"")


def careless_wallet(economy: Economy) -> int:
    """An owner with code that answers anything to any question has not signed."""
    wallet = boa.loads(CARELESS_WALLET)
    economy.mint_karat(OWNER.address, 10_000 * ETHER)
    economy.karat.request_unstake(economy.karat.staked_of(OWNER.address), sender=OWNER.address)
    boa.env.time_travel(seconds=DAY)
    economy.karat.withdraw(0, sender=OWNER.address)
    amount = economy.karat.balanceOf(OWNER.address)
    economy.karat.transfer(wallet.address, amount, sender=OWNER.address)
    wallet.execute(economy.karat.address, economy.karat.stake.prepare_calldata(amount))
    terms = economy.ledger.set_channel.prepare_calldata(
        PAYEE, CREDIT, 0, NOBODY, now() + 10 * DAY, 0
    )
    wallet.execute(economy.ledger.address, terms)
    return taken(economy, Voucher(wallet.address, PAYEE, today(), AMOUNT), b"anything")


ATTACKS = [replay, replay_tomorrow, another_payee, forged, no_signature, careless_wallet]


@pytest.mark.parametrize("attack", ATTACKS)
def test_fails(attack: Callable[[Economy], int]) -> None:
    with economy() as sound:
        assert attack(sound) == 0


@pytest.mark.parametrize(
    ("attack", "defect"),
    [
        (replay, FORGETFUL),
        (forged, TRUSTING),
        (no_signature, ANY_KEY),
        (careless_wallet, ANY_ANSWER),
    ],
)
def test_bites(attack: Callable[[Economy], int], defect: Defect) -> None:
    with economy(defect) as bad:
        assert attack(bad) == AMOUNT


@pytest.mark.parametrize(
    ("attack", "defect"), [(replay_tomorrow, DAYLESS), (another_payee, PAYEELESS)]
)
def test_an_unsigned_field_bites(
    attack: Callable[[Economy], int], defect: Defect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner signs what the defective ledger asks it to sign."""

    def sign_as_asked(_: object, voucher: Voucher, chain: int, ledger: str) -> SignedVoucher:
        digest = bytes(bad.ledger.voucher_digest(voucher.abi()))
        return SignedVoucher(voucher, bytes(OWNER.unsafe_sign_hash(digest).signature))

    with economy(defect) as bad:
        monkeypatch.setattr(f"{__name__}.sign_voucher", sign_as_asked)
        assert attack(bad) == AMOUNT
