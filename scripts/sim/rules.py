"""What each constant must be: the inequalities, as functions of plain numbers. No I/O, no guesses.

Dollars and seconds throughout. `seen` is the chance that a wrong claim is found in its window:
share of claims that are drawn times the chance that somebody who was drawn looks.

A provider that sees a challenge coming may convict itself through a puppet, and has the reward
back. So only the burned part of a slash deters: every rule about cheats uses `burn`, not the
slash.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scripts.sim.scenario import DAY, Audits, Demand


def wrong_claim(price: float, saved: float, outside: float, seen: float, lost: float) -> float:
    """Expected advantage over the honest answer, of one wrong claim.

    `saved` of its computation is certain; `outside` is had if it is paid in the end; convicted
    (chance `seen`), it loses its price and `lost` of the bond.
    """
    return saved + (1.0 - seen) * outside - seen * (price + lost)


def least_burn(gain: float, seen: float, gas_usd: float) -> float:
    """Burned part of a slash that makes a `gain` per wrong claim not worth it, gas on top."""
    return gain * (1.0 - seen) / seen + gas_usd


def needed_rate(gain: float, burn: float, sees: float) -> float:
    """Share of claims that must be drawn so that `burn` deters `gain`; above 1: no rate does."""
    return gain / (gain + burn) / sees


def audit_rate(price: float, burn: float, audits: Audits) -> float:
    """The share of claims of a price that is drawn: more of dear ones, all at the most."""
    needed = needed_rate(audits.gain_multiple * price, burn, audits.sees)
    return min(max(audits.base_rate, needed), 1.0)


def dearest_claim(burn: float, audits: Audits) -> float:
    """Price up to which auditing every claim deters; beyond, consumers must check themselves."""
    return burn * audits.sees / (1.0 - audits.sees) / audits.gain_multiple


def audit_cost(
    demand: Demand, drawn: Sequence[float], audits: Audits, verify_share: float
) -> float:
    """What auditors cost, as a share of sales. `drawn`: the share that is audited of claims of
    each of the demand's prices; `verify_share`: of the cost of computing an answer."""
    pairs = zip(demand.prices, drawn, strict=True)
    audited = sum(share * price * rate for (price, share), rate in pairs)
    once = verify_share * audits.compute_share
    return audited / demand.claim_usd * audits.auditors * once


def most_slash(demand: Demand, lock_seconds: float) -> float:
    """Tokens a claim, so that the bonds of a day's sales fit what providers bond."""
    open_claims = demand.claims_day * lock_seconds / DAY
    return demand.bonded_share * demand.supply / open_claims


def most_claims_day(slash: float, demand: Demand, lock_seconds: float) -> float:
    """Claims a day that providers' bonds can back."""
    return demand.bonded_share * demand.supply / slash * DAY / lock_seconds


def most_bond(reward: float, failing: float) -> float:
    """Bond at which a challenger in the right, who still loses a share `failing` of its games
    (it crashes, it is censored), gains nothing."""
    return reward * (1.0 - failing) / failing


def flood_gain(games: int, answered: int, bond: float, reward: float, games_a_bond: int) -> float:
    """Tokens that an attacker gains by so many false challenges at once, gas aside.

    Game i costs 1 + i // `games_a_bond` bonds. The provider answers the dearest ones, as many as
    it can; these pay it their bonds, the others are won by default.
    """
    lost = min(games, answered)
    bonds = sum(1 + game // games_a_bond for game in range(games - lost, games))
    return (games - lost) * reward - bonds * bond


def most_games_a_bond(answered: float, bond: float, reward: float) -> float:
    """Games for which the bond may stay as it is, so that no flood pays.

    So many more games win their attacker a reward each, and cost it one bond more for each game
    that is answered.
    """
    return answered * bond / reward


def censor_usd(
    willing_usd: float, move_gas: float, target_gas: float, block_seconds: float, seconds: float
) -> float:
    """Cost of keeping moves out of blocks: the base fee must stay where a move costs more than
    its sender would pay, so every block must burn its target of gas at that fee."""
    return willing_usd / move_gas * target_gas * math.ceil(seconds / block_seconds)
