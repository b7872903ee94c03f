"""One of everything, linked, on one clock; and what must hold of it at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.support.reference.auction import BurnAuction, FeeRouter, Parameters
from tests.support.reference.base import BPS, Clock
from tests.support.reference.curve import Curve
from tests.support.reference.emissions import SCALE, Corner, Emissions, Stage
from tests.support.reference.ledger import Ledger
from tests.support.reference.staking import CreditMinter, Staking, within_bounds
from tests.support.reference.tokens import Karat, Token


@dataclass(frozen=True)
class Settings:
    """What the economy is deployed with, as tests/support/economy.py names it."""

    genesis: int
    stages: Sequence[Stage]
    corners: Sequence[Corner]
    capacity: int
    curve: tuple[int, int, int]
    stake_cooldown: int
    karat_cooldown: int
    withdrawal_seconds: int
    fee_bps: int
    auction: tuple[int, int, int, int, int, int]


class World:
    """The whole model.

    addresses   of the contracts, by the names of tests/support/economy.py: `staking`, `karat`,
                `ledger`, `router`, `auction`; and `treasury`, which holds the genesis supply
    """

    def __init__(self, settings: Settings, addresses: Mapping[str, str], now: int) -> None:
        self.clock = clock = Clock(now)
        self.token, self.usdc = Token(), Token()
        self.token.mint(addresses["treasury"], settings.genesis)
        self.emissions = Emissions(
            clock, self.token, list(settings.stages), settings.corners, settings.capacity
        )
        self.staking = Staking(
            clock, addresses["staking"], self.token, self.emissions, settings.stake_cooldown
        )
        self.ledger = Ledger(
            clock,
            addresses["ledger"],
            addresses["router"],
            self.usdc,
            self.staking,
            self.emissions,
            settings.fee_bps,
            settings.withdrawal_seconds,
        )
        self.karat = Karat(
            clock,
            addresses["karat"],
            settings.karat_cooldown,
            lambda account: self.ledger.committed_of(account)[0],
        )
        self.ledger.karat = self.karat
        curve = Curve(*settings.curve)
        self.minter = CreditMinter(clock, self.staking, self.karat, curve, within_bounds)
        self.auction = BurnAuction(
            clock, addresses["auction"], self.usdc, self.token, Parameters(*settings.auction)
        )
        self.router = FeeRouter(clock, addresses["router"], self.usdc, addresses["auction"])

    def check(self) -> None:
        """The design's invariants, on the model itself; cheap enough for every step."""
        emissions, staking, ledger = self.emissions, self.staking, self.ledger
        minted = emissions.minted_to_stakers + emissions.minted_to_providers
        assert minted * SCALE <= emissions.emitted() * BPS
        staked = sum(holder.staked for holder in staking.holders.values())
        assert staking.total == staked
        held = staking.total + staking.tickets.total()
        assert self.token.balance_of(staking.address) == held
        claimable = sum(staking.claimable(account) for account in staking.holders)
        part = emissions.staker_numerator() // SCALE
        assert claimable + emissions.minted_to_stakers <= part
        positions = self.minter.positions.values()
        assert self.karat.token.supply == sum(position.minted for position in positions)
        for account, position in self.minter.positions.items():
            assert staking.locked_of(account) == position.locked
        for owner, _ in ledger.channels:
            karat, bps = ledger.committed_of(owner)
            assert karat <= ledger.karat_allowance(owner)
            assert bps <= BPS
        assert self.usdc.balance_of(ledger.address) == ledger.owed()
