"""The burn auction beside a real Uniswap V2 pool on a real Anvil: fill, supply, profit, sandwich.

The pool is the published bytecode (`assay.chain.uniswap`); every transaction goes through a
`Sender`, as the keeper's do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, log

import pytest

from assay.chain.anvil import Anvil, dev_account
from assay.chain.artifacts import compiled, encoded_arguments
from assay.chain.contract import ContractClient
from assay.chain.deployment import DeployedContract
from assay.chain.node import connect
from assay.chain.sender import Mined, Sender, SendPolicy
from assay.chain.tokens import Token
from assay.chain.treasury import BurnAuction, BurnTaker, FeeRouter
from assay.chain.uniswap import DOLLAR, Pool, UniswapV2
from assay.core.errors import ContractReverted

ETHER = 10**18
SUPPLY = 10**8 * ETHER
MARKET = 4 * ETHER
"""ASSAY wei per dollar in the pool: an ASSAY is worth a quarter of a dollar."""

DEPTH = 1_000_000 * DOLLAR
LOT = 10_000 * DOLLAR
FLOOR = 3 * ETHER
DURATION = 3_600
PARAMETERS = {
    "floor_price": FLOOR,
    "start_multiple_bps": 20_000,
    "duration_seconds": DURATION,
    "cap_usd_micro": 50_000 * DOLLAR,
    "min_lot_usd_micro": 10 * DOLLAR,
    "min_interval_seconds": 86_400,
}
FAST = SendPolicy(poll_seconds=0.005)


@dataclass
class BurnMarket:
    """One chain. The founder owns everything and holds the liquidity; the keeper has ether only;
    the attacker has dollars and ASSAY."""

    anvil: Anvil
    founder: Sender
    keeper: Sender
    attacker: Sender
    assay: Token
    usdc: Token
    auction: BurnAuction
    router: FeeRouter
    taker: BurnTaker
    exchange: UniswapV2
    pool: Pool

    def as_keeper(self) -> BurnTaker:
        return BurnTaker(
            self.taker.web3, "BurnTaker", described("BurnTaker", self.taker), self.keeper
        )

    def start(self, lot: int = LOT) -> None:
        """Dollars arrive as fees, and are auctioned."""
        self.usdc.mint(self.router.address, lot)
        self.router.route()
        self.auction.start()

    def wait_for(self, price: int) -> None:
        """Let time pass until a dollar costs about that many ASSAY wei, and no more."""
        start = self.auction.auction().start_price
        share = log(start / price) / log(start / FLOOR)
        self.mine_at(self.auction.auction().started_at + ceil(share * DURATION) + 1)
        assert price * 998 // 1_000 < self.auction.price() <= price

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What happens within never happened."""
        snapshot = self.anvil.rpc("evm_snapshot")
        yield
        self.anvil.rpc("evm_revert", snapshot)

    def mine_at(self, timestamp: int) -> None:
        self.anvil.rpc("evm_setNextBlockTimestamp", timestamp)
        self.anvil.rpc("evm_mine")

    def now(self) -> int:
        return int(self.pool.web3.eth.get_block("latest")["timestamp"])


def described(name: str, client: ContractClient) -> DeployedContract:
    return DeployedContract(client.address, compiled(name).abi)


def create(sender: Sender, name: str, **values: object) -> DeployedContract:
    artifact = compiled(name)
    data = artifact.bytecode + encoded_arguments(name, artifact.abi, values).hex()
    mined = sender.send(f"{name}.__init__", {"data": data, "value": 0})
    assert mined.contract_address is not None
    return DeployedContract(mined.contract_address, artifact.abi)


def found_market(anvil: Anvil) -> BurnMarket:
    web3 = connect(anvil.url)
    founder, keeper, attacker = (Sender(web3, dev_account(index), FAST) for index in range(3))
    owner = founder.address
    token = create(founder, "AssayToken", genesis_holder=owner, genesis_supply=SUPPLY)
    dollars = create(founder, "TestUSD")
    common = {"payment_token": dollars.address, "owner": owner}
    auction = create(founder, "BurnAuction", assay=token.address, parameters=PARAMETERS, **common)
    router = create(founder, "FeeRouter", auction=auction.address, **common)
    exchange = UniswapV2.deploy(web3, founder)
    names = {"auction": auction.address, "uniswap_router": exchange.router.address}
    taker = create(founder, "BurnTaker", **names)
    assay, usdc = Token(web3, "AssayToken", token, founder), Token(web3, "USDC", dollars, founder)
    usdc.mint(owner, DEPTH)
    exchange.add_liquidity(assay, DEPTH * MARKET // DOLLAR, usdc, DEPTH)
    usdc.mint(attacker.address, DEPTH)
    return BurnMarket(
        anvil,
        founder,
        keeper,
        attacker,
        assay,
        usdc,
        BurnAuction(web3, "BurnAuction", auction, founder),
        FeeRouter(web3, "FeeRouter", router, founder),
        BurnTaker(web3, "BurnTaker", taker, founder),
        exchange,
        exchange.create_pool(assay.address, usdc.address),
    )


@pytest.fixture(scope="module")
def founded_market() -> Iterator[BurnMarket]:
    with Anvil() as node:
        yield found_market(node)


@pytest.fixture
def market(founded_market: BurnMarket) -> Iterator[BurnMarket]:
    with founded_market.undone():
        yield founded_market


def holdings(market: BurnMarket, account: str) -> tuple[int, int]:
    return market.usdc.balance_of(account), market.assay.balance_of(account)


def test_the_keeper_fills_the_lot_with_nothing_in_hand(market: BurnMarket) -> None:
    """Fees arrive, are auctioned, and buy and burn ASSAY in one transaction; its gas."""
    market.start()
    # Two percent under the market: the pool's fee, the lot's own weight, and a bit to earn.
    market.wait_for(MARKET * 98 // 100)
    supply, before = market.assay.total_supply(), market.pool.reserves()
    mined = market.as_keeper().fill(LOT, 1)
    burned = market.auction.auction().burned
    assert market.assay.total_supply() == supply - burned
    assert market.auction.last_price() == burned * DOLLAR // LOT
    profit = before.assay_for(LOT) - burned
    assert profit > 0
    assert holdings(market, market.keeper.address) == (0, profit)
    assert holdings(market, market.taker.address) == (0, 0)
    assert market.usdc.balance_of(market.auction.address) == 0
    assert market.pool.reserves().assay == before.assay - burned - profit
    assert not market.auction.is_live()
    assert mined.gas_used < 260_000, mined.gas_used


def test_take_with_assay_in_hand(market: BurnMarket) -> None:
    """The same without a pool; its gas."""
    market.start()
    market.assay.approve(market.auction.address, 2**256 - 1)
    supply = market.assay.total_supply()
    part = market.auction.take(LOT // 2, 2**256 - 1, market.founder.address)
    rest = market.auction.take(LOT, 2**256 - 1, market.founder.address)
    assert market.assay.total_supply() == supply - market.auction.auction().burned
    assert market.usdc.balance_of(market.founder.address) == LOT
    assert max(part.gas_used, rest.gas_used) < 160_000, (part.gas_used, rest.gas_used)


def test_the_best_part_gains_most(market: BurnMarket) -> None:
    """`Reserves.best_fill` in a pool that a whole lot would move too far."""
    market.start(50_000 * DOLLAR)
    market.wait_for(MARKET * 97 // 100)
    at = market.now() + 5
    with market.undone():
        market.mine_at(at)
        best = market.pool.reserves().best_fill(market.auction.price())
    assert 0 < best < 25_000 * DOLLAR
    profits = {}
    for part in (best // 2, best * 9 // 10, best, best * 11 // 10, best * 3 // 2):
        with market.undone():
            market.anvil.rpc("evm_setNextBlockTimestamp", at)
            market.as_keeper().fill(part, 0)
            assert market.now() == at
            profits[part] = market.assay.balance_of(market.keeper.address)
    assert max(profits, key=lambda part: profits[part]) == best


def test_nothing_happens_above_the_market(market: BurnMarket) -> None:
    market.start()
    with pytest.raises(ContractReverted, match="INSUFFICIENT_OUTPUT_AMOUNT"):
        market.as_keeper().fill(LOT, 0)
    assert market.auction.auction().left_usd_micro == LOT


def test_parts_until_nothing_is_left(market: BurnMarket) -> None:
    market.start()
    market.wait_for(MARKET * 95 // 100)
    supply = market.assay.total_supply()
    for part in (1, LOT // 3, LOT):
        market.as_keeper().fill(part, 0)
        assert holdings(market, market.taker.address) == (0, 0)
    assert not market.auction.is_live()
    assert market.assay.total_supply() == supply - market.auction.auction().burned


def largest_front_run(market: BurnMarket, least: int) -> int:
    """Dollars that a front-runner can spend first with the lot still giving `least` ASSAY."""
    low, high = 0, DEPTH
    while high - low > 1:
        middle = (low + high) // 2
        reserves = market.pool.reserves()
        bought = reserves.assay_for(middle)
        moved = type(reserves)(reserves.assay - bought, reserves.usd_micro + middle)
        low, high = (middle, high) if moved.assay_for(LOT) >= least else (low, middle)
    return low


def sandwich(market: BurnMarket, front_run: int, min_profit: int) -> Mined:
    """Buy ASSAY before the keeper's fill, sell it after; returns the fill."""
    attack = UniswapV2(market.pool.web3, market.exchange.router.address, market.attacker)
    assay, usdc = (
        Token(market.pool.web3, token.name, described(kind, token), market.attacker)
        for token, kind in ((market.assay, "AssayToken"), (market.usdc, "TestUSD"))
    )
    attack.swap(usdc, front_run, assay, 0)
    try:
        return market.as_keeper().fill(LOT, min_profit)
    finally:
        attack.swap(assay, assay.balance_of(market.attacker.address), usdc, 0)


@pytest.mark.parametrize("share", [0, 50, 90, 99])
def test_a_sandwich_takes_what_min_profit_leaves_and_no_more(
    market: BurnMarket, share: int
) -> None:
    """The attacker buys as much as the keeper's limit (`share` percent of the expected profit)
    bears. The keeper still gets its limit, the burn is what it was, and the attacker has at most
    the rest."""
    market.start()
    market.wait_for(MARKET * 95 // 100)
    # The price at which the fill would run now; it only falls until it does.
    due = market.auction.quote(LOT)
    expected = market.pool.reserves().assay_for(LOT) - due
    min_profit = expected * share // 100
    dollars = market.usdc.balance_of(market.attacker.address)
    supply, price = market.assay.total_supply(), market.pool.price()
    sandwich(market, largest_front_run(market, due + min_profit), min_profit)
    burned = market.auction.auction().burned
    assert market.assay.total_supply() == supply - burned
    profit = market.assay.balance_of(market.keeper.address)
    assert min_profit <= profit < expected + due - burned
    gained = market.usdc.balance_of(market.attacker.address) - dollars
    # In dollars at the price before; seconds pass, so the falling price is the keeper's.
    left_open = (expected + due - burned - profit) * DOLLAR // price
    assert gained <= left_open <= (expected + due - burned - min_profit) * DOLLAR // price
    assert market.assay.balance_of(market.attacker.address) == 0
    assert holdings(market, market.taker.address) == (0, 0)


def test_a_sandwich_that_takes_more_stops_the_fill_and_loses(market: BurnMarket) -> None:
    market.start()
    market.wait_for(MARKET * 95 // 100)
    due = market.auction.quote(LOT)
    min_profit = (market.pool.reserves().assay_for(LOT) - due) * 99 // 100
    dollars = market.usdc.balance_of(market.attacker.address)
    front_run = 2 * largest_front_run(market, due + min_profit)
    with pytest.raises(ContractReverted, match="INSUFFICIENT_OUTPUT_AMOUNT"):
        sandwich(market, front_run, min_profit)
    assert market.auction.auction().left_usd_micro == LOT
    assert market.usdc.balance_of(market.attacker.address) < dollars
    market.as_keeper().fill(LOT, 1)
    assert not market.auction.is_live()


def test_moving_the_pool_does_not_move_the_auction(market: BurnMarket) -> None:
    """The auction asks no pool: what a whale does to the market changes neither price nor burn."""
    market.start()
    at = market.now() + 600
    with market.undone():
        market.mine_at(at)
        price = market.auction.price()
    attack = UniswapV2(market.pool.web3, market.exchange.router.address, market.attacker)
    usdc = Token(market.pool.web3, "TestUSD", described("TestUSD", market.usdc), market.attacker)
    attack.swap(usdc, DEPTH, market.assay, 0)
    assert market.pool.price() < MARKET // 2
    market.mine_at(at)
    assert market.auction.price() == price
