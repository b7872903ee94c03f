"""The treasury on titanoboa: dollars, ASSAY, the burn auction, the fee router; roles, and the
fixtures that a suite's conftest takes from here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boa
import pytest

from tests.support.evm import DAY, deployer, now

ETHER = 10**18
DOLLAR = 10**6
SUPPLY = 100_000_000 * ETHER
FLOOR = ETHER // 2
DURATION = 3_600
CAP = 50_000 * DOLLAR
MIN_LOT = 10 * DOLLAR
LOT = 1_000 * DOLLAR
NO_LIMIT = 2**256 - 1

# Floor, multiple, duration, cap, least lot, interval.
PARAMETERS = (FLOOR, 20_000, DURATION, CAP, MIN_LOT, DAY)


def parameters(**changes: int) -> tuple[int, ...]:
    """The auction's parameters with some changed, by the names of IBurnAuction."""
    names = (
        "floor_price",
        "start_multiple_bps",
        "duration_seconds",
        "cap_usd_micro",
        "min_lot_usd_micro",
        "min_interval_seconds",
    )
    return tuple({**dict(zip(names, PARAMETERS, strict=True)), **changes}.values())


@dataclass(repr=False)
class Treasury:
    """Contracts and an account per role; the deployer holds all ASSAY and mints dollars."""

    deployer: str
    owner: str
    taker: str
    keeper: str
    stranger: str
    usdc: Any
    assay: Any
    auction: Any
    router: Any

    def fund(self, amount: int) -> None:
        """Dollars for the auction, as anyone may send them."""
        self.usdc.mint(self.auction.address, amount, sender=self.deployer)

    def start(self, lot: int = LOT) -> int:
        """Begin an auction of that many dollars, now; returns its number."""
        self.fund(lot - self.usdc.balanceOf(self.auction))
        assert self.auction.start(sender=self.keeper) == lot
        return int(self.auction.auction_count())

    def start_next(self, lot: int = LOT) -> int:
        """The same, as soon as it is allowed."""
        boa.env.time_travel(seconds=max(0, self.auction.next_start() - now()))
        return self.start(lot)

    def give_assay(self, account: str, amount: int) -> str:
        """ASSAY for an account, approved for the auction."""
        self.assay.transfer(account, amount, sender=self.deployer)
        self.assay.approve(self.auction.address, amount, sender=account)
        return account

    def take(self, usd_micro: int, taker: str | None = None) -> int:
        """Take dollars for ASSAY that the taker is given; returns what was paid."""
        taker = taker or self.taker
        self.give_assay(taker, self.auction.quote(usd_micro))
        return int(self.auction.take(usd_micro, NO_LIMIT, taker, b"", sender=taker))


def deploy_treasury() -> Treasury:
    """Deploy everything; fund nobody."""
    roles = [boa.env.generate_address(role) for role in ("deployer", "owner", "taker", "keeper")]
    with boa.env.prank(roles[0]):
        usdc = deployer("mocks/TestUSD")()
        assay = deployer("tokens/AssayToken")(roles[0], SUPPLY)
        auction = deployer("treasury/BurnAuction")(usdc, assay, roles[1], PARAMETERS)
        router = deployer("treasury/FeeRouter")(usdc, auction, roles[1])
    stranger = boa.env.generate_address("stranger")
    return Treasury(*roles, stranger, usdc, assay, auction, router)


@pytest.fixture(scope="session")
def deployed_treasury() -> Treasury:
    """Deployed once, funded with nothing."""
    return deploy_treasury()


@pytest.fixture
def treasury(deployed_treasury: Treasury) -> Iterator[Treasury]:
    """What a test does to it is undone."""
    with boa.env.anchor():
        yield deployed_treasury
