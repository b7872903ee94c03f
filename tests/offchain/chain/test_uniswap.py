"""Uniswap V2 as npm publishes it: the packages fit, a pool on a real Anvil answers as computed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3

from assay.chain import uniswap
from assay.chain.artifacts import compiled, encoded_arguments
from assay.chain.deployment import DeployedContract
from assay.chain.sender import Sender
from assay.chain.tokens import Token
from assay.chain.uniswap import DOLLAR, Pool, Reserves, UniswapV2, load_code, packages
from assay.core.errors import ChainError, ContractReverted, DeploymentMismatch, EnvironmentMissing

ETHER = 10**18
SUPPLY = 10**6 * ETHER
PRICE = 4 * ETHER
"""ASSAY wei per dollar: an ASSAY is worth a quarter of a dollar."""

DEPTH = 50_000 * DOLLAR


@pytest.fixture
def copied_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The packages' builds, to be spoiled."""
    for package in ("v2-core", "v2-periphery"):
        (tmp_path / package / "build").mkdir(parents=True)
    for name, package in uniswap.PLACES.items():
        part = Path(package) / "build" / f"{name}.json"
        shutil.copy(packages() / part, tmp_path / part)
    monkeypatch.setenv("ASSAY_UNISWAP", str(tmp_path))
    return tmp_path


def spoil(path: Path, change: Callable[[str], str]) -> None:
    content = json.loads(path.read_text())
    content["bytecode"] = change(content["bytecode"])
    path.write_text(json.dumps(content))


def test_the_published_code_fits(copied_packages: Path) -> None:
    assert set(load_code()) == set(uniswap.PLACES)


@pytest.mark.parametrize("name", ["UniswapV2Pair", "UniswapV2Factory"])
def test_another_pair_is_refused(copied_packages: Path, name: str) -> None:
    """As a pair compiled anew would be: its metadata hash differs."""
    pair = load_code()["UniswapV2Pair"].bytecode
    path = copied_packages / "v2-core" / "build" / f"{name}.json"
    spoil(path, lambda code: code.replace(pair[-8:], "deadbeef"))
    uniswap._load.cache_clear()
    with pytest.raises(EnvironmentMissing, match="must be the factory's"):
        load_code()


def test_a_router_of_other_pairs_is_refused(copied_packages: Path) -> None:
    path = copied_packages / "v2-periphery" / "build" / "UniswapV2Router02.json"
    spoil(path, lambda code: code.replace(uniswap.PAIR_HASH, "00" * 32))
    with pytest.raises(EnvironmentMissing, match="does not know pairs"):
        load_code()


def test_missing_packages_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_UNISWAP", str(tmp_path))
    with pytest.raises(EnvironmentMissing, match="is not what npm publishes"):
        load_code()
    monkeypatch.setenv("ASSAY_UNISWAP", str(tmp_path / "nothing"))
    with pytest.raises(EnvironmentMissing, match=r"run \./scripts/setup"):
        load_code()


def create(web3: Web3, sender: Sender, name: str, **values: object) -> Token:
    artifact = compiled(name)
    arguments = encoded_arguments(name, artifact.abi, values)
    data = artifact.bytecode + arguments.hex()
    mined = sender.send(f"{name}.__init__", {"data": data, "value": 0})
    assert mined.contract_address is not None
    return Token(web3, name, DeployedContract(mined.contract_address, artifact.abi), sender)


@pytest.fixture
def tokens(web3: Web3, sender: Sender) -> tuple[Token, Token]:
    """ASSAY and dollars, the sender's."""
    genesis = {"genesis_holder": sender.address, "genesis_supply": SUPPLY}
    assay = create(web3, sender, "AssayToken", **genesis)
    usdc = create(web3, sender, "TestUSD")
    usdc.mint(sender.address, 2 * DEPTH)
    return assay, usdc


@pytest.fixture
def exchange(web3: Web3, sender: Sender) -> UniswapV2:
    return UniswapV2.deploy(web3, sender)


def filled_pool(exchange: UniswapV2, tokens: tuple[Token, Token]) -> Pool:
    assay, usdc = tokens
    exchange.add_liquidity(assay, DEPTH * PRICE // DOLLAR, usdc, DEPTH)
    pool = exchange.pool(assay.address, usdc.address)
    assert pool is not None
    return pool


def test_pool_and_liquidity(exchange: UniswapV2, tokens: tuple[Token, Token]) -> None:
    assay, usdc = tokens
    assert exchange.pool(assay.address, usdc.address) is None
    pool = exchange.create_pool(assay.address, usdc.address)
    assert exchange.create_pool(assay.address, usdc.address).address == pool.address
    assert pool.reserves() == Reserves(0, 0)
    with pytest.raises(ChainError, match="is empty; add liquidity first"):
        pool.price()
    filled_pool(exchange, tokens)
    assert pool.reserves() == Reserves(DEPTH * PRICE // DOLLAR, DEPTH)
    assert pool.price() == PRICE
    assert usdc.balance_of(pool.address) == DEPTH


def test_swaps_give_what_the_reserves_say(
    exchange: UniswapV2, tokens: tuple[Token, Token], sender: Sender
) -> None:
    assay, usdc = tokens
    pool = filled_pool(exchange, tokens)
    expected, held = pool.reserves().assay_for(1_234_567_890), assay.balance_of(sender.address)
    exchange.swap(usdc, 1_234_567_890, assay, expected)
    assert assay.balance_of(sender.address) == held + expected
    back, dollars = pool.reserves().usd_micro_for(expected), usdc.balance_of(sender.address)
    exchange.swap(assay, expected, usdc, back)
    assert usdc.balance_of(sender.address) == dollars + back
    with pytest.raises(ContractReverted, match="INSUFFICIENT_OUTPUT_AMOUNT"):
        exchange.swap(usdc, DOLLAR, assay, pool.reserves().assay_for(DOLLAR) + 1)


def test_a_router_that_exists_already(
    web3: Web3, exchange: UniswapV2, tokens: tuple[Token, Token]
) -> None:
    pool = filled_pool(exchange, tokens)
    reader = UniswapV2(web3, exchange.router.address)
    found = reader.pool(*(token.address for token in tokens))
    assert found is not None and found.address == pool.address
    with pytest.raises(ChainError, match="has no account"):
        reader.add_liquidity(tokens[0], 1, tokens[1], 1)


def test_a_pool_of_other_tokens_is_refused(
    web3: Web3, exchange: UniswapV2, tokens: tuple[Token, Token]
) -> None:
    pool = filled_pool(exchange, tokens)
    with pytest.raises(DeploymentMismatch, match="is not in it"):
        Pool(web3, pool.address, exchange.router.address)


@given(
    assay=st.integers(10**18, 10**26),
    usd_micro=st.integers(10**6, 10**13),
    share=st.integers(1, 20_000),
)
def test_best_fill(assay: int, usd_micro: int, share: int) -> None:
    """No other amount gains more, but for the wei that integers cost."""
    reserves = Reserves(assay, usd_micro)
    price = max(1, reserves.price * share // 10_000)

    def profit(dollars: int) -> int:
        return reserves.assay_for(dollars) - -(-dollars * price // DOLLAR)

    best = reserves.best_fill(price)
    if share >= 9_970:  # the fee of the pool
        assert best <= 1
    for other in (0, best // 2, best - best // 100, best + best // 100 + 1, 2 * best + 1):
        assert profit(best) + 2 + price // DOLLAR >= profit(other)


def test_a_price_of_nothing_has_no_best_fill() -> None:
    with pytest.raises(ValueError, match="a price is positive"):
        Reserves(1, 1).best_fill(0)
