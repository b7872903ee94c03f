"""A controller alone: its staking contract and ledger are addresses that tests call from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boa
import pytest

from tests.support.economy import CAPACITY, CORNERS, GENESIS, RATES
from tests.support.evm import DAY, begin_day, deployer, now, today, travel_to
from tests.unitary.emission_controller.oracle import Stage, integral

YEAR = 365 * DAY
BPS = 10_000
SCALE = YEAR * BPS
HOUR = 3_600
# No boundary falls on a midnight.
STAGE_SECONDS = 2 * DAY + 7 * HOUR + 13


@dataclass(repr=False)
class Emission:
    """Deployed at 10:00; the first stage begins an hour later."""

    controller: Any
    token: Any
    stages: list[Stage]
    deployer: str
    owner: str
    staking: str
    ledger: str
    provider: str
    rival: str
    stranger: str
    deployed_at: int

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """As deployed, at that time, whatever other suites have done; undone at the end."""
        with boa.env.anchor():
            boa.env.timestamp = self.deployed_at
            yield

    def work(self, amount: int, provider: str | None = None) -> None:
        self.controller.record_work(provider or self.provider, amount, sender=self.ledger)

    def integral(self, begin: int, end: int | None = None) -> int:
        """Sum of rate x seconds until now."""
        return integral(self.stages, begin, now() if end is None else end)

    def day_integral(self, day: int) -> int:
        return self.integral(day * DAY, (day + 1) * DAY)

    def use(self, part_bps: int, days: int = 7) -> None:
        """Work that much of the capacity on each day, and go to the day after."""
        for _ in range(days):
            if part_bps:
                self.work(self.controller.daily_capacity(today()) * part_bps // BPS)
            begin_day()


def deploy_emission(stages: list[Stage] | None = None) -> Emission:
    names = ("deployer", "owner", "provider", "rival", "stranger")
    role = {name: boa.env.generate_address(name) for name in names}
    stages = stages or [
        (now() + HOUR + index * STAGE_SECONDS, rate) for index, rate in enumerate(RATES)
    ]
    with boa.env.prank(role["deployer"]):
        token = deployer("tokens/AssayToken")(role["deployer"], GENESIS)
        staking, ledger = (
            deployer("mocks/TestToken")(f"stands for {name}", "STAND").address
            for name in ("staking", "ledger")
        )
        controller = deployer("emissions/EmissionController")(
            token, role["owner"], stages, CORNERS, CAPACITY
        )
        token.set_minter(controller)
        controller.set_links(staking, ledger)
    return Emission(
        controller, token, stages, staking=staking, ledger=ledger, deployed_at=now(), **role
    )


@pytest.fixture(scope="session")
def deployed_emission() -> Emission:
    begin_day()
    travel_to(now() + 10 * HOUR)
    return deploy_emission()


@pytest.fixture
def emission(deployed_emission: Emission) -> Iterator[Emission]:
    with deployed_emission.fresh():
        yield deployed_emission
