"""What the models rest on and the protocol does not decide: chains, markets, machines, audits.

Everything guessed is here, stated once; what is measured is read from kept results
(`measured.py`), what is deployed from `assay.chain.parameters`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

HOUR = 3_600
DAY = 24 * HOUR
YEAR_DAYS = 365


@dataclass(frozen=True)
class Chain:
    """Where the contracts are deployed.

    busy_gwei       gas price of an ordinary busy day: what whoever may choose the hour pays
    spike_gwei      of an hour in which a clock makes one pay
    ether_usd       price of ether
    target_gas      gas of a block above which the base fee rises (EIP-1559)
    block_seconds   between blocks
    forced_seconds  until a transaction is included against the will of whoever orders them
    outage_seconds  longest halt to be outlasted within a clock
    """

    name: str
    busy_gwei: float
    spike_gwei: float
    ether_usd: float
    target_gas: float
    block_seconds: float
    forced_seconds: int
    outage_seconds: int

    def usd(self, gas: float, gwei: float) -> float:
        return gas * gwei * 1e-9 * self.ether_usd


ROLLUP = Chain("rollup", 0.1, 1.0, 4_000.0, 25e6, 2.0, 12 * HOUR, 2 * HOUR)
LAYER_1 = Chain("layer 1", 5.0, 50.0, 4_000.0, 22.5e6, 12.0, 0, 2 * HOUR)
CHAINS = (ROLLUP, LAYER_1)


@dataclass(frozen=True)
class Market:
    """The bond token's price, and how far it may fall before constants can be replaced.

    assay_usd    price at the time of deployment
    volatility   standard deviation of its logarithm over a year
    redeploy     days until a network with other constants stands; these cannot be changed
    deviations   of the fall that is to be borne
    """

    name: str
    assay_usd: float
    volatility: float = 1.2
    redeploy: int = 30
    deviations: float = 3.0

    @property
    def margin(self) -> float:
        """How many times the price may fall."""
        return math.exp(self.deviations * self.volatility * math.sqrt(self.redeploy / YEAR_DAYS))

    @property
    def low_usd(self) -> float:
        return self.assay_usd / self.margin


FLOOR = Market("floor", 0.30)  # 30 M dollars over 100 M tokens: project.py's least value
MARKETS = (FLOOR, Market("1 dollar", 1.0), Market("5 dollars", 5.0))


@dataclass(frozen=True)
class Machine:
    """A provider's or challenger's machine beside the one on which rates were measured.

    times          as fast: 64 cores at half efficiency are 16 times two cores
    usd_per_hour   its rent
    """

    name: str
    times: float
    usd_per_hour: float


SMALL = Machine("2 cores", 1.0, 0.10)
SERVER = Machine("64 cores", 16.0, 2.50)


@dataclass(frozen=True)
class Demand:
    """What is asked of the network on a day; project.py's first day of its base path.

    usd_day       sales
    prices        (price of a claim in dollars, share of claims); shares add up to 1
    bonded_share  of all ASSAY that providers can be expected to bond
    """

    usd_day: float = 5_000.0
    prices: tuple[tuple[float, float], ...] = (
        (0.001, 0.50),
        (0.01, 0.43949),
        (0.1, 0.06),
        (1.0, 0.0005),
        (10.0, 0.00001),
    )
    bonded_share: float = 0.20
    supply: float = 100e6

    @property
    def claim_usd(self) -> float:
        """Mean price."""
        return sum(price * share for price, share in self.prices)

    def of_mean(self, claim_usd: float) -> Demand:
        """The same sales in claims of another mean price."""
        times = claim_usd / self.claim_usd
        return replace(self, prices=tuple((price * times, share) for price, share in self.prices))

    @property
    def claims_day(self) -> float:
        return self.usd_day / self.claim_usd


@dataclass(frozen=True)
class Audits:
    """Who checks, as assumed; auditors are not paid by the contracts yet.

    base_rate      least share of claims that are drawn
    auditors       for each drawn claim
    lazy_share     of auditors that approve without looking
    gain_multiple  what a wrong answer is worth to its maker, over the claim's price: at the price
                   itself nothing was computed, and as much again comes from elsewhere
    compute_share  of a claim's price that its computation costs
    tokens_usd     price of a million tokens, to say what auditing them costs
    pool, traps    all auditors; share of drawn claims that are known to be wrong
    """

    base_rate: float = 0.05
    auditors: int = 2
    lazy_share: float = 0.25
    gain_multiple: float = 2.0
    compute_share: float = 0.6
    tokens_usd: float = 1.0
    pool: int = 1_000
    traps: float = 0.001

    @property
    def sees(self) -> float:
        """Chance that one auditor at least of a drawn claim looks."""
        return 1.0 - self.lazy_share**self.auditors
