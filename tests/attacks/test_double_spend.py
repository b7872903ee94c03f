"""The same KARAT twice on one UTC day: through tickets, transfers, a second account."""

from __future__ import annotations

from unittest.mock import patch

import boa

from tests.attacks.arena import Defect, economy
from tests.support import economy as economy_module
from tests.support.economy import DOLLAR, ETHER, Economy
from tests.support.evm import DAY, now, reverts, today

LOCK = 10_000 * ETHER
NOBODY = "0x" + "00" * 20

SHORT = Defect(
    "tokens/KaratToken",
    "MIN_COOLDOWN_SECONDS: constant(uint256) = 86_400",
    "MIN_COOLDOWN_SECONDS: constant(uint256) = 1",
)
UNPROMISED = Defect(
    "tokens/KaratToken",
    "        self._check_allocated(msg.sender, staked - amount)\n".replace("        ", "    ", 1),
    "",
)


def spend(economy: Economy, account: str) -> int:
    """Spend all of today's KARAT allowance on oneself; what that gives."""
    allowance = economy.ledger.allowance_of(account)[0]
    terms = (account, allowance, 0, NOBODY, now() + 40 * DAY, 0)
    economy.ledger.set_channel(*terms, sender=account)
    return collect(economy, account)


def collect(economy: Economy, account: str) -> int:
    voucher = (account, account, today(), 10**9 * DOLLAR)
    return int(economy.ledger.collect((voucher, b""), sender=account))


def move(economy: Economy, sender: str, to: str, wait: int) -> None:
    """All KARAT from one account's stake to another's."""
    amount = economy.karat.staked_of(sender)
    ticket = economy.karat.request_unstake(amount, sender=sender)
    boa.env.time_travel(seconds=wait)
    economy.karat.withdraw(ticket, sender=sender)
    economy.karat.transfer(to, amount, sender=sender)
    economy.karat.stake(amount, sender=to)


def two_accounts(economy: Economy, wait: int) -> tuple[int, int]:
    """Spend with one account, hand the KARAT on, spend with the other on the same day.

    The promise is lowered before; a day passes so that the lowering counts.
    """
    first, second = (boa.env.generate_address(name) for name in ("first", "second"))
    economy.mint_karat(first, LOCK)
    staked = economy.karat.staked_of(first)
    assert spend(economy, first) == staked // 10**12
    economy.ledger.set_channel(first, 0, 0, NOBODY, now() + 40 * DAY, 0, sender=first)
    boa.env.time_travel(seconds=DAY)
    day = today()
    # Of this day nothing is promised: what can be spent twice is what the second account gets,
    # and what the first one spends by promising and taking back within the day.
    move(economy, first, second, wait)
    spent = spend(economy, second)
    return spent, int(today() == day)


def test_fails_while_promised() -> None:
    with economy() as sound:
        first = boa.env.generate_address("first")
        sound.mint_karat(first, LOCK)
        spend(sound, first)
        sound.ledger.set_channel(first, 0, 0, NOBODY, now() + 40 * DAY, 0, sender=first)
        with reverts("karat: allocated to channels"):
            sound.karat.request_unstake(10**12, sender=first)


def test_what_moves_arrives_on_another_day() -> None:
    with economy() as sound:
        _, same_day = two_accounts(sound, DAY)
        assert not same_day


def test_not_a_second_earlier() -> None:
    with economy() as sound, reverts("tickets: not ready"):
        two_accounts(sound, DAY - 1)


def test_cancelling_gives_no_second_allowance() -> None:
    """Out, back in, out: the stake of a day counts once, however often it is counted."""
    with economy() as sound:
        first = boa.env.generate_address("first")
        minted = sound.mint_karat(first, LOCK)
        for _ in range(3):
            ticket = sound.karat.request_unstake(minted, sender=first)
            assert sound.ledger.allowance_of(first)[0] == 0
            sound.karat.cancel_ticket(ticket, sender=first)
        assert spend(sound, first) == minted // 10**12
        with reverts("credit_ledger: stale voucher"):
            voucher = (first, first, today(), minted // 10**12)
            sound.ledger.collect((voucher, b""), sender=first)


def test_a_short_cooldown_bites() -> None:
    """With a cooldown below a day KARAT is at work again on the day it left: spent by its new
    owner at noon, by its old one in the morning, who need not be staked any more to be paid."""
    with patch.object(economy_module, "KARAT_COOLDOWN", 600), economy(SHORT, UNPROMISED) as bad:
        first, second = (boa.env.generate_address(name) for name in ("first", "second"))
        minted = bad.mint_karat(first, LOCK)
        spent = spend(bad, first)
        move(bad, first, second, 600)
        assert spent + spend(bad, second) == 2 * (minted // 10**12)


def test_promises_without_stake_bite() -> None:
    """Even with the whole cooldown: a standing promise goes on when its stake has left."""
    with economy(UNPROMISED) as bad:
        first, second = (boa.env.generate_address(name) for name in ("first", "second"))
        minted = bad.mint_karat(first, LOCK)
        spend(bad, first)
        move(bad, first, second, DAY)
        assert collect(bad, first) + spend(bad, second) == 2 * (minted // 10**12)


def test_promises_keep_their_stake() -> None:
    with economy() as sound, reverts("karat: allocated to channels"):
        first, second = (boa.env.generate_address(name) for name in ("first", "second"))
        sound.mint_karat(first, LOCK)
        spend(sound, first)
        move(sound, first, second, DAY)
