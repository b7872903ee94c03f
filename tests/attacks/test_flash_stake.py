"""Borrowed stake, in and out within a block: for rewards of the past, for a day's capacity."""

from __future__ import annotations

import boa
import pytest

from tests.attacks.arena import Defect, economy
from tests.support.economy import CAPACITY, ETHER, RATES, Economy
from tests.support.evm import DAY, now, today

EMITTED = RATES[0] * 9_000 // (365 * 10_000)  # stakers' part of a day
LOAN = 9 * 10**6 * ETHER
NOBODY = "0x" + "00" * 20

UNSETTLED = Defect(
    "staking/Staking",
    "    holder.paid = accumulator\n    return holder\n",
    "    if weight > 0:\n        holder.paid = accumulator\n    return holder\n",
    "modules/stake_book",
)
STAKE_OF_NOW = Defect(
    "staking/Staking",
    "    if changed < day:\n        staked =",
    "    if changed <= block.timestamp // DAY:\n        staked =",
    "modules/stake_book",
)


def flash_rewards(economy: Economy) -> int:
    """Stake as much as others have for thirty days, claim, take it out."""
    others, attacker = (boa.env.generate_address(name) for name in ("others", "attacker"))
    economy.stake(others, ETHER)
    boa.env.time_travel(seconds=30 * DAY)
    economy.stake(attacker, ETHER)
    gain = int(economy.staking.claim(sender=attacker))
    economy.staking.request_unstake(ETHER, sender=attacker)
    return gain + int(economy.staking.claim(sender=attacker))


def flash_capacity(economy: Economy) -> int:
    """Stake a loan, spend the capacity that it gives, take it out."""
    others, attacker = (boa.env.generate_address(name) for name in ("others", "attacker"))
    economy.stake(others, LOAN)
    boa.env.time_travel(seconds=DAY + 3_600)
    economy.stake(attacker, LOAN)
    economy.ledger.set_channel(attacker, 0, 10_000, NOBODY, now() + 10 * DAY, 0, sender=attacker)
    voucher = (attacker, attacker, today(), 2 * CAPACITY)
    try:
        gain = int(economy.ledger.collect((voucher, b""), sender=attacker))
    except boa.BoaError:
        gain = 0
    economy.staking.request_unstake(LOAN, sender=attacker)
    assert economy.ledger.credit_of(attacker, today()) == gain
    return gain


@pytest.mark.parametrize("attack", [flash_rewards, flash_capacity])
def test_fails(attack: object) -> None:
    assert callable(attack)
    with economy() as sound:
        assert attack(sound) == 0


def test_rewards_bite() -> None:
    with economy(UNSETTLED) as defective:
        assert abs(flash_rewards(defective) - 30 * EMITTED) < 30


def test_capacity_bites() -> None:
    with economy(STAKE_OF_NOW) as defective:
        assert flash_capacity(defective) >= CAPACITY // 2
