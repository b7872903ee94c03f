"""A parameter changes after days without a call: the past must not be counted anew."""

from __future__ import annotations

from collections.abc import Callable

import boa
import pytest

from tests.attacks.arena import Defect, economy
from tests.support.economy import CAPACITY, ETHER, RATES, Economy
from tests.support.evm import DAY

CONTROLLER = "emissions/EmissionController"
IDLE = 5 * DAY + 3_600


def lower_rate(economy: Economy) -> None:
    economy.emissions.lower_rate(0, RATES[0] // 2, sender=economy.owner)


def set_split(economy: Economy) -> None:
    economy.emissions.set_split([(0, 1_000), (10_000, 1_000)], sender=economy.owner)


def set_daily_capacity(economy: Economy) -> None:
    economy.emissions.set_daily_capacity(CAPACITY // 2, sender=economy.owner)


CHANGES = [lower_rate, set_split, set_daily_capacity]

UNCLOSED = Defect(CONTROLLER, "    emission_book._close_until_now()\n", "")
UNROLLED_SPLIT = Defect(
    CONTROLLER,
    "    # Today's share is in the head from here on: the new corners set tomorrow's.\n"
    "    emission_book._roll()\n",
    "",
)
UNROLLED_CAPACITY = Defect(
    CONTROLLER,
    "    emission_book._roll()\n    from_day: uint256 = capacity._set(capacity_usd_micro)\n",
    "    from_day: uint256 = capacity._set(capacity_usd_micro)\n",
)
# The owner's next change after it: what is then "before" is wrong for the days not closed.
UNDATED = Defect(
    CONTROLLER,
    "    if day < word >> (2 * VALUE_BITS):\n        return word & VALUE_MASK\n",
    "",
    "modules/capacity",
)


def moved(economy: Economy, change: Callable[[Economy], None]) -> int:
    """How much of what a staker has earned the owner takes or gives, at once.

    Work on the first day keeps the utilisation of the days after it above nothing.
    """
    staker = boa.env.generate_address("staker")
    economy.stake(staker, ETHER)
    economy.emissions.record_work(staker, CAPACITY // 2, sender=economy.ledger.address)
    boa.env.time_travel(seconds=IDLE)
    before = economy.staking.claimable(staker)
    change(economy)
    return int(economy.staking.claimable(staker)) - int(before)


@pytest.mark.parametrize("change", CHANGES)
def test_fails(change: Callable[[Economy], None]) -> None:
    with economy() as sound:
        assert moved(sound, change) == 0


@pytest.mark.parametrize(
    ("change", "defects", "more"),
    [
        (lower_rate, (UNCLOSED,), False),
        (set_split, (UNROLLED_SPLIT,), False),
        (set_daily_capacity, (UNROLLED_CAPACITY, UNDATED), False),
    ],
    ids=["rate", "split", "capacity"],
)
def test_bites(change: Callable[[Economy], None], defects: tuple[Defect, ...], more: bool) -> None:
    with economy(*defects) as defective:
        difference = moved(defective, change)
        assert difference > 0 if more else difference < -(10**15)
