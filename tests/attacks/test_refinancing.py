"""Burning and minting again after the curve has changed."""

from __future__ import annotations

import boa
import pytest

from tests.attacks.arena import Defect, economy
from tests.support.economy import CURVE, ETHER, Economy
from tests.support.evm import DAY, reverts

LOCK = 300_000 * ETHER
CHEAPER = (CURVE[0] * 9 // 10, CURVE[1], CURVE[2])
FREE = (ETHER, CURVE[1], CURVE[2])

ANY_STEP = Defect(
    "staking/CreditMinter",
    '    assert new >= old - old // 10, "credit_minter: step too large"\n',
    "",
)
ANY_TIME = Defect(
    "staking/CreditMinter",
    "block.timestamp >= self.curve_set_at + CURVE_INTERVAL_SECONDS",
    "block.timestamp >= self.curve_set_at",
)


def refinance(economy: Economy, curve: tuple[int, int, int]) -> tuple[int, int]:
    """Two minters; the owner makes KARAT cheaper; the second one burns and mints the same.

    Returns what it frees, and what its range of supply costs more or less than before.
    """
    first, second = (boa.env.generate_address(name) for name in ("first", "second"))
    for account in (first, second):
        economy.stake(account, LOCK)
        economy.minter.mint(LOCK, 0, sender=account)
    untouched = economy.minter.position(first)
    minted = economy.minter.position(second).minted
    boa.env.time_travel(seconds=30 * DAY)
    economy.minter.set_curve(curve, sender=economy.owner)
    economy.minter.burn(minted, sender=second)
    price = economy.minter.quote_lock(minted)
    economy.minter.mint(price, minted, sender=second)
    freed = LOCK - economy.minter.position(second).locked
    assert economy.minter.position(first) == untouched
    return int(freed), LOCK - int(price)


def test_pays_the_new_price_of_the_same_range() -> None:
    """A tenth less, once in thirty days; nobody else's lock moves."""
    with economy() as sound:
        freed, difference = refinance(sound, CHEAPER)
        assert freed == difference
        assert abs(freed - LOCK // 10) < 10**6


def test_fails() -> None:
    with economy() as sound, reverts("credit_minter: step too large"):
        refinance(sound, FREE)


def test_many_small_steps_fail() -> None:
    with economy() as sound:
        boa.env.time_travel(seconds=30 * DAY)
        sound.minter.set_curve(CHEAPER, sender=sound.owner)
        with reverts("credit_minter: curve set too recently"):
            sound.minter.set_curve(CHEAPER, sender=sound.owner)


def test_raising_the_price_gives_no_claim_on_others() -> None:
    """Who minted cheaply unlocks what it locked, not what its KARAT costs now."""
    with economy() as sound:
        first = boa.env.generate_address("first")
        minted = sound.mint_karat(first, LOCK)
        boa.env.time_travel(seconds=30 * DAY)
        dearer = (CURVE[0] * 11 // 10, CURVE[1] * 11 // 10, CURVE[2] * 9 // 10)
        sound.minter.set_curve(dearer, sender=sound.owner)
        assert sound.minter.quote_lock(minted) > 0
        assert sound.minter.quote_burn(first, minted) == LOCK


@pytest.mark.parametrize("defects", [(ANY_STEP,)])
def test_bites(defects: tuple[Defect, ...]) -> None:
    """Most of a lock is freed in one block, the KARAT stays."""
    with economy(*defects) as defective:
        freed, _ = refinance(defective, FREE)
        assert freed > LOCK * 98 // 100


def test_many_small_steps_bite() -> None:
    with economy(ANY_TIME) as defective:
        for _ in range(20):
            base, power, target = defective.minter.curve()
            terms = (base - base // 10, power, target)
            defective.minter.set_curve(terms, sender=defective.owner)
        assert defective.minter.rate_at(0) < 12 * ETHER
