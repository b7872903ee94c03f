"""Emission while nothing is staked: whoever stakes first would like to have had it."""

from __future__ import annotations

import boa

from tests.attacks.arena import Defect, economy
from tests.support.economy import ETHER, RATES, Economy
from tests.support.evm import DAY

IDLE = 100 * DAY
EMITTED = RATES[0] * IDLE * 9_000 // (365 * DAY * 10_000)

# Nothing moves while nothing is staked, not even what the pool has seen of the schedule.
SLEEPS = Defect(
    "staking/Staking",
    "    accrued.numerator = numerator\n",
    "    if pool.total == 0:\n        return pool\n    accrued.numerator = numerator\n",
    "modules/stake_book",
)


def attack(economy: Economy) -> int:
    """Be the first after a hundred days without a staker, for a second."""
    attacker = boa.env.generate_address("attacker")
    boa.env.time_travel(seconds=IDLE)
    economy.stake(attacker, ETHER)
    boa.env.time_travel(seconds=1)
    return int(economy.staking.claim(sender=attacker))


def test_fails() -> None:
    with economy() as sound:
        gain = attack(sound)
        # A second's emission, all of it, as the only staker.
        assert gain == RATES[0] * 9_000 // (365 * DAY * 10_000)
        assert sound.emissions.minted_to_stakers() == gain


def test_fails_after_everybody_left() -> None:
    with economy() as sound:
        last = boa.env.generate_address("last staker")
        sound.stake(last, ETHER)
        sound.staking.request_unstake(ETHER, sender=last)
        assert attack(sound) < EMITTED // 10**6


def test_bites() -> None:
    with economy(SLEEPS) as defective:
        assert attack(defective) > EMITTED
