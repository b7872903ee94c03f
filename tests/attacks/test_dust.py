"""Dust that resets timers: a second ticket, a gift. Of an auction: test_auction.py."""

from __future__ import annotations

import boa

from tests.attacks.arena import Defect, economy
from tests.support.economy import DOLLAR, ETHER, STAKE_COOLDOWN, Economy
from tests.support.evm import DAY, now, reverts

# One clock for all tickets of a holder, that of the latest, as Venice has it.
ONE_CLOCK = Defect(
    "staking/Staking",
    '    assert block.timestamp >= word >> AMOUNT_BITS, "tickets: not ready"\n',
    "    latest: uint256 = self.words[holder][self.next_ticket[holder] - 1]\n"
    '    assert block.timestamp >= latest >> AMOUNT_BITS, "tickets: not ready"\n',
    "modules/tickets",
)


def two_tickets(economy: Economy) -> None:
    """A wei is unstaked just before the first ticket is ripe; others send dust, too."""
    staker, stranger = (boa.env.generate_address(name) for name in ("staker", "stranger"))
    economy.stake(staker, 10 * ETHER)
    first = economy.staking.request_unstake(5 * ETHER, sender=staker)
    boa.env.time_travel(seconds=STAKE_COOLDOWN - 1)
    economy.staking.request_unstake(1, sender=staker)
    economy.give(stranger, assay=1)
    economy.token.approve(economy.staking.address, 1, sender=stranger)
    economy.staking.stake_for(staker, 1, sender=stranger)
    boa.env.time_travel(seconds=1)
    economy.staking.withdraw(first, sender=staker)
    assert economy.token.balanceOf(staker) == 5 * ETHER


def test_tickets() -> None:
    with economy() as sound:
        two_tickets(sound)


def test_tickets_bite() -> None:
    with economy(ONE_CLOCK) as defective, reverts("tickets: not ready"):
        two_tickets(defective)


def test_notices_of_dollars() -> None:
    """A gift to a consumer neither delays its notice nor leaves with it."""
    with economy() as sound:
        consumer, stranger = (boa.env.generate_address(name) for name in ("consumer", "stranger"))
        sound.deposit(consumer, 10 * DOLLAR)
        ticket = sound.ledger.request_withdrawal(10 * DOLLAR, sender=consumer)
        boa.env.time_travel(seconds=sound.ledger.withdrawal_seconds() - 1)
        sound.give(stranger, usd_micro=1)
        sound.usdc.approve(sound.ledger.address, 1, sender=stranger)
        sound.ledger.deposit_for(consumer, 1, sender=stranger)
        sound.ledger.request_withdrawal(1, sender=consumer)
        boa.env.time_travel(seconds=1)
        assert sound.ledger.withdraw(ticket, consumer, sender=consumer) == 10 * DOLLAR


def test_tickets_of_karat() -> None:
    with economy() as sound:
        holder = boa.env.generate_address("holder")
        minted = sound.mint_karat(holder, 1_000 * ETHER)
        first = sound.karat.request_unstake(minted - 1, sender=holder)
        boa.env.time_travel(seconds=DAY - 1)
        sound.karat.request_unstake(1, sender=holder)
        boa.env.time_travel(seconds=1)
        assert sound.karat.withdraw(first, sender=holder) == minted - 1


def test_subscriptions_only_grow() -> None:
    """A month paid by a stranger comes on top."""
    with economy() as sound:
        account = boa.env.generate_address("account")
        sound.router.set_plan(1, DOLLAR, sender=sound.owner)
        sound.give(account, usd_micro=36 * DOLLAR)
        sound.usdc.approve(sound.router.address, 36 * DOLLAR, sender=account)
        begun = now()
        sound.router.subscribe(account, 1, 12, sender=account)
        boa.env.time_travel(seconds=DAY)
        assert sound.router.subscribe(account, 1, 1, sender=account) == begun + 13 * 30 * DAY
