"""Minting and burning KARAT around each other, around a victim, and in dust."""

from __future__ import annotations

import boa
import pytest

from tests.attacks.arena import Defect, economy
from tests.support.economy import ETHER, Economy
from tests.support.evm import reverts

LOCK = 300_000 * ETHER
DUST = 200

UNLIMITED = Defect(
    "staking/CreditMinter",
    '    assert minted >= min_minted, "credit_minter: less than the minimum"\n',
    "",
)
ROUNDED_UP = Defect(
    "staking/CreditMinter",
    "            return reached - supply + left * WAD // price\n",
    "            return reached - supply + math._ceil_div(left * WAD, price)\n",
    "modules/mint_curve",
)
UNLOCK_ROUNDED_UP = Defect(
    "staking/CreditMinter",
    "    return amount * position.locked // position.minted\n",
    "    return (amount * position.locked + position.minted - 1) // position.minted\n",
)


def actors(economy: Economy) -> tuple[str, str]:
    attacker, victim = (boa.env.generate_address(name) for name in ("attacker", "victim"))
    economy.stake(attacker, 2 * LOCK)
    economy.stake(victim, LOCK)
    return attacker, victim


def test_round_trips_give_back_the_same() -> None:
    """Any way up and down again: all of the lock, no KARAT, nothing of anybody else's."""
    with economy() as sound:
        attacker, victim = actors(sound)
        sound.minter.mint(LOCK, 0, sender=victim)
        position = sound.minter.position(victim)
        for _ in range(3):
            minted = sum(sound.minter.mint(LOCK // 7, 0, sender=attacker) for _ in range(7))
            unlocked = sum(sound.minter.burn(minted // 3, sender=attacker) for _ in range(3))
            unlocked += sound.minter.burn(minted - minted // 3 * 3, sender=attacker)
            assert unlocked == LOCK // 7 * 7
        assert sound.staking.free_of(attacker) == 2 * LOCK
        assert sound.minter.position(victim) == position


def sandwich(economy: Economy, min_minted: int | None = None) -> tuple[int, int]:
    """Mint before a victim, burn after it. What the attacker gains, what the victim loses."""
    attacker, victim = actors(economy)
    expected = economy.minter.quote_mint(LOCK)
    minted = economy.minter.mint(2 * LOCK, 0, sender=attacker)
    least = expected if min_minted is None else min_minted
    got = economy.minter.mint(LOCK, least, sender=victim)
    gain = economy.minter.burn(minted, sender=attacker) - 2 * LOCK
    return int(gain), int(expected - got)


def test_the_minimum_stops_a_sandwich() -> None:
    with economy() as sound, reverts("credit_minter: less than the minimum"):
        sandwich(sound)


def test_a_sandwich_gains_nothing() -> None:
    """A victim without a minimum locks more; none of it is the attacker's, and it comes back."""
    with economy() as sound:
        gain, loss = sandwich(sound, min_minted=1)
        assert gain == 0 < loss


def test_the_minimum_bites() -> None:
    with economy(UNLIMITED) as defective:
        assert sandwich(defective)[1] > 0


def dust(economy: Economy) -> int:
    """Mint by single wei. How much less than the curve asks is locked for the KARAT."""
    attacker, _ = actors(economy)
    before = economy.minter.quote_lock(DUST)
    for _ in range(DUST):
        try:
            economy.minter.mint(1, 0, sender=attacker)
        except boa.BoaError:
            return 0
    position = economy.minter.position(attacker)
    assert position.minted == DUST
    return int(before) - int(position.locked)


def test_dust_mints_nothing() -> None:
    with economy() as sound:
        assert dust(sound) == 0


def test_dust_bites() -> None:
    """A wei of KARAT for a wei of ASSAY, at a price of 90."""
    with economy(ROUNDED_UP) as defective:
        assert dust(defective) >= 89 * DUST


def dust_burns(economy: Economy) -> int:
    """Burn by single wei: what is unlocked beyond the share that was burned."""
    attacker, _ = actors(economy)
    minted = economy.minter.mint(LOCK + 1, 0, sender=attacker)
    unlocked = sum(economy.minter.burn(1, sender=attacker) for _ in range(50))
    return int(unlocked) - 50 * (LOCK + 1) // int(minted)


@pytest.mark.parametrize(("defects", "gains"), [((), False), ((UNLOCK_ROUNDED_UP,), True)])
def test_dust_burns(defects: tuple[Defect, ...], gains: bool) -> None:
    with economy(*defects) as one:
        assert (dust_burns(one) > 0) == gains
