"""Staking on the real controller; its minter is an address that tests call from.

Nobody works, so stakers get 90 % of the emission all the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boa
import pytest

from tests.support.economy import CAPACITY, CORNERS, ETHER, GENESIS, RATES, STAKE_COOLDOWN
from tests.support.evm import DAY, begin_day, deployer, now, travel_to
from tests.unitary.emission_controller.oracle import Stage, integral

SCALE = 365 * DAY * 10_000
STAKERS_BPS = 9_000
HOUR = 3_600
STAGE_SECONDS = 20 * DAY + 7 * HOUR + 13


@dataclass(repr=False)
class Pool:
    """Deployed at 10:00, emitting from an hour later; three stakers hold ASSAY and have
    approved it, none has staked."""

    staking: Any
    emissions: Any
    token: Any
    stages: list[Stage]
    deployer: str
    owner: str
    minter: str
    staker: str
    rival: str
    whale: str
    stranger: str
    deployed_at: int

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """As deployed, at that time, whatever other suites have done; undone at the end."""
        with boa.env.anchor():
            boa.env.timestamp = self.deployed_at
            yield

    def numerator(self, begin: int = 0, end: int | None = None) -> int:
        """The stakers' part of the emission, until now."""
        return integral(self.stages, begin, now() if end is None else end) * STAKERS_BPS

    def stake(self, amount: int, account: str | None = None) -> None:
        self.staking.stake(amount, sender=account or self.staker)

    def unstake(self, amount: int, account: str | None = None) -> int:
        return int(self.staking.request_unstake(amount, sender=account or self.staker))

    def claim(self, account: str | None = None) -> int:
        return int(self.staking.claim(sender=account or self.staker))

    def lock(self, amount: int, account: str | None = None) -> None:
        self.staking.lock(account or self.staker, amount, sender=self.minter)

    def unlock(self, amount: int, account: str | None = None) -> None:
        self.staking.unlock(account or self.staker, amount, sender=self.minter)

    def check_books(self) -> None:
        """What is held is stakes and tickets; no more is minted than was emitted."""
        staking = self.staking
        accounts = (self.staker, self.rival, self.whale, self.stranger)
        assert staking.total_stake() == sum(staking.stake_of(account) for account in accounts)
        open_tickets = sum(
            staking.ticket(account, number)[0]
            for account in accounts
            for number in range(staking.ticket_count(account))
        )
        assert staking.total_tickets() == open_tickets
        held = staking.total_stake() + open_tickets
        assert self.token.balanceOf(staking.address) == held
        claimable = sum(staking.claimable(account) for account in accounts)
        minted = self.emissions.minted_to_stakers()
        assert minted + claimable <= self.emissions.staker_numerator() // SCALE
        assert self.token.totalSupply() == GENESIS + minted


def deploy_pool() -> Pool:
    names = ("deployer", "owner", "staker", "rival", "whale", "stranger")
    role = {name: boa.env.generate_address(name) for name in names}
    stages = [(now() + HOUR + index * STAGE_SECONDS, rate) for index, rate in enumerate(RATES)]
    with boa.env.prank(role["deployer"]):
        token = deployer("tokens/AssayToken")(role["deployer"], GENESIS)
        emissions = deployer("emissions/EmissionController")(
            token, role["owner"], stages, CORNERS, CAPACITY
        )
        staking = deployer("staking/Staking")(token, emissions, STAKE_COOLDOWN)
        minter = deployer("mocks/TestToken")("stands for a minter", "STAND").address
        token.set_minter(emissions)
        emissions.set_links(staking, minter)
        staking.set_minter(minter)
        for name, amount in (("staker", 10**4), ("rival", 10**4), ("whale", 9 * 10**7)):
            token.transfer(role[name], amount * ETHER)
            token.approve(staking.address, 2**256 - 1, sender=role[name])
    return Pool(staking, emissions, token, stages, minter=minter, deployed_at=now(), **role)


@pytest.fixture(scope="session")
def deployed_pool() -> Pool:
    begin_day()
    travel_to(now() + 10 * HOUR)
    return deploy_pool()


@pytest.fixture
def pool(deployed_pool: Pool) -> Iterator[Pool]:
    with deployed_pool.fresh():
        yield deployed_pool
        deployed_pool.check_books()


@pytest.fixture
def begun(pool: Pool) -> Pool:
    """The pool in the second in which the emission begins."""
    travel_to(pool.stages[0][0])
    return pool
