"""Clients of emissions, staking and the credit minter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.chain.contract import ContractClient
from assay.chain.sender import Mined
from assay.chain.tickets import TicketClient


@dataclass(frozen=True)
class Stage:
    """From `start` (Unix time) until the next stage: `rate_per_year` ASSAY wei in 365 days."""

    start: int
    rate_per_year: int


@dataclass(frozen=True)
class Corner:
    """At utilisation `used_bps` stakers get `stakers_bps` of the emission."""

    used_bps: int
    stakers_bps: int


@dataclass(frozen=True)
class Curve:
    """rate(S) = base * exp(power * (S / target)**3); each has 18 decimals."""

    base: int
    power: int
    target: int


@dataclass(frozen=True)
class Position:
    """KARAT that a wallet minted and has not burned, and the ASSAY locked for it."""

    minted: int
    locked: int


class EmissionController(ContractClient):
    """The schedule of new ASSAY and its division; numerators as in IEmissionController."""

    def checkpoint(self) -> Mined:
        return self.write("checkpoint")

    def reward_work(self, provider: str, days: Sequence[int]) -> Mined:
        """Mint a provider its part of at most 64 ended days; anyone may."""
        return self.write("reward_work", provider, list(days))

    def lower_rate(self, stage: int, rate_per_year: int) -> Mined:
        """Owner."""
        return self.write("lower_rate", stage, rate_per_year)

    def set_daily_capacity(self, capacity_usd_micro: int) -> Mined:
        """Owner; from the next day on."""
        return self.write("set_daily_capacity", capacity_usd_micro)

    def set_split(self, corners: Sequence[Corner]) -> Mined:
        """Owner; from the next day on."""
        pairs = [(corner.used_bps, corner.stakers_bps) for corner in corners]
        return self.write("set_split", pairs)

    def set_links(self, staking: str, ledger: str) -> Mined:
        return self.write("set_links", staking, ledger)

    def staker_numerator(self) -> int:
        return int(self.read("staker_numerator"))

    def work_reward(self, provider: str, day: int) -> int:
        """What `reward_work` would mint now for one day, ASSAY wei."""
        return int(self.read("work_reward", provider, day))

    def scheduled(self, begin: int, end: int) -> int:
        """Integral of the schedule: sum of rate_per_year * seconds."""
        return int(self.read("scheduled", begin, end))

    def stage(self, index: int) -> Stage:
        return Stage(*map(int, self.read("stage", index)))

    def stage_count(self) -> int:
        return int(self.read("stage_count"))

    def daily_capacity(self, day: int) -> int:
        """Micro-USD; right for yesterday, today and later."""
        return int(self.read("daily_capacity", day))

    def used_bps(self, day: int) -> int:
        return int(self.read("used_bps", day))

    def stakers_bps(self, day: int) -> int:
        return int(self.read("stakers_bps", day))

    def work(self, day: int) -> int:
        """Credit really spent on a day, micro-USD."""
        return int(self.read("work", day))

    def work_of(self, provider: str, day: int) -> int:
        return int(self.read("work_of", provider, day))

    def pool(self, day: int) -> int:
        return int(self.read("pool", day))

    def minted_to_stakers(self) -> int:
        return int(self.read("minted_to_stakers"))

    def minted_to_providers(self) -> int:
        return int(self.read("minted_to_providers"))

    def owner(self) -> str:
        return str(self.read("owner"))

    def staking(self) -> str:
        return str(self.read("staking"))

    def ledger(self) -> str:
        return str(self.read("ledger"))


class Staking(TicketClient):
    """Stakes of ASSAY, free and locked; amounts are ASSAY wei."""

    def stake(self, amount: int) -> Mined:
        """Stake the sender's tokens; approve them first."""
        return self.write("stake", amount)

    def stake_for(self, account: str, amount: int) -> Mined:
        return self.write("stake_for", account, amount)

    def claim(self) -> Mined:
        """Mint the sender's rewards to it."""
        return self.write("claim")

    def compound(self) -> Mined:
        """Mint the sender's rewards and stake them."""
        return self.write("compound")

    def set_minter(self, minter: str) -> Mined:
        return self.write("set_minter", minter)

    def free_of(self, account: str) -> int:
        return int(self.read("free_of", account))

    def locked_of(self, account: str) -> int:
        return int(self.read("locked_of", account))

    def stake_of(self, account: str) -> int:
        """Free and locked together."""
        return int(self.read("stake_of", account))

    def total_stake(self) -> int:
        return int(self.read("total_stake"))

    def claimable(self, account: str) -> int:
        """What `claim` would mint now."""
        return int(self.read("claimable", account))

    def opening_stake(self, account: str, day: int) -> tuple[int, int]:
        """The account's and the whole stake as a UTC day began: today or yesterday."""
        own, total = self.read("opening_stake", account, day)
        return int(own), int(total)

    def minter(self) -> str:
        return str(self.read("minter"))


class CreditMinter(ContractClient):
    """KARAT against locked stake, along a curve; both have 18 decimals."""

    def mint(self, locked: int, min_minted: int) -> Mined:
        """Lock that much of the sender's free stake; refused below `min_minted` KARAT."""
        return self.write("mint", locked, min_minted)

    def burn(self, amount: int) -> Mined:
        """Burn the sender's unstaked KARAT and unlock pro rata."""
        return self.write("burn", amount)

    def set_curve(self, curve: Curve) -> Mined:
        """Owner."""
        return self.write("set_curve", (curve.base, curve.power, curve.target))

    def quote_mint(self, locked: int) -> int:
        """KARAT that `mint` would give now."""
        return int(self.read("quote_mint", locked))

    def quote_lock(self, minted: int) -> int:
        """The least stake that mints so much KARAT now."""
        return int(self.read("quote_lock", minted))

    def quote_burn(self, account: str, amount: int) -> int:
        """ASSAY that `burn` would unlock for an account now."""
        return int(self.read("quote_burn", account, amount))

    def rate_at(self, supply: int) -> int:
        """ASSAY per KARAT on the smooth curve, 18 decimals."""
        return int(self.read("rate_at", supply))

    def position(self, account: str) -> Position:
        return Position(*map(int, self.read("position", account)))

    def curve(self) -> Curve:
        return Curve(*map(int, self.read("curve")))

    def owner(self) -> str:
        return str(self.read("owner"))
