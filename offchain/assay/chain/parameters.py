"""The constants of a network, and the presets: the one place where they are written.

`Parameters` are numbers that mean the same everywhere. `Setup` is what is particular to one
network: whose addresses, which airdrop, which dollar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from assay.chain.airdrop import AirdropTree
from assay.chain.staking import Corner, Curve
from assay.chain.treasury import AuctionParameters
from assay.core.errors import ConfigError

ETHER = 10**18
DOLLAR = 10**6
HOUR = 3_600
DAY = 24 * HOUR
YEAR = 365 * DAY
BPS = 10_000
MAX_TURNS = 18  # of a side of a game; contracts/modules/game_state.vy
GAMES_A_BOND = 32  # open games that raise the next bond; contracts/modules/stakes.vy
ZERO_ADDRESS = "0x" + "00" * 20

STAGE_RATES = tuple(
    rate * 10**5 * ETHER for rate in (140, 100, 80, 60, 50, 40, 30, 25, 20)
)  # 14 M, 10 M, … 2.5 M, 2 M a year
# Providers' part grows in proportion to use, so a dollar of work earns about as much ASSAY on a
# quiet day as on a busy one (contracts/ECONOMY.md, "What serving oneself gains").
CORNERS = (Corner(0, 10_000), Corner(3_000, 7_500), Corner(7_000, 5_000), Corner(10_000, 3_000))

CURVE = Curve(base=90 * ETHER, power=2 * ETHER, target=38_000 * ETHER)
AUCTION = AuctionParameters(
    # High on purpose: where a dollar buys less ASSAY nothing is sold until the timelock lowers
    # it; too low, and the first auction would sell below the market.
    floor_price=ETHER,
    start_multiple_bps=20_000,
    duration_seconds=6 * HOUR,
    cap_usd_micro=50_000 * DOLLAR,
    min_lot_usd_micro=100 * DOLLAR,
    min_interval_seconds=DAY,
)


@dataclass(frozen=True)
class Parameters:
    """Numbers of a network. The timelock may change some later; the rest is fixed for ever.

    Claims and games, seconds: `window` in which claims can be challenged; `clock` and
    `extension` of a game, per side; `unbonding` and `withdrawal` delays. ASSAY wei:
    `slash_per_claim`, `challenger_bond`. `reward_bps` of a slash goes to the winner, the rest is
    burned.

    Audits: `audit_rate_bps` of claims are drawn, each for `audit_slots` seats; all audits together
    pay `audit_pay_bps` of what claims are paid. ASSAY wei: `seat_deposit`, `request_bond`. The
    seed is `seed_delay_blocks` away: more than 64 where proposers are known two epochs ahead.

    ASSAY: `genesis_supply`, of which `airdrop_bps` can be claimed for `airdrop_seconds`.

    Emissions: `start` (Unix time of the first stage; 0: when the deployment begins), one
    `stage_rates` (wei a year) for every `stage_seconds`, the last for ever; `corners` of the
    split; published `daily_capacity_usd_micro`.

    Staking and credit: cooldowns, the KARAT curve. Treasury: `fee_bps` of dollars paid for
    claims, the burn auction. Governance: `timelock_seconds` between a proposal and its effect.
    """

    window_seconds: int = 24 * HOUR
    clock_seconds: int = 6 * HOUR
    extension_seconds: int = 1_800
    unbonding_seconds: int = 7 * DAY
    withdrawal_seconds: int = 7 * DAY
    slash_per_claim: int = 30 * ETHER
    challenger_bond: int = 100 * ETHER
    reward_bps: int = 5_000

    audit_rate_bps: int = 200
    audit_slots: int = 2
    audit_pay_bps: int = 100
    seat_deposit: int = 500 * ETHER
    request_bond: int = 20 * ETHER
    seed_delay_blocks: int = 72

    genesis_supply: int = 100_000_000 * ETHER
    airdrop_bps: int = 5_000
    airdrop_seconds: int = 180 * DAY

    start: int = 0
    stage_rates: tuple[int, ...] = STAGE_RATES
    stage_seconds: int = YEAR
    corners: tuple[Corner, ...] = CORNERS
    daily_capacity_usd_micro: int = 100_000 * DOLLAR

    stake_cooldown_seconds: int = 7 * DAY
    karat_cooldown_seconds: int = DAY
    curve: Curve = CURVE

    fee_bps: int = 500
    auction: AuctionParameters = AUCTION

    timelock_seconds: int = 3 * DAY

    @property
    def longest_dispute_seconds(self) -> int:
        """From a batch to the end of the longest game over it."""
        game = 2 * (self.clock_seconds + MAX_TURNS * self.extension_seconds)
        return self.window_seconds + game

    @property
    def airdrop_supply(self) -> int:
        return self.genesis_supply * self.airdrop_bps // BPS

    @property
    def airdrop_deadline(self) -> int:
        return self.start + self.airdrop_seconds

    def stages(self) -> list[dict[str, int]]:
        """The schedule as the emission controller takes it."""
        return [
            {"start": self.start + index * self.stage_seconds, "rate_per_year": rate}
            for index, rate in enumerate(self.stage_rates)
        ]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Parameters:
        """From the JSON form in network.json."""
        return cls(
            **{
                **content,
                "stage_rates": tuple(content["stage_rates"]),
                "corners": tuple(Corner(**corner) for corner in content["corners"]),
                "curve": Curve(**content["curve"]),
                "auction": AuctionParameters(**content["auction"]),
            }
        )

    def content(self) -> dict[str, Any]:
        """What network.json holds of it."""
        return asdict(self)

    def begun(self, now: int) -> Parameters:
        """With a start, if there is none yet."""
        return self if self.start else replace(self, start=now)

    def check(self) -> None:
        """Refuse what the contracts cannot know to be wrong; they check every bound of theirs.

        Whoever disagrees with a decision of the timelock must be able to leave first: so its
        delay outlasts every claim and game under the old rules.
        """
        longest = self.longest_dispute_seconds
        for name in ("unbonding_seconds", "withdrawal_seconds", "timelock_seconds"):
            if getattr(self, name) <= longest:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}, which does not outlast the window and "
                    f"the longest game, {longest} s; raise it above"
                )


STANDARD = Parameters()

TESTNET = replace(
    STANDARD,
    window_seconds=HOUR,
    clock_seconds=HOUR,
    extension_seconds=120,
    seed_delay_blocks=8,  # 72 blocks would take longer than auditors have for a demand
    unbonding_seconds=DAY,
    withdrawal_seconds=DAY,
    airdrop_seconds=30 * DAY,
    stage_seconds=30 * DAY,
    stake_cooldown_seconds=HOUR,
    auction=replace(
        STANDARD.auction,
        duration_seconds=HOUR,
        min_lot_usd_micro=DOLLAR,
        min_interval_seconds=2 * HOUR,
    ),
    timelock_seconds=6 * HOUR,
)
"""A few hours instead of days; for test networks, where nothing is worth anything."""

DEMO = replace(
    STANDARD,
    window_seconds=24,
    clock_seconds=60,
    extension_seconds=15,
    seed_delay_blocks=2,
    unbonding_seconds=HOUR,
    withdrawal_seconds=HOUR,
    stake_cooldown_seconds=60,
    auction=replace(
        STANDARD.auction,
        duration_seconds=600,
        min_lot_usd_micro=DOLLAR,
        min_interval_seconds=1_200,
    ),
    timelock_seconds=HOUR,
)
"""Short enough to watch; on a local chain only."""

PRESETS = {"standard": STANDARD, "testnet": TESTNET, "demo": DEMO}


@dataclass(frozen=True)
class Setup:
    """What is particular to one network.

    airdrop         who may claim how much of the airdrop
    proposers       accounts that may propose to the timelock, and cancel
    executors       accounts that may execute what is due; the zero address: anybody
    treasury        holder of the genesis supply less the airdrop; None: the timelock
    usdc            an existing payment token; None: a TestUSD, which the deployer mints
    uniswap_router  a Uniswap V2 router, for the burn auction's taker; None: no taker
    """

    airdrop: AirdropTree
    proposers: tuple[str, ...]
    executors: tuple[str, ...] = field(default=(ZERO_ADDRESS,))
    treasury: str | None = None
    usdc: str | None = None
    uniswap_router: str | None = None

    @classmethod
    def of(cls, content: Mapping[str, Any], airdrop: AirdropTree) -> Setup:
        """From the JSON form in network.json, and the airdrop's file."""
        lists = {name: tuple(content[name]) for name in ("proposers", "executors")}
        return cls(**{**content, **lists, "airdrop": airdrop})

    def facts(self) -> dict[str, Any]:
        """As recorded: the airdrop by its root."""
        kept = {name: value for name, value in vars(self).items() if name != "airdrop"}
        return {**kept, "airdrop": "0x" + self.airdrop.root.hex()}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Each name whose value differs, with both values."""
    return [
        f"{name} was {old.get(name)!r}, now {new.get(name)!r}"
        for name in [*old, *(name for name in new if name not in old)]
        if old.get(name) != new.get(name)
    ]
