"""The deployed constants beside what a scenario asks of each. Pure; `bonds.py` prints and plots.

Every need has a range; a constant outside it is too small, or senselessly large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from assay.chain.parameters import BPS, ETHER, GAMES_A_BOND, Parameters
from scripts.sim import measured, rules
from scripts.sim.measured import Gas
from scripts.sim.rates import Rates
from scripts.sim.scenario import (
    FLOOR,
    HOUR,
    ROLLUP,
    SERVER,
    Audits,
    Chain,
    Demand,
    Machine,
    Market,
)
from scripts.sim.shapes import SHAPES, work

SAFETY = 1.5
"""Factor on times and on the bond, for what the model leaves out."""
FAILING = 0.05
"""Games that an honest challenger may lose, by crashes and censorship, and still gain."""
FINALISE_SECONDS = HOUR
"""From the end of the window until a claim is paid and its lock released."""
MINING_BLOCKS = 50
"""Blocks in which a move that pays the going price is surely in."""


@dataclass(frozen=True)
class Scenario:
    """One combination of assumptions. `shape`, `positions`: of the claims that are disputed, by
    both sides on a `machine`. The default is the one that the deployed constants must meet."""

    chain: Chain = ROLLUP
    market: Market = FLOOR
    shape: str = "70B"
    positions: int = 2_048
    machine: Machine = SERVER
    demand: Demand = field(default_factory=Demand)
    audits: Audits = field(default_factory=Audits)


@dataclass(frozen=True)
class Constants:
    """What is deployed, in tokens and seconds."""

    slash: float
    bond: float
    games_a_bond: int
    reward_share: float
    window: float
    clock: float
    extension: float
    unbonding: float
    timelock: float
    longest: float
    fee_share: float

    @classmethod
    def of(cls, parameters: Parameters) -> Constants:
        return cls(
            slash=parameters.slash_per_claim / ETHER,
            bond=parameters.challenger_bond / ETHER,
            games_a_bond=GAMES_A_BOND,
            reward_share=parameters.reward_bps / BPS,
            window=parameters.window_seconds,
            clock=parameters.clock_seconds,
            extension=parameters.extension_seconds,
            unbonding=parameters.unbonding_seconds,
            timelock=parameters.timelock_seconds,
            longest=parameters.longest_dispute_seconds,
            fee_share=parameters.fee_bps / BPS,
        )

    @property
    def reward(self) -> float:
        return self.slash * self.reward_share

    @property
    def burn(self) -> float:
        return self.slash - self.reward

    @property
    def lock(self) -> float:
        """Seconds for which a claim's slash is locked."""
        return self.window + FINALISE_SECONDS


@dataclass(frozen=True)
class Need:
    """A constant, and the range that a reason asks for."""

    name: str
    deployed: float
    least: float
    most: float
    unit: str
    why: str

    @property
    def holds(self) -> bool:
        return self.least <= self.deployed <= self.most


class Model:
    """What a scenario asks of constants. `rates`: of the trace, on two cores."""

    def __init__(self, scenario: Scenario, constants: Constants, rates: Rates) -> None:
        self.s = scenario
        self.c = constants
        self._shape = SHAPES[scenario.shape]
        self.pass_ = work(self._shape, scenario.positions)
        self.trace_seconds = rates.seconds(self.pass_) / scenario.machine.times
        self.gas: Gas = measured.gas().at(measured.rounds(self._shape, scenario.positions))

    @property
    def trace_usd(self) -> float:
        return self.trace_seconds / HOUR * self.s.machine.usd_per_hour

    @property
    def prefill_seconds(self) -> float:
        return measured.prefill_seconds(self._shape, self.s.positions) / self.s.machine.times

    @property
    def seen(self) -> float:
        return self.s.audits.base_rate * self.s.audits.sees

    def needs(self) -> list[Need]:
        """Every constant's ranges, in the order of the README's table."""
        return [*self.money(), *self.times()]

    def money(self) -> list[Need]:
        s, c = self.s, self.c
        low = s.market.low_usd
        busy = s.chain.usd(self.gas.challenger, s.chain.busy_gwei)
        gain = s.audits.gain_multiple * s.demand.claim_usd
        deter = rules.least_burn(gain, self.seen, busy) / (1 - c.reward_share) / low
        pays = (busy + self.trace_usd) / c.reward_share / low
        most = rules.most_slash(s.demand, c.lock)
        drawn = [rules.audit_rate(p, c.burn * low, s.audits) for p, _ in s.demand.prices]
        cost = rules.audit_cost(s.demand, drawn, s.audits, measured.verify_share())
        return [
            Need("slash_per_claim", c.slash, deter, most, "ASSAY", "burned part outweighs a gain"),
            Need("slash_per_claim", c.slash, pays, most, "ASSAY", "reward pays for a game"),
            Need(
                "challenger_bond",
                c.bond,
                SAFETY * self.answer_usd(s.chain.spike_gwei) / low,
                rules.most_bond(c.reward, FAILING),
                "ASSAY",
                "a false challenge feeds the provider",
            ),
            Need(
                "games_a_bond",
                c.games_a_bond,
                1,
                rules.most_games_a_bond(math.floor(self.answered), c.bond, c.reward),
                "games",
                "no flood of false challenges pays",
            ),
            Need("fee_bps", c.fee_share * BPS, cost * BPS, BPS, "bps", "would pay the auditors"),
        ]

    def times(self) -> list[Need]:
        s, c = self.s, self.c
        blocks = MINING_BLOCKS * s.chain.block_seconds
        window = s.chain.forced_seconds + SAFETY * self.prefill_seconds + s.chain.outage_seconds
        backed = s.demand.bonded_share * s.demand.supply / (c.slash * s.demand.claims_day)
        clock = s.chain.outage_seconds + SAFETY * self.trace_seconds
        inf = math.inf
        return [
            Need("window", c.window, window, backed * 24 * HOUR, "s", "outlasts censorship"),
            Need("clock", c.clock, clock, inf, "s", "a trace, and an outage"),
            Need("extension", c.extension, SAFETY * blocks, c.clock, "s", "a move is mined"),
            Need("unbonding", c.unbonding, c.longest, inf, "s", "outlasts window and game"),
            Need("timelock", c.timelock, c.longest, inf, "s", "outlasts window and game"),
        ]

    def answer_usd(self, gwei: float) -> float:
        """What a whole false challenge costs the provider: gas, and the trace."""
        return self.s.chain.usd(self.gas.provider, gwei) + self.trace_usd

    def spam(self, gwei: float) -> dict[str, float]:
        """Attacker's cost over provider's, of a whole game and of opening one and no more; the
        bond is the attacker's cost and not counted as the provider's gain."""
        chain, bond = self.s.chain, self.c.bond * self.s.market.low_usd
        silent = chain.usd(self.gas.answer, gwei) + self.trace_usd
        return {
            "whole_game": (bond + chain.usd(self.gas.challenger, gwei)) / self.answer_usd(gwei),
            "silent": (bond + chain.usd(self.gas.open, gwei)) / silent,
        }

    @property
    def answered(self) -> float:
        """Games about claims of this size that a provider can answer within a clock."""
        return max((self.c.clock - self.s.chain.outage_seconds) / self.trace_seconds, 0.0)

    def flooded(self, games: int) -> dict[str, float]:
        """That many false challenges at once, at busy gas: what both sides need and what the
        attacker gains; tokens and dollars."""
        s, c = self.s, self.c
        answered = math.floor(self.answered)
        gain = rules.flood_gain(games, answered, c.bond, c.reward, c.games_a_bond)
        bonds = sum(1 + game // c.games_a_bond for game in range(games))
        gas = games * s.chain.usd(self.gas.open, s.chain.busy_gwei)
        return {
            "games": games,
            "attackers_bonds_assay": bonds * c.bond,
            "providers_gas_usd": games * s.chain.usd(self.gas.provider, s.chain.busy_gwei),
            "answered": min(games, answered),
            "attacker_gains_usd": gain * s.market.low_usd - gas,
        }

    def censorship(self) -> dict[str, float]:
        """Filling the blocks of a window, beside the most that all bonded claims could gain."""
        s, c = self.s, self.c
        reward = c.reward * s.market.low_usd
        cost = rules.censor_usd(
            reward, self.gas.open, s.chain.target_gas, s.chain.block_seconds, c.window
        )
        open_claims = s.demand.bonded_share * s.demand.supply / c.slash
        gain = s.audits.gain_multiple * s.demand.claim_usd * open_claims
        return {"fill_usd": cost, "gain_usd": gain, "ratio": cost / gain}

    def limits(self) -> dict[str, float]:
        """What the constants bear."""
        s, c = self.s, self.c
        burn = c.burn * s.market.low_usd
        return {
            "burn_usd": burn,
            "self_slash_usd": burn + s.chain.usd(self.gas.game, s.chain.busy_gwei),
            "gain_covered_at_base_rate_usd": burn * self.seen / (1 - self.seen),
            "dearest_claim_usd": rules.dearest_claim(burn, s.audits),
            "claims_a_day": rules.most_claims_day(c.slash, s.demand, c.lock),
            "bond_gas_gwei": (c.bond * s.market.low_usd - self.trace_usd)
            / s.chain.usd(self.gas.provider, 1.0),
        }
