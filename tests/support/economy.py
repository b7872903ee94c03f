"""The token economy on titanoboa: every contract of it, linked, owned by one account.

The owner is a plain account instead of the timelock, so that suites about a setter need no delay;
the timelock has a suite of its own. Nothing is funded but the treasury, which holds the genesis
supply less the airdrop.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import boa

from tests.support.evm import DAY, deployer, now

ETHER = 10**18
DOLLAR = 10**6
GENESIS = 100_000_000 * ETHER
AIRDROP = GENESIS // 2
RATES = tuple(int(rate * 10**6) * ETHER for rate in (14, 10, 8, 6, 5, 4, 3, 2.5, 2))
STAGE_SECONDS = 200 * DAY
CORNERS = ((0, 9_000), (3_000, 7_500), (7_000, 5_000), (10_000, 3_000))
CAPACITY = 10_000 * DOLLAR
CURVE = (90 * ETHER, 2 * ETHER, 38_000 * ETHER)
STAKE_COOLDOWN = 7 * DAY
KARAT_COOLDOWN = DAY
WITHDRAWAL_DELAY = 100_000
FEE_BPS = 500
# Floor, multiple, duration, cap, least lot, interval.
AUCTION = (ETHER // 10, 20_000, 3_600, 50_000 * DOLLAR, 10 * DOLLAR, DAY)


@dataclass(repr=False)
class Economy:
    """Contracts by name (`token`, `usdc`, `emissions`, `staking`, `karat`, `minter`, `auction`,
    `router`, `ledger`), and an account per role."""

    deployer: str
    owner: str
    treasury: str
    contracts: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["contracts"][name]
        except KeyError:
            raise AttributeError(name) from None

    def give(self, account: str, assay: int = 0, usd_micro: int = 0) -> str:
        """Tokens from the treasury and dollars from the mint; returns the account."""
        if assay:
            self.token.transfer(account, assay, sender=self.treasury)
        if usd_micro:
            self.usdc.mint(account, usd_micro, sender=self.deployer)
        return account

    def stake(self, account: str, amount: int) -> None:
        """Give an account ASSAY and stake it."""
        self.give(account, assay=amount)
        self.token.approve(self.staking.address, amount, sender=account)
        self.staking.stake(amount, sender=account)

    def deposit(self, account: str, amount: int) -> None:
        """Give an account dollars and deposit them."""
        self.give(account, usd_micro=amount)
        self.usdc.approve(self.ledger.address, amount, sender=account)
        self.ledger.deposit(amount, sender=account)

    def mint_karat(self, account: str, locked: int) -> int:
        """Stake and lock that much ASSAY; stakes the KARAT it gives, and returns how much."""
        self.stake(account, locked)
        minted = int(self.minter.mint(locked, 0, sender=account))
        self.karat.stake(minted, sender=account)
        return minted


def stages(first: int | None = None) -> list[tuple[int, int]]:
    """The schedule from a timestamp, the start of the current block unless said otherwise."""
    begin = now() if first is None else first
    return [(begin + index * STAGE_SECONDS, rate) for index, rate in enumerate(RATES)]


def deploy_economy() -> Economy:
    """Deploy and link everything but the settlement's side (`ledger.set_settlement`)."""
    role = boa.env.generate_address
    economy = Economy(role("deployer"), role("owner"), role("treasury"))
    with boa.env.prank(economy.deployer):
        deploy_economy_parts(economy.contracts, economy.owner, economy.treasury)
        link_economy(economy.contracts)
    return economy


def deploy_economy_parts(parts: dict[str, Any], owner: str, treasury: str) -> None:
    """Deploy all contracts, unlinked, from the account that is pranked."""
    parts["token"] = deployer("tokens/AssayToken")(treasury, GENESIS)
    parts["usdc"] = deployer("mocks/TestUSD")()
    parts["emissions"] = deployer("emissions/EmissionController")(
        parts["token"], owner, stages(), CORNERS, CAPACITY
    )
    parts["staking"] = deployer("staking/Staking")(
        parts["token"], parts["emissions"], STAKE_COOLDOWN
    )
    parts["karat"] = deployer("tokens/KaratToken")(KARAT_COOLDOWN)
    parts["minter"] = deployer("staking/CreditMinter")(
        parts["staking"], parts["karat"], owner, CURVE
    )
    parts["auction"] = deployer("treasury/BurnAuction")(
        parts["usdc"], parts["token"], owner, AUCTION
    )
    parts["router"] = deployer("treasury/FeeRouter")(parts["usdc"], parts["auction"], owner)
    parts["ledger"] = deployer("network/CreditLedger")(
        *(parts[name] for name in ("usdc", "karat", "staking", "emissions", "router")),
        owner,
        FEE_BPS,
        WITHDRAWAL_DELAY,
    )


def link_economy(parts: dict[str, Any]) -> None:
    parts["token"].set_minter(parts["emissions"])
    parts["emissions"].set_links(parts["staking"], parts["ledger"])
    parts["staking"].set_minter(parts["minter"])
    parts["karat"].set_links(parts["minter"], parts["ledger"])
