"""Tokens sent to any contract that keeps some: nothing counts them."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.attacks.arena import Defect, economy
from tests.support.economy import DOLLAR, ETHER, Economy
from tests.support.evm import DAY, now, today

GIFT = 10**6 * ETHER
VAULTS = ("token", "usdc", "emissions", "staking", "karat", "minter", "auction", "router", "ledger")

# The whole stake is what the contract holds.
BY_BALANCE = Defect(
    "staking/Staking",
    "    return stake_book._accrue(stake_book._load_pool(), numerator)\n",
    "    pool: stake_book.Pool = stake_book._load_pool()\n"
    "    pool.total = staticcall IERC20(token).balanceOf(self)\n"
    "    return stake_book._accrue(pool, numerator)\n",
)
BY_BALANCE_OF_DOLLARS = Defect(
    "network/CreditLedger",
    "    return balance - min(balance, self.noticed[account])\n",
    "    held: uint256 = staticcall IERC20(payment_token).balanceOf(self)\n"
    "    return held - min(held, self.noticed[account])\n",
    "modules/prepaid",
)


def figures(economy: Economy, account: str) -> list[Any]:
    """All that anybody's claims depend on."""
    staking, ledger, karat = economy.staking, economy.ledger, economy.karat
    return [
        staking.claimable(account),
        staking.total_stake(),
        staking.total_tickets(),
        staking.opening_stake(account, today()),
        karat.staked_of(account),
        karat.total_staked(),
        economy.minter.quote_mint(ETHER),
        economy.minter.quote_burn(account, 1),
        ledger.balance_of(account),
        ledger.available(account),
        ledger.allowance_of(account),
        ledger.fees(),
        economy.emissions.staker_numerator(),
    ]


def lived_in(economy: Economy) -> str:
    holder = boa.env.generate_address("holder")
    economy.stake(holder, 10_000 * ETHER)
    economy.mint_karat(holder, 10_000 * ETHER)
    economy.deposit(holder, 100 * DOLLAR)
    boa.env.time_travel(seconds=DAY)
    return holder


@pytest.mark.parametrize("vault", VAULTS)
def test_nothing_moves(vault: str) -> None:
    with economy() as sound:
        holder = lived_in(sound)
        donor = boa.env.generate_address("donor")
        sound.give(donor, usd_micro=10**6 * DOLLAR)
        sound.mint_karat(donor, GIFT // 100)
        sound.karat.request_unstake(sound.karat.staked_of(donor), sender=donor)
        boa.env.time_travel(seconds=DAY)
        sound.karat.withdraw(0, sender=donor)
        sound.give(donor, assay=GIFT)
        before = figures(sound, holder)
        to = sound.contracts[vault].address
        sound.token.transfer(to, GIFT, sender=donor)
        sound.usdc.transfer(to, 10**6 * DOLLAR, sender=donor)
        sound.karat.transfer(to, sound.karat.balanceOf(donor), sender=donor)
        assert figures(sound, holder) == before


def test_a_live_auction_sells_its_lot_only() -> None:
    with economy() as sound:
        sound.give(sound.auction.address, usd_micro=100 * DOLLAR)
        sound.auction.start()
        price = sound.auction.price()
        sound.give(sound.auction.address, usd_micro=10_000 * DOLLAR)
        sound.give(sound.auction.address, assay=GIFT)
        assert sound.auction.price() == price
        assert sound.auction.auction().left_usd_micro == 100 * DOLLAR
        taker = sound.give(boa.env.generate_address("taker"), assay=GIFT)
        sound.token.approve(sound.auction.address, GIFT, sender=taker)
        sound.auction.take(10**12, 2**255, taker, b"", sender=taker)
        assert sound.usdc.balanceOf(taker) == 100 * DOLLAR


def diluted(economy: Economy) -> int:
    """How much of a day's rewards a gift to the pool takes from its only staker."""
    staker = boa.env.generate_address("staker")
    economy.stake(staker, ETHER)
    start = now()
    with boa.env.anchor():
        boa.env.timestamp = start + DAY
        alone = economy.staking.claim(sender=staker)
    economy.give(economy.staking.address, assay=GIFT)
    boa.env.timestamp = start + DAY
    return int(alone) - int(economy.staking.claim(sender=staker))


def test_rewards_are_not_diluted() -> None:
    with economy() as sound:
        assert diluted(sound) == 0


def test_dilution_bites() -> None:
    with economy(BY_BALANCE) as defective:
        assert diluted(defective) > 10**22


def test_dollars_by_balance_bite() -> None:
    """Anybody could give notice of everybody's dollars."""
    with economy(BY_BALANCE_OF_DOLLARS) as defective:
        defective.deposit(boa.env.generate_address("consumer"), 100 * DOLLAR)
        attacker = boa.env.generate_address("attacker")
        assert defective.ledger.available(attacker) == 100 * DOLLAR
        defective.ledger.request_withdrawal(100 * DOLLAR, sender=attacker)
