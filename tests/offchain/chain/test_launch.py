"""What `deploy` makes of what it is given: defaults, refusals, and the memory of an earlier run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from web3 import Web3

from assay.chain.anvil import dev_account
from assay.chain.deploy import local_setup
from assay.chain.deployment import AIRDROP_FILE, Deployment, json_form
from assay.chain.launch import Launch, folder_for, network_name, prepare
from assay.chain.parameters import DEMO, STANDARD, TESTNET, ZERO_ADDRESS
from assay.core.errors import ConfigError

DEPLOYER = str(dev_account().address)
PROPOSER = str(dev_account(4).address)


class Chain:
    """A node of which only the chain's id is asked."""

    def __init__(self, chain_id: int) -> None:
        self.eth = self
        self.provider = self
        self.endpoint_uri = "http://node"
        self.chain_id = chain_id

    is_address = staticmethod(Web3.is_address)
    to_checksum_address = staticmethod(Web3.to_checksum_address)


@pytest.fixture
def airdrop(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    path.write_text(f"address,amount\n{PROPOSER},5\n")
    return path


def test_local_chain_needs_nothing(tmp_path: Path) -> None:
    order = prepare(Chain(31_337), Launch("anvil", tmp_path), DEPLOYER)
    assert order.parameters == DEMO
    assert order.setup.facts() == local_setup(DEMO, DEPLOYER).facts()
    assert order.setup.executors == (ZERO_ADDRESS,)
    assert not order.resumes


@pytest.mark.parametrize(
    ("chain_id", "name", "parameters"),
    [
        (84_532, "base-sepolia", TESTNET),
        (11_155_111, "sepolia", TESTNET),
        (1, "chain-1", STANDARD),
    ],
)
def test_public_chain(
    tmp_path: Path, airdrop: Path, chain_id: int, name: str, parameters: object
) -> None:
    assert network_name(chain_id) == name
    assert folder_for(chain_id).parts[-2:] == ("deployments", name)
    launch = Launch(name, tmp_path, airdrop=airdrop, proposers=[PROPOSER.lower()], usdc=DEPLOYER)
    order = prepare(Chain(chain_id), launch, DEPLOYER)
    assert order.parameters == parameters
    assert order.setup.proposers == (PROPOSER,)
    assert order.setup.airdrop.amounts == {PROPOSER: 5}
    assert order.summary()["treasury"] == "the timelock"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"airdrop": None}, "give --airdrop FILE"),
        ({"proposers": ()}, "give --proposer ADDRESS"),
        ({"preset": "demo"}, "the demo preset is for a local chain"),
        ({"preset": "quick"}, "there is no preset 'quick'; choose from standard, testnet, demo"),
        (
            {"network": "sepolia"},
            "sepolia is chain 11155111, the node at http://node is chain 84532",
        ),
        ({"treasury": "0x12"}, "'0x12' is no address"),
        ({"usdc": "somebody"}, "'somebody' is no address"),
        ({"executors": ["nobody"]}, "'nobody' is no address"),
    ],
)
def test_refused(tmp_path: Path, airdrop: Path, change: dict[str, object], reason: str) -> None:
    good = Launch("base-sepolia", tmp_path, airdrop=airdrop, proposers=[PROPOSER])
    with pytest.raises(ConfigError, match=reason):
        prepare(Chain(84_532), replace(good, **change), DEPLOYER)


def test_real_network_needs_a_real_dollar(tmp_path: Path, airdrop: Path) -> None:
    launch = Launch("base", tmp_path, airdrop=airdrop, proposers=[PROPOSER])
    with pytest.raises(ConfigError, match="chain 8453 is no test network: give --usdc ADDRESS"):
        prepare(Chain(8_453), launch, DEPLOYER)


def test_earlier_run_is_remembered(tmp_path: Path, airdrop: Path) -> None:
    launch = Launch(
        "base-sepolia",
        tmp_path,
        preset="standard",
        airdrop=airdrop,
        proposers=[PROPOSER],
        executors=[DEPLOYER],
        treasury=DEPLOYER,
    )
    chain = Chain(84_532)
    order = prepare(chain, launch, DEPLOYER)
    order.setup.airdrop.save(tmp_path / AIRDROP_FILE)
    begun = order.parameters.begun(1_800_000_000)
    Deployment(
        network=launch.network,
        chain_id=84_532,
        block=1,
        deployer=DEPLOYER,
        sources="",
        parameters=json_form(begun.content()),
        setup=json_form(order.setup.facts()),
        contracts={},
    ).save(tmp_path)
    again = prepare(chain, Launch("base-sepolia", tmp_path), DEPLOYER)
    assert again.resumes
    assert again.parameters == begun
    assert again.setup.facts() == order.setup.facts()
    other = prepare(chain, Launch("base-sepolia", tmp_path, executors=[PROPOSER]), DEPLOYER)
    assert other.setup.executors == (PROPOSER,)
    with pytest.raises(ConfigError, match="give --airdrop"):
        prepare(chain, Launch("base-sepolia", tmp_path, fresh=True), DEPLOYER)
