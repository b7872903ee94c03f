"""The burn auction and the fee router."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from tests.support.reference.base import BPS, DAY, DOLLAR, WAD, Clock, ceil_div, require
from tests.support.reference.tokens import Token
from tests.support.reference.wad import wad_exp, wad_ln

PERIOD_SECONDS = 30 * DAY
MAX_PERIODS = 36


@dataclass(frozen=True)
class Parameters:
    """Prices in ASSAY wei per dollar, dollars in micro-USD."""

    floor_price: int
    start_multiple_bps: int
    duration_seconds: int
    cap_usd_micro: int
    min_lot_usd_micro: int
    min_interval_seconds: int


def decayed(start: int, floor: int, duration: int, elapsed: int) -> int:
    """floor x (start / floor) ** ((duration - elapsed) / duration), rounded up.

    By snekmate's logarithm and exponential, so that whole runs agree to the unit: every step
    rounds up, and two units make good what the two functions cut off. The suite compares with
    the exact power.
    """
    full = wad_ln(ceil_div(start * WAD, floor)) + 2
    exponent = ceil_div(full * (duration - elapsed), duration)
    return max(floor, min(start, ceil_div(floor * wad_exp(exponent), WAD)))


@dataclass
class Sale:
    """One auction."""

    started_at: int
    ends_at: int
    start_price: int
    lot: int
    left: int
    burned: int = 0


@dataclass
class BurnAuction:
    """Sells the dollars that it holds; what is paid is burned."""

    clock: Clock
    address: str
    dollars: Token
    assay: Token
    parameters: Parameters
    sales: list[Sale] = field(default_factory=list)

    @property
    def is_live(self) -> bool:
        if not self.sales:
            return False
        sale = self.sales[-1]
        return sale.left > 0 and self.clock.now < sale.ends_at

    @property
    def price(self) -> int:
        if not self.is_live:
            return 0
        p, sale = self.parameters, self.sales[-1]
        elapsed = self.clock.now - sale.started_at
        return decayed(sale.start_price, p.floor_price, p.duration_seconds, elapsed)

    @property
    def last_price(self) -> int:
        """The mean over the last lot, dollars that it did not sell at the floor."""
        floor = self.parameters.floor_price
        if not self.sales:
            return floor
        sale = self.sales[-1]
        return max(floor, (sale.burned * DOLLAR + sale.left * floor) // sale.lot)

    @property
    def next_start(self) -> int:
        if not self.sales:
            return 0
        return self.sales[-1].started_at + self.parameters.min_interval_seconds

    def quote(self, usd_micro: int) -> int:
        require(self.is_live, "no auction is live")
        return ceil_div(usd_micro * self.price, DOLLAR)

    def set_parameters(self, parameters: Parameters) -> None:
        """Within the contract's bounds, which the model leaves to it."""
        require(not self.is_live, "an auction is live")
        self.parameters = parameters

    def start(self) -> int:
        require(self.clock.now >= self.next_start, "too early")
        lot = min(self.dollars.balance_of(self.address), self.parameters.cap_usd_micro)
        require(lot >= self.parameters.min_lot_usd_micro, "lot too small")
        price = self.last_price * self.parameters.start_multiple_bps // BPS
        ends_at = self.clock.now + self.parameters.duration_seconds
        self.sales.append(Sale(self.clock.now, ends_at, price, lot, lot))
        return lot

    def take(self, taker: str, usd_micro: int, max_assay: int, recipient: str) -> int:
        """Without data: the taker pays."""
        require(self.is_live, "no auction is live")
        sale = self.sales[-1]
        taken = min(usd_micro, sale.left)
        require(taken > 0, "nothing to take")
        due = self.quote(taken)
        require(due <= max_assay, "price above the limit")
        require(self.assay.balance_of(taker) >= due, "balance too small")
        self.assay.burn(taker, due)
        self.dollars.transfer(self.address, recipient, taken)
        sale.left -= taken
        sale.burned += due
        return due


@dataclass
class FeeRouter:
    """Forwards dollars to the auction; sells plans by periods of 30 days."""

    clock: Clock
    address: str
    dollars: Token
    auction: str
    prices: dict[int, int] = field(default_factory=dict)
    until: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    def route(self) -> int:
        amount = self.dollars.balance_of(self.address)
        self.dollars.transfer(self.address, self.auction, amount)
        return amount

    def set_plan(self, plan: int, price_usd_micro: int) -> None:
        self.prices[plan] = price_usd_micro

    def subscribe(self, payer: str, account: str, plan: int, periods: int) -> int:
        price = self.prices.get(plan, 0)
        require(price > 0, "plan is not sold")
        require(0 < periods <= MAX_PERIODS, "periods")
        self.dollars.transfer(payer, self.address, price * periods)
        begin = max(self.clock.now, self.until[account, plan])
        self.until[account, plan] = begin + periods * PERIOD_SECONDS
        return self.until[account, plan]
