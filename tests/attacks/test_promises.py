"""A promise pulled from under its payee: lowered, another key, stake taken out, closed early."""

from __future__ import annotations

from collections.abc import Callable

import boa
import pytest

from assay.core.signing import sign_voucher
from assay.core.vouchers import Voucher
from tests.attacks.arena import Defect, economy
from tests.support.credit import account
from tests.support.economy import DOLLAR, ETHER, Economy
from tests.support.evm import DAY, now, reverts, today

LEDGER, CHANNELS, PROMISES = "network/CreditLedger", "modules/channels", "modules/promises"
OWNER, KEY, OTHER_KEY = (account(name) for name in ("owner", "key", "another key"))
PAYEE = account("payee").address
NOBODY = "0x" + "00" * 20
CREDIT = 50 * DOLLAR
DOLLARS = 20 * DOLLAR

FALLS_AT_ONCE = Defect(
    LEDGER, "max(self._karat(todays), self._karat(new))", "self._karat(new)", PROMISES
)
KEY_AT_ONCE = Defect(
    LEDGER,
    "    key: address = self._key(todays)\n",
    "    key: address = self._key(new)\n",
    PROMISES,
)
CLOSES_AT_ONCE = Defect(
    LEDGER,
    '    assert today > promises._last_day(terms) + 1, "credit_ledger: channel is in use"\n',
    "",
    CHANNELS,
)
EXPIRES_AT_ONCE = Defect(
    LEDGER,
    "min(promises._last_day(self.record[id].terms[0]), today + 1)",
    "min(promises._last_day(self.record[id].terms[0]), 1)",
    CHANNELS,
)
UNPROMISED = Defect(
    "tokens/KaratToken", "    self._check_allocated(msg.sender, staked - amount)\n", ""
)
CALLED_BACK = Defect(
    LEDGER,
    "tallies._deposited(tally, wanted.deposit)",
    "tallies._deposited(today << tallies.STAMP_AT, wanted.deposit)",
    CHANNELS,
)


def terms(economy: Economy, karat: int, key: str, days: int, deposit: int = 0) -> None:
    expiry = now() + days * DAY
    economy.ledger.set_channel(PAYEE, karat, 0, key, expiry, deposit, sender=OWNER.address)


def promised(economy: Economy) -> tuple[object, bytes]:
    """A promise of credit and dollars, and the payee's voucher of today for all of it.

    At noon, so that notice of a day is felt.
    """
    boa.env.time_travel(seconds=DAY // 2)
    economy.mint_karat(OWNER.address, 10_000 * ETHER)
    economy.give(OWNER.address, usd_micro=DOLLARS)
    economy.usdc.approve(economy.ledger.address, DOLLARS, sender=OWNER.address)
    terms(economy, CREDIT, KEY.address, 10, DOLLARS)
    voucher = Voucher(OWNER.address, PAYEE, today(), CREDIT + DOLLARS)
    chain = boa.env.evm.patch.chain_id
    signed: tuple[object, bytes] = sign_voucher(KEY, voucher, chain, economy.ledger.address).abi()
    return signed


def lower(economy: Economy) -> None:
    terms(economy, 0, KEY.address, 10)


def change_key(economy: Economy) -> None:
    terms(economy, CREDIT, OTHER_KEY.address, 10)


def drop_key(economy: Economy) -> None:
    terms(economy, CREDIT, NOBODY, 10)


def unstake(economy: Economy) -> None:
    staked = economy.karat.staked_of(OWNER.address)
    economy.karat.request_unstake(staked, sender=OWNER.address)


def close(economy: Economy) -> None:
    economy.ledger.close_channel(OWNER.address, PAYEE, sender=OWNER.address)


def expire(economy: Economy) -> None:
    """In a minute, and wait until the next day."""
    expiry = now() + 60
    arguments = (PAYEE, CREDIT, 0, KEY.address, expiry, 0)
    economy.ledger.set_channel(*arguments, sender=OWNER.address)


ALLOWED = [lower, change_key, drop_key]


@pytest.mark.parametrize("pull", ALLOWED)
def test_today_stays_as_promised(pull: Callable[[Economy], None]) -> None:
    """The change is accepted, and the payee collects all of today, even tomorrow."""
    with economy() as sound:
        signed = promised(sound)
        pull(sound)
        boa.env.time_travel(seconds=DAY)
        assert sound.ledger.collect(signed) == CREDIT + DOLLARS


@pytest.mark.parametrize(
    ("pull", "reason"),
    [
        (unstake, "karat: allocated to channels"),
        (close, "credit_ledger: channel is in use"),
        (expire, "credit_ledger: expiry too near"),
    ],
)
def test_refused(pull: Callable[[Economy], None], reason: str) -> None:
    with economy() as sound:
        signed = promised(sound)
        with reverts(reason):
            pull(sound)
        assert sound.ledger.collect(signed) == CREDIT + DOLLARS


def test_dollars_come_out_by_vouchers_only() -> None:
    """Promising nothing more does not give the deposit back."""
    with economy() as sound:
        signed = promised(sound)
        terms(sound, 0, NOBODY, 10)
        assert sound.ledger.channel(OWNER.address, PAYEE).deposit == DOLLARS
        assert sound.ledger.balance_of(OWNER.address) == 0
        assert sound.ledger.collect(signed) == CREDIT + DOLLARS


def test_the_day_of_expiry_is_collected_whole() -> None:
    """Until the last second of the next day; from then on the channel closes."""
    with economy() as sound:
        promised(sound)
        boa.env.timestamp = (today() + 10) * DAY
        last = today()
        voucher = Voucher(OWNER.address, PAYEE, last, CREDIT)
        chain = boa.env.evm.patch.chain_id
        signed = sign_voucher(KEY, voucher, chain, sound.ledger.address).abi()
        boa.env.timestamp = (last + 2) * DAY - 1
        with reverts("credit_ledger: channel is in use"):
            close(sound)
        assert sound.ledger.collect(signed) == CREDIT
        boa.env.timestamp = (last + 2) * DAY
        close(sound)


@pytest.mark.parametrize(
    ("pull", "defect", "left"),
    [
        (lower, FALLS_AT_ONCE, DOLLARS),
        (change_key, KEY_AT_ONCE, 0),
        (close, CLOSES_AT_ONCE, 0),
        (lower, CALLED_BACK, CREDIT),
    ],
    ids=["lower", "key", "close", "deposit"],
)
def test_bites(pull: Callable[[Economy], None], defect: Defect, left: int) -> None:
    """The payee has served and gets less, or nothing."""
    with economy(defect) as bad:
        signed = promised(bad)
        pull(bad)
        try:
            got = bad.ledger.collect(signed)
        except boa.BoaError:
            got = 0
        assert got == left


def test_a_near_expiry_bites() -> None:
    """Without notice: tomorrow's vouchers of a channel that had ten days are worth nothing."""
    with economy(EXPIRES_AT_ONCE) as bad:
        promised(bad)
        expire(bad)
        boa.env.time_travel(seconds=DAY)
        voucher = Voucher(OWNER.address, PAYEE, today(), CREDIT)
        chain = boa.env.evm.patch.chain_id
        signed = sign_voucher(KEY, voucher, chain, bad.ledger.address).abi()
        with reverts("credit_ledger: no channel on that day"):
            bad.ledger.collect(signed)


def test_unstaking_bites() -> None:
    """What was promised to one payee stands behind another's promise from the next day on."""
    with economy(UNPROMISED) as bad:
        promised(bad)
        unstake(bad)
        assert bad.ledger.committed_of(OWNER.address)[0] > bad.ledger.allowance_of(OWNER.address)[0]
