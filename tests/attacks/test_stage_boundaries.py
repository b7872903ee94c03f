"""Claims straddling a boundary between two rates: whoever claims late, early or often."""

from __future__ import annotations

import boa
import pytest

from tests.attacks.arena import Defect, economy
from tests.support.economy import ETHER, RATES, STAGE_SECONDS, Economy
from tests.support.evm import DAY

SCALE = 365 * DAY * 10_000
EXACT = sum(RATES[:3]) * STAGE_SECONDS * 9_000 // SCALE  # stakers' part of three stages

# One rate for the whole interval, as a schedule that is looked up when somebody calls.
RATE_OF_THE_BEGINNING = Defect(
    "emissions/EmissionController",
    "        until: uint256 = min(end, stage_end)\n",
    "        until: uint256 = end\n",
    "modules/schedule",
)


def attack(economy: Economy, claims: int) -> int:
    """Stake alone through three stages, and claim so often."""
    attacker = boa.env.generate_address("attacker")
    economy.stake(attacker, ETHER)
    start = boa.env.timestamp
    gain = 0
    for index in range(1, claims + 1):
        boa.env.timestamp = start + 3 * STAGE_SECONDS * index // claims
        gain += int(economy.staking.claim(sender=attacker))
    return gain


@pytest.mark.parametrize("claims", [1, 2, 3, 7, 50])
def test_fails(claims: int) -> None:
    """Never more than the integral, and at most a wei less for each claim."""
    with economy() as sound:
        assert 0 <= EXACT - attack(sound, claims) <= claims


def test_bites() -> None:
    """Rarer calls would hold the higher rate: more than the schedule ever emits."""
    with economy(RATE_OF_THE_BEGINNING) as defective:
        assert attack(defective, 1) > EXACT + 10**6 * ETHER
