"""Who can do what: the table covers every function, and the chain is asked, not believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assay.chain.artifacts import compiled
from assay.chain.network import Network
from assay.chain.parameters import DEMO
from assay.chain.plan import LINKS
from assay.chain.powers import GUARDS, Power, powers, writers
from assay.chain.timelock import Operation
from tests.offchain.chain.economy import Deployed

ZERO_SLOT = "0x" + "00" * 32


def wrong(network: Network) -> dict[str, str]:
    return {power.contract: power.wrong for power in powers(network) if power.wrong}


def of(found: list[Power], contract: str) -> dict[str, Power]:
    return {power.guard: power for power in found if power.contract == contract}


@pytest.mark.parametrize("role", GUARDS)
def test_table_has_every_function_once(role: str) -> None:
    """An ABI that gains a function fails here until somebody says who may call it."""
    named = [name for functions in GUARDS[role].values() for name in functions]
    assert len(named) == len(set(named))
    assert set(named) == writers(compiled("TestUSD" if role == "USDC" else role).abi)


def test_default_behavior(town: Deployed) -> None:
    found = powers(town.network)
    assert not any(power.wrong for power in found)
    timelock = of(found, "Timelock")
    assert timelock["PROPOSER_ROLE"].holders == ("deployer",)
    assert timelock["PROPOSER_ROLE"].note == "acts after 3,600 s"
    assert timelock["EXECUTOR_ROLE"].holders == ("anyone",)
    assert timelock["DEFAULT_ADMIN_ROLE"].holders == ("Timelock",)
    assert of(found, "AssayToken")["minter()"].holders == ("EmissionController",)
    assert of(found, "AssayToken")["deployer, once"].holders == ("nobody",)
    assert of(found, "Settlement")["game()"].holders == ("DisputeGame",)
    assert of(found, "USDC")["is_minter"].holders == ("deployer",)
    owners = {power.holders for power in found if power.guard == "owner"}
    assert owners == {("Timelock",), ("deployer",)}


def execute(town: Deployed, role: str, function: str, *arguments: object) -> None:
    """Let the timelock call a function of a contract."""
    network = town.network
    clients = [c for c in vars(network).values() if getattr(c, "name", "") == role]
    data = clients[0].contract.functions[function](*arguments)._encode_transaction_data()
    operation = Operation(clients[0].address, bytes.fromhex(data[2:]))
    network.timelock.schedule(operation, DEMO.timelock_seconds)
    town.pass_time(DEMO.timelock_seconds + 1)
    network.timelock.execute(operation)


def test_owner_that_is_not_the_timelock(town: Deployed) -> None:
    execute(town, "BurnAuction", "transfer_ownership", town.sender.address)
    assert wrong(town.network) == {"BurnAuction": "not owned by the timelock"}


def test_renounced_ownership_is_no_power(town: Deployed) -> None:
    execute(town, "FeeRouter", "renounce_ownership")
    found = powers(town.network)
    assert of(found, "FeeRouter")["owner"].holders == ("nobody",)
    assert not any(power.wrong for power in found)


def test_second_admin_of_the_timelock(town: Deployed) -> None:
    role = town.network.timelock.role("admin")
    execute(town, "Timelock", "grantRole", role, town.sender.address)
    assert wrong(town.network) == {"Timelock": "not the timelock alone"}


def test_role_with_another_admin(town: Deployed) -> None:
    timelock = town.network.timelock
    execute(
        town, "Timelock", "set_role_admin", timelock.role("proposer"), timelock.role("executor")
    )
    assert wrong(town.network) == {"Timelock": "the role has another admin"}


def test_role_that_was_revoked_is_not_shown(town: Deployed) -> None:
    timelock = town.network.timelock
    execute(town, "Timelock", "revokeRole", timelock.role("canceller"), town.sender.address)
    assert of(powers(town.network), "Timelock")["CANCELLER_ROLE"].holders == ()


def test_link_that_is_open(town: Deployed) -> None:
    """As if the deployer had never set the game."""
    settlement, game = town.network.settlement.address, town.network.game.address
    word = "0x" + game[2:].lower().rjust(64, "0")
    slots = [
        hex(slot)
        for slot in range(8)
        if town.anvil.rpc("eth_getStorageAt", settlement, hex(slot), "latest") == word
    ]
    assert len(slots) == 1
    town.anvil.rpc("anvil_setStorageAt", settlement, slots[0], ZERO_SLOT)
    found = of(powers(town.network), "Settlement")
    assert found["deployer, once"].holders == ("deployer",)
    assert found["deployer, once"].wrong == "game is not set: the deployer still may"
    assert found["game()"].wrong == "game is not DisputeGame"


def test_test_dollar_on_a_real_network(town: Deployed) -> None:
    real = Network(town.web3, replace(town.deployment, chain_id=1))
    assert wrong(real) == {"USDC": "a test dollar on chain 1"}


def test_dollar_of_others_is_outside(town: Deployed) -> None:
    adopted = replace(town.deployment.contract("USDC"), source="", transaction="", block=0)
    contracts = {**town.deployment.contracts, "USDC": adopted}
    found = powers(Network(town.web3, replace(town.deployment, contracts=contracts)))
    assert of(found, "USDC")["outside"].note == "as its own issuer says"


def test_function_that_the_table_does_not_know(town: Deployed) -> None:
    router = town.deployment.contract("FeeRouter")
    extra = {"type": "function", "name": "drain", "stateMutability": "nonpayable", "inputs": []}
    contracts = {
        **town.deployment.contracts,
        "FeeRouter": replace(router, abi=[*router.abi, extra]),
    }
    network = Network(town.web3, replace(town.deployment, contracts=contracts))
    assert wrong(network) == {"FeeRouter": "not in the table of chain/powers.py"}


def test_every_link_is_guarded() -> None:
    for link in LINKS:
        functions = (other.function for other in LINKS if other.role == link.role)
        assert GUARDS[link.role]["deployer, once"] == tuple(functions)
