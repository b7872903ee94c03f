"""A burst of work to move the split between stakers and providers."""

from __future__ import annotations

import boa

from tests.attacks.arena import Defect, economy
from tests.support.economy import CAPACITY, ETHER, RATES, Economy
from tests.support.evm import DAY, today

CONTROLLER = "emissions/EmissionController"

UNLIMITED = Defect(
    CONTROLLER, "min(work * BPS // capacity, BPS)", "(work * BPS // capacity)", "modules/split"
)
LATEST_DAY = Defect(
    CONTROLLER, "    return sum // WINDOW_DAYS\n", "    return window & DAY_MASK\n", "modules/split"
)
AT_ONCE = Defect(
    CONTROLLER,
    "    emission_book._add_work(today, amount_usd_micro)\n",
    "    emission_book._add_work(today, amount_usd_micro)\n"
    "    moved: emission_book.Head = emission_book._load()\n"
    "    moved.stakers_bps = split._share(\n"
    "        min(amount_usd_micro * 10_000 // capacity._on(today), 10_000)\n"
    "    )\n"
    "    emission_book._store(moved)\n",
)


def burst(economy: Economy, bps: int) -> tuple[int, int, int]:
    """Work of so much of a day's capacity, just before the day ends.

    Returns what a staker has lost of that day, and the utilisation of the next and of the day
    after a week.
    """
    staker, attacker = (boa.env.generate_address(name) for name in ("staker", "attacker"))
    economy.stake(staker, ETHER)
    boa.env.time_travel(seconds=DAY - 1)
    before = economy.staking.claimable(staker)
    work = CAPACITY * bps // 10_000
    economy.emissions.record_work(attacker, work, sender=economy.ledger.address)
    lost = int(before) - int(economy.staking.claimable(staker))
    boa.env.time_travel(seconds=1)
    next_day = int(economy.emissions.used_bps(today()))
    boa.env.time_travel(seconds=7 * DAY)
    return lost, next_day, int(economy.emissions.used_bps(today()))


def test_fails() -> None:
    """It moves nothing on its day, a seventh at most on the next seven, nothing after."""
    with economy() as sound:
        assert burst(sound, 10_000) == (0, 10_000 // 7, 0)
    with economy() as sound:
        assert burst(sound, 10_000_000) == (0, 10_000 // 7, 0)


def test_a_second_of_the_day_bites() -> None:
    """Were the day's share that of its work, its last second would take from all of it."""
    with economy(AT_ONCE) as defective:
        assert burst(defective, 10_000)[0] > RATES[0] * 5_000 // (365 * 10_000)


def test_no_limit_bites() -> None:
    """More than all of a day's capacity counts for more than a day."""
    with economy(UNLIMITED) as defective:
        assert burst(defective, 16_000)[1] == 16_000 // 7


def test_one_day_bites() -> None:
    with economy(LATEST_DAY) as defective:
        assert burst(defective, 10_000)[1] == 10_000
