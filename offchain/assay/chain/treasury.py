"""Clients of the fee router, the burn auction and its taker.

A price is ASSAY wei per dollar (10**6 micro-USD).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from assay.chain.contract import ContractClient
from assay.chain.sender import Mined


@dataclass(frozen=True)
class AuctionParameters:
    """As in IBurnAuction: the cap is of one auction, the interval between two starts."""

    floor_price: int
    start_multiple_bps: int
    duration_seconds: int
    cap_usd_micro: int
    min_lot_usd_micro: int
    min_interval_seconds: int


@dataclass(frozen=True)
class Auction:
    """The last auction, live or not; `burned` is the ASSAY that its takes have paid."""

    started_at: int
    start_price: int
    lot_usd_micro: int
    left_usd_micro: int
    burned: int


AUDIT_SHARE_BPS = 2_000
"""Of the router's dollars, as the contract has it."""
BPS = 10_000


class FeeRouter(ContractClient):
    """Where the protocol's dollars arrive, on their way to the audits and the burn auction."""

    def route(self) -> Mined:
        return self.write("route")

    def to_auction(self, dollars: int) -> int:
        """What `route` would send to the auction if the router held so many."""
        share = dollars * AUDIT_SHARE_BPS // BPS if int(self.read("audits"), 16) else 0
        return dollars - share

    def subscribe(self, account: str, plan: int, periods: int) -> Mined:
        """Pay periods of 30 days; approve the dollars first."""
        return self.write("subscribe", account, plan, periods)

    def set_plan(self, plan: int, price_usd_micro: int) -> Mined:
        """Owner."""
        return self.write("set_plan", plan, price_usd_micro)

    def plan_price(self, plan: int) -> int:
        return int(self.read("plan_price", plan))

    def subscribed_until(self, account: str, plan: int) -> int:
        return int(self.read("subscribed_until", account, plan))

    def owner(self) -> str:
        return str(self.read("owner"))


class BurnAuction(ContractClient):
    """Dollars for ASSAY in a Dutch auction; what comes in is burned."""

    def start(self) -> Mined:
        return self.write("start")

    def take(self, usd_micro: int, max_assay: int, recipient: str, data: bytes = b"") -> Mined:
        """Buy dollars of the live auction; approve the ASSAY first."""
        return self.write("take", usd_micro, max_assay, recipient, data)

    def set_parameters(self, parameters: AuctionParameters) -> Mined:
        """Owner, while no auction is live."""
        return self.write("set_parameters", astuple(parameters))

    def is_live(self) -> bool:
        return bool(self.read("is_live"))

    def price(self) -> int:
        """Of the live auction; 0 when none is."""
        return int(self.read("price"))

    def quote(self, usd_micro: int) -> int:
        """ASSAY wei due now, rounded up."""
        return int(self.read("quote", usd_micro))

    def next_start(self) -> int:
        """First second in which an auction may start."""
        return int(self.read("next_start"))

    def auction(self) -> Auction:
        return Auction(*map(int, self.read("auction")))

    def auction_count(self) -> int:
        return int(self.read("auction_count"))

    def last_price(self) -> int:
        return int(self.read("last_price"))

    def parameters(self) -> AuctionParameters:
        return AuctionParameters(*map(int, self.read("parameters")))

    def owner(self) -> str:
        return str(self.read("owner"))


class BurnTaker(ContractClient):
    """Fills the burn auction through a Uniswap V2 pool, in one transaction."""

    def fill(self, usd_micro: int, min_profit: int) -> Mined:
        """The profit in ASSAY goes to the sender; less than `min_profit` is refused."""
        return self.write("fill", usd_micro, min_profit)
