"""Uniswap V2 on a chain of one's own: the published bytecode, a pool of ASSAY and dollars.

The code comes from the npm packages @uniswap/v2-core and @uniswap/v2-periphery as they were
published (`build/*.json`), never from a compiler. That is why it works unpatched: the router
computes a pair's address by CREATE2 from the hash of the pair's creation code, which is a constant
in its library, and a fresh compilation would change that hash by the metadata at its end.
`load_code` checks that factory, pair and router of the packages agree on it.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from functools import cache
from math import isqrt
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from web3 import Web3

from assay.chain.contract import ContractClient
from assay.chain.deployment import DeployedContract
from assay.chain.sender import Mined, Sender
from assay.chain.tokens import Token
from assay.core.errors import ChainError, DeploymentMismatch, EnvironmentMissing

PAIR_HASH = "96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f"
"""Keccak hash of the pair's creation code: UniswapV2Library's constant, the same everywhere."""

DOLLAR = 10**6
DEADLINE_SECONDS = 3_600
ZERO_ADDRESS = "0x" + "00" * 20

PLACES = {
    "UniswapV2Factory": "v2-core",
    "UniswapV2Pair": "v2-core",
    "UniswapV2Router02": "v2-periphery",
    "WETH9": "v2-periphery",
}


@dataclass(frozen=True)
class Code:
    """A published contract: its ABI and its creation code as hex without 0x."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str


def packages() -> Path:
    """The folder @uniswap of npm: $ASSAY_UNISWAP, else where the set-up puts it."""
    override = os.environ.get("ASSAY_UNISWAP")
    folder = Path(override or Path(sys.prefix) / "node" / "node_modules" / "@uniswap")
    if not folder.is_dir():
        raise EnvironmentMissing(
            f"Uniswap's npm packages are not in {folder}; run ./scripts/setup (it installs them), "
            "or set ASSAY_UNISWAP to a folder that holds v2-core and v2-periphery"
        )
    return folder


def load_code() -> dict[str, Code]:
    """Every contract of PLACES; EnvironmentMissing if they do not fit together."""
    return _load(packages())


@cache
def _load(folder: Path) -> dict[str, Code]:
    codes = {}
    for name, package in PLACES.items():
        path = folder / package / "build" / f"{name}.json"
        try:
            content = json.loads(path.read_text())
            codes[name] = Code(name, content["abi"], str(content["bytecode"]).removeprefix("0x"))
        except (OSError, ValueError, KeyError) as error:
            raise EnvironmentMissing(
                f"{path} is not what npm publishes ({type(error).__name__}: {error}); remove "
                ".venv/node and run ./scripts/setup"
            ) from error
    _check_pair_hash(codes)
    return codes


def _check_pair_hash(codes: dict[str, Code]) -> None:
    pair = codes["UniswapV2Pair"].bytecode
    found = keccak(hexstr=pair).hex()
    if found != PAIR_HASH or pair not in codes["UniswapV2Factory"].bytecode:
        raise EnvironmentMissing(
            f"the pair of @uniswap/v2-core has the hash {found}, {PAIR_HASH} is expected and must "
            "be the factory's; install the versions that scripts/node/package.json names"
        )
    if PAIR_HASH not in codes["UniswapV2Router02"].bytecode:
        raise EnvironmentMissing(
            f"the router of @uniswap/v2-periphery does not know pairs of the hash {PAIR_HASH}; "
            "install the versions that scripts/node/package.json names"
        )


@dataclass(frozen=True)
class Reserves:
    """What a pool holds: ASSAY wei, micro-USD."""

    assay: int
    usd_micro: int

    @property
    def price(self) -> int:
        """ASSAY wei per dollar, the burn auction's unit; before the pool's fee, rounded down."""
        return self.assay * DOLLAR // self.usd_micro

    def assay_for(self, usd_micro: int) -> int:
        """ASSAY wei that the pool gives for dollars, its fee of 0.3 % taken."""
        paid = usd_micro * 997
        return paid * self.assay // (self.usd_micro * 1_000 + paid)

    def usd_micro_for(self, assay: int) -> int:
        """Micro-USD that the pool gives for ASSAY, its fee taken."""
        paid = assay * 997
        return paid * self.usd_micro // (self.assay * 1_000 + paid)

    def best_fill(self, price: int) -> int:
        """Dollars, in micro-USD, that gain most when bought at `price` (ASSAY wei per dollar) and
        sold here; 0 when none gain.

        The maximum of `assay_for(x) - x * price / DOLLAR`: where the pool's marginal price,
        997,000 · assay · usd / (1,000 · usd + 997 · x)², meets the auction's.
        """
        if price <= 0:
            raise ValueError(f"a price is positive, this one is {price}")
        root = isqrt(997_000 * self.assay * self.usd_micro * DOLLAR // price)
        return max(0, (root - 1_000 * self.usd_micro) // 997)


class Pool(ContractClient):
    """A UniswapV2Pair of ASSAY and dollars."""

    def __init__(self, web3: Web3, address: str, assay: str, sender: Sender | None = None) -> None:
        deployed = DeployedContract(address, load_code()["UniswapV2Pair"].abi)
        super().__init__(web3, "UniswapV2Pair", deployed, sender)
        first, second = str(self.read("token0")), str(self.read("token1"))
        if assay not in (first, second):
            raise DeploymentMismatch(
                f"the pair at {address} is of {first} and {second}, {assay} is not in it"
            )
        self._assay_first = assay == first

    def reserves(self, block: int | None = None) -> Reserves:
        first, second, _ = self.read("getReserves", block=block)
        assay, usd_micro = (first, second) if self._assay_first else (second, first)
        return Reserves(int(assay), int(usd_micro))

    def price(self) -> int:
        """ASSAY wei per dollar; ChainError while the pool is empty."""
        reserves = self.reserves()
        if reserves.usd_micro == 0:
            raise ChainError(f"the pair at {self.address} is empty; add liquidity first")
        return reserves.price


class UniswapV2:
    """A factory and the router that belongs to it; amounts are ASSAY wei and micro-USD."""

    def __init__(self, web3: Web3, router: str, sender: Sender | None = None) -> None:
        """Use a router that exists; `deploy` makes one."""
        self.web3 = web3
        self._sender = sender
        self._codes = load_code()
        self.router = self._client("UniswapV2Router02", router)
        self.factory = self._client("UniswapV2Factory", str(self.router.read("factory")))

    @classmethod
    def deploy(cls, web3: Web3, sender: Sender) -> UniswapV2:
        """Factory, WETH9 and router, three transactions of the sender's."""
        codes = load_code()

        def create(name: str, *addresses: str) -> str:
            arguments = encode(["address"] * len(addresses), addresses).hex()
            data = "0x" + codes[name].bytecode + arguments
            mined = sender.send(f"{name}.constructor", {"data": data, "value": 0})
            if mined.contract_address is None:
                raise ChainError(f"{name}: transaction {mined.hash} created no contract")
            return str(mined.contract_address)

        factory = create("UniswapV2Factory", sender.address)  # who may name a fee's receiver
        return cls(web3, create("UniswapV2Router02", factory, create("WETH9")), sender)

    def pool(self, assay: str, usdc: str) -> Pool | None:
        """The pair of two tokens, if there is one."""
        address = str(self.factory.read("getPair", assay, usdc))
        return None if address == ZERO_ADDRESS else Pool(self.web3, address, assay, self._sender)

    def create_pool(self, assay: str, usdc: str) -> Pool:
        """The pair of two tokens, made if need be."""
        found = self.pool(assay, usdc)
        if found is not None:
            return found
        self.factory.write("createPair", assay, usdc)
        created = self.pool(assay, usdc)
        if created is None:
            raise ChainError(f"{self.factory.address} knows no pair of {assay} and {usdc}")
        return created

    def add_liquidity(self, assay: Token, assay_amount: int, usdc: Token, usd_micro: int) -> Mined:
        """Add to the pair from the sender's tokens, which are approved as needed.

        The first liquidity sets the price; later the router takes as much of the two amounts as
        keeps it. The pair is made if need be.
        """
        sender = self._require_sender()
        assay.ensure_allowance(sender, self.router.address, assay_amount)
        usdc.ensure_allowance(sender, self.router.address, usd_micro)
        tokens = (assay.address, usdc.address)
        amounts = (assay_amount, usd_micro, 0, 0)
        return self.router.write("addLiquidity", *tokens, *amounts, sender, self._deadline())

    def swap(self, sold: Token, amount: int, bought: Token, least: int) -> Mined:
        """Sell tokens of the sender's for at least `least` of the other."""
        sender = self._require_sender()
        sold.ensure_allowance(sender, self.router.address, amount)
        path = [sold.address, bought.address]
        return self.router.write(
            "swapExactTokensForTokens", amount, least, path, sender, self._deadline()
        )

    def _client(self, name: str, address: str) -> ContractClient:
        deployed = DeployedContract(address, self._codes[name].abi)
        return ContractClient(self.web3, name, deployed, self._sender)

    def _deadline(self) -> int:
        return int(self.web3.eth.get_block("latest")["timestamp"]) + DEADLINE_SECONDS

    def _require_sender(self) -> str:
        if self._sender is None:
            raise ChainError("this Uniswap client has no account; give it a sender")
        return self._sender.address
