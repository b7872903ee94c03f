"""From what a person gives to `deploy`: which network, which preset, whose addresses.

What is not given is taken from the deployment that an earlier run began in the folder, else from
the defaults below. Only a local chain has defaults for everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web3 import Web3

from assay.chain.airdrop import AirdropTree
from assay.chain.deploy import Progress, deploy, local_setup
from assay.chain.deployment import AIRDROP_FILE, Deployment
from assay.chain.node import node_errors, url_of
from assay.chain.parameters import PRESETS, Parameters, Setup
from assay.chain.powers import TEST_CHAINS
from assay.chain.sender import Sender
from assay.core.errors import ConfigError
from assay.core.settings import LOCAL_CHAIN_ID

DEPLOYMENTS = Path("deployments")  # in the working directory, as ASSAY_DEPLOYMENT's default

CHAIN_IDS = {"anvil": LOCAL_CHAIN_ID, "base-sepolia": 84_532, "sepolia": 11_155_111}
"""Networks whose names mean one chain; any other name is free."""

DEFAULT_PRESETS = {31_337: "demo", 84_532: "testnet", 11_155_111: "testnet"}


def network_name(chain_id: int) -> str:
    """The usual name of a chain, or a plain one."""
    names = {known: name for name, known in CHAIN_IDS.items()}
    return names.get(chain_id, f"chain-{chain_id}")


def folder_for(chain_id: int) -> Path:
    """Where a chain's deployment lies unless somebody says otherwise."""
    return DEPLOYMENTS / network_name(chain_id)


@dataclass(frozen=True)
class Launch:
    """What a person gives; None and () stand for not given.

    network         the folder's name and the deployment's
    folder          None: deployments/<network>
    preset          a name in `parameters.PRESETS`
    airdrop         a CSV file of address,amount (10**-18 ASSAY)
    proposers, …    as in `parameters.Setup`
    fresh           begin anew although the folder holds a deployment
    """

    network: str
    folder: Path | None = None
    preset: str | None = None
    airdrop: Path | None = None
    proposers: Sequence[str] = ()
    executors: Sequence[str] = ()
    treasury: str | None = None
    usdc: str | None = None
    uniswap_router: str | None = None
    fresh: bool = False

    @property
    def place(self) -> Path:
        return self.folder or DEPLOYMENTS / self.network


@dataclass(frozen=True)
class Order:
    """What will be deployed: ready to be shown to a person, then carried out."""

    launch: Launch
    chain_id: int
    parameters: Parameters
    setup: Setup
    resumes: bool

    def carry_out(self, web3: Web3, sender: Sender, progress: Progress) -> Deployment:
        launch = self.launch
        return deploy(
            web3,
            sender,
            self.parameters,
            self.setup,
            launch.network,
            launch.place,
            progress,
            launch.fresh,
        )

    def summary(self) -> dict[str, Any]:
        """The choices that a person should see before paying for them."""
        setup = self.setup
        return {
            "network": f"{self.launch.network}, chain {self.chain_id}",
            "folder": str(self.launch.place),
            "resumes": self.resumes,
            "challenge window": f"{self.parameters.window_seconds:,} s",
            "timelock": f"{self.parameters.timelock_seconds:,} s",
            "proposers": ", ".join(setup.proposers),
            "executors": ", ".join(setup.executors),
            "treasury": setup.treasury or "the timelock",
            "USDC": setup.usdc or "a test dollar",
            "Uniswap router": setup.uniswap_router or "none, so no taker",
            "airdrop": f"{len(setup.airdrop.amounts):,} accounts, "
            f"{setup.airdrop.total / 10**18:,.2f} ASSAY",
        }


def prepare(web3: Web3, launch: Launch, deployer: str) -> Order:
    """Complete what was given; ConfigError says what is missing or contradicts the node."""
    with node_errors(url_of(web3)):
        chain_id = web3.eth.chain_id
    expected = CHAIN_IDS.get(launch.network)
    if expected not in (None, chain_id):
        raise ConfigError(
            f"{launch.network} is chain {expected}, the node at {url_of(web3)} is chain "
            f"{chain_id}; fix the RPC endpoint or choose another --network"
        )
    begun = None if launch.fresh else Deployment.read(launch.place)
    parameters = _parameters(launch, chain_id, begun)
    setup = _setup(web3, launch, chain_id, begun, parameters, deployer)
    return Order(launch, chain_id, parameters, setup, begun is not None)


def _parameters(launch: Launch, chain_id: int, begun: Deployment | None) -> Parameters:
    if launch.preset is None and begun is not None:
        return Parameters.of(begun.parameters)
    name = launch.preset or DEFAULT_PRESETS.get(chain_id, "standard")
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; choose from {', '.join(PRESETS)}")
    if name == "demo" and chain_id != LOCAL_CHAIN_ID:
        raise ConfigError(
            f"the demo preset is for a local chain (id {LOCAL_CHAIN_ID}), this one is {chain_id}; "
            "use --preset testnet or standard"
        )
    return PRESETS[name]


def _setup(
    web3: Web3,
    launch: Launch,
    chain_id: int,
    begun: Deployment | None,
    parameters: Parameters,
    deployer: str,
) -> Setup:
    base: Setup | None = None
    if begun is not None:
        base = Setup.of(begun.setup, AirdropTree.load(launch.place / AIRDROP_FILE))
    elif chain_id == LOCAL_CHAIN_ID:
        base = local_setup(parameters, deployer)
    airdrop = base.airdrop if base else None
    if launch.airdrop is not None:
        airdrop = AirdropTree.read_csv(launch.airdrop)
    proposers = _addresses(web3, launch.proposers) or (base.proposers if base else ())
    if airdrop is None or not proposers:
        missing = "--airdrop FILE" if airdrop is None else "--proposer ADDRESS"
        raise ConfigError(
            f"{launch.network} (chain {chain_id}) is no local chain: give {missing}. There is no "
            "default for who gets the airdrop and who proposes to the timelock"
        )
    old = base or Setup(airdrop, proposers)
    usdc = _address(web3, launch.usdc) or old.usdc
    if usdc is None and chain_id not in TEST_CHAINS:
        raise ConfigError(
            f"chain {chain_id} is no test network: give --usdc ADDRESS. A test dollar, which its "
            "deployer mints, has no place there"
        )
    return Setup(
        airdrop=airdrop,
        proposers=proposers,
        executors=_addresses(web3, launch.executors) or old.executors,
        treasury=_address(web3, launch.treasury) or old.treasury,
        usdc=usdc,
        uniswap_router=_address(web3, launch.uniswap_router) or old.uniswap_router,
    )


def _addresses(web3: Web3, given: Sequence[str]) -> tuple[str, ...]:
    return tuple(found for text in given if (found := _address(web3, text)))


def _address(web3: Web3, text: str | None) -> str | None:
    if text is None:
        return None
    if not web3.is_address(text):
        raise ConfigError(f"{text!r} is no address; write 0x and 40 hex digits")
    return str(web3.to_checksum_address(text))
