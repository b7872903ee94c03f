"""The first staker of one wei: takes all emission, or spoils the pool for those after it."""

from __future__ import annotations

import boa

from tests.attacks.arena import Defect, economy
from tests.support.economy import ETHER, RATES, Economy
from tests.support.evm import DAY

EMITTED = RATES[0] * 9_000 // (365 * 10_000)  # stakers' part of a day

ALONE = Defect(
    "staking/Staking",
    "max(pool.total, MIN_TOTAL)",
    "max(pool.total, 1)",
    "modules/stake_book",
)


def attack(economy: Economy) -> int:
    """A wei alone for a day."""
    attacker = boa.env.generate_address("attacker")
    economy.stake(attacker, 1)
    boa.env.time_travel(seconds=DAY)
    return int(economy.staking.claim(sender=attacker))


def test_fails() -> None:
    with economy() as sound:
        assert attack(sound) == EMITTED // ETHER  # what a wei of one ASSAY gets


def test_those_after_it_lose_nothing() -> None:
    """No exchange rate to inflate: a donation after the wei changes nobody's part."""
    with economy() as sound:
        attack(sound)
        attacker, victim = (boa.env.generate_address(name) for name in ("attacker", "victim"))
        sound.give(attacker, assay=1_000 * ETHER)
        sound.token.transfer(sound.staking.address, 1_000 * ETHER, sender=attacker)
        sound.stake(victim, ETHER)
        boa.env.time_travel(seconds=DAY)
        assert EMITTED - sound.staking.claim(sender=victim) <= EMITTED // ETHER + 1
        sound.staking.request_unstake(ETHER, sender=victim)


def test_bites() -> None:
    with economy(ALONE) as defective:
        assert attack(defective) == EMITTED
