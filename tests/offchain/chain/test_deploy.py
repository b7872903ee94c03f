"""Deploying the whole network on Anvil: what is there, and that nobody keeps a power over it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from assay.chain.airdrop import AirdropTree
from assay.chain.anvil import dev_account
from assay.chain.artifacts import compiled, encoded_arguments
from assay.chain.audit import audit
from assay.chain.deploy import deploy, local_setup
from assay.chain.deployment import AIRDROP_FILE, Deployment
from assay.chain.game_view import read_game
from assay.chain.network import Network
from assay.chain.parameters import DEMO, PRESETS, Parameters, Setup
from assay.chain.plan import OWNED
from assay.chain.powers import powers
from assay.chain.uniswap import UniswapV2
from assay.core.errors import (
    CompileError,
    ConfigError,
    ContractReverted,
    DeploymentMismatch,
    InputError,
)
from assay.core.settings import ChainSettings
from tests.offchain.chain.economy import Deployed

EIP_170_BYTES = 24_576
NOWHERE = "0x" + "11" * 20


def test_folder_says_what_is_on_chain(town: Deployed) -> None:
    assert Deployment.load(town.folder) == town.deployment
    settings = ChainSettings(rpc_url=town.anvil.url, deployment=town.folder)
    network = Network.connect(settings)
    assert network.settlement.window_seconds() == DEMO.window_seconds
    assert network.settlement.slash_per_claim() == DEMO.slash_per_claim
    assert network.settlement.reward_bps() == DEMO.reward_bps
    assert network.game.challenger_bond() == DEMO.challenger_bond
    assert network.game.clock_seconds() == DEMO.clock_seconds
    assert network.providers.unbonding_seconds() == DEMO.unbonding_seconds
    assert network.ledger.withdrawal_seconds() == DEMO.withdrawal_seconds
    assert network.ledger.fee_bps() == DEMO.fee_bps
    assert network.staking.cooldown_seconds() == DEMO.stake_cooldown_seconds
    assert network.karat.cooldown_seconds() == DEMO.karat_cooldown_seconds
    assert network.minter.curve() == DEMO.curve
    assert network.auction.parameters() == DEMO.auction
    assert network.timelock.minimum_delay() == DEMO.timelock_seconds
    start = int(town.deployment.parameters["start"])
    assert [network.emissions.stage(i).rate_per_year for i in range(9)] == list(DEMO.stage_rates)
    assert network.emissions.stage(1).start == start + DEMO.stage_seconds
    assert network.airdrop.deadline() == start + DEMO.airdrop_seconds


def test_every_contract_keeps_the_size_limit(town: Deployed) -> None:
    for name, contract in town.deployment.contracts.items():
        code = town.web3.eth.get_code(town.web3.to_checksum_address(contract.address))
        assert 0 < len(code) <= EIP_170_BYTES, name


def test_longest_dispute_is_the_games(town: Deployed) -> None:
    game = town.network.game.read("longest_game_seconds")
    assert DEMO.window_seconds + game == DEMO.longest_dispute_seconds


def test_supply_leaves_the_deployer(town: Deployed) -> None:
    network = town.network
    assert network.assay.total_supply() == DEMO.genesis_supply
    assert network.assay.balance_of(town.sender.address) == 0
    assert network.assay.balance_of(network.airdrop.address) == DEMO.airdrop_supply
    assert network.assay.balance_of(network.timelock.address) == DEMO.genesis_supply // 2


def test_timelock_owns_everything(town: Deployed) -> None:
    for role in OWNED:
        contract = town.deployment.contract(role)
        clients = [c for c in vars(town.network).values() if getattr(c, "name", "") == role]
        assert clients[0].address == contract.address
        assert clients[0].read("owner") == town.network.timelock.address, role


def test_links_are_closed_for_ever(town: Deployed) -> None:
    network = town.network
    settlement = network.settlement.address
    for link in (
        lambda: network.assay.set_minter(network.emissions.address),
        lambda: network.emissions.set_links(network.staking.address, network.ledger.address),
        lambda: network.staking.set_minter(network.minter.address),
        lambda: network.karat.set_links(network.minter.address, network.ledger.address),
        lambda: network.providers.set_settlement(settlement),
        lambda: network.ledger.set_settlement(settlement),
        lambda: network.settlement.set_game(network.game.address),
    ):
        with pytest.raises(ContractReverted, match="already set"):
            link()


def test_airdrop_file_has_the_proofs(town: Deployed) -> None:
    tree = AirdropTree.load(town.folder / AIRDROP_FILE)
    network, account = town.network, str(dev_account(3).address)
    assert network.airdrop.root() == tree.root
    network.airdrop.claim(account, tree.amounts[account], tree.proof(account))
    assert network.assay.balance_of(account) == DEMO.airdrop_supply // 10


def test_other_code_is_noticed(town: Deployed) -> None:
    town.anvil.rpc("anvil_setCode", town.network.verifier.address, "0x00")
    with pytest.raises(DeploymentMismatch, match=r"StepVerifier at 0x\w+ has code"):
        town.deployment.verify(town.web3)


def test_other_chain_is_noticed(town: Deployed) -> None:
    elsewhere = replace(town.deployment, chain_id=1)
    with pytest.raises(DeploymentMismatch, match=r"is chain 31337, .* is on chain 1"):
        elsewhere.verify(town.web3)


def test_contract_that_answers_nothing(town: Deployed) -> None:
    nowhere = replace(town.deployment.contract("CreditLedger"), address=NOWHERE)
    contracts = {**town.deployment.contracts, "CreditLedger": nowhere}
    lost = Network(town.web3, replace(town.deployment, contracts=contracts))
    with pytest.raises(DeploymentMismatch, match=r"CreditLedger\.balance_of"):
        lost.ledger.balance_of(dev_account().address)


def test_reading_without_an_account(town: Deployed) -> None:
    reader = Network(town.web3, town.deployment)
    assert reader.settlement.next_nonce(dev_account().address) == 0
    with pytest.raises(ConfigError, match=r"Settlement\.post_batch needs an account"):
        reader.settlement.post_batch(bytes(32), 1)


def test_batch_without_a_bond_changes_nothing(town: Deployed) -> None:
    network = town.network
    with pytest.raises(ContractReverted) as caught:
        network.settlement.post_batch(b"\1" * 32, 1)
    assert caught.value.call == "Settlement.post_batch"
    assert "assay provider register" in caught.value.remedy
    assert network.settlement.next_nonce(town.sender.address) == 0


def test_unknown_game(town: Deployed) -> None:
    with pytest.raises(InputError, match="no game 0x1111") as caught:
        read_game(town.network, b"\x11" * 32)
    assert caught.value.code == "unknown_game"


def test_constructor_arguments_are_never_guessed() -> None:
    abi = compiled("FeeRouter").abi
    with pytest.raises(CompileError, match=r"takes \(payment_token, auction, owner\)"):
        encoded_arguments("FeeRouter", abi, {"payment_token": NOWHERE, "router": NOWHERE})


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_survive_a_file(preset: str) -> None:
    parameters = PRESETS[preset]
    parameters.check()
    assert Parameters.of(asdict(parameters)) == parameters


@pytest.mark.parametrize("name", ["unbonding_seconds", "withdrawal_seconds", "timelock_seconds"])
def test_delays_outlast_the_longest_dispute(name: str) -> None:
    short = replace(DEMO, **{name: DEMO.longest_dispute_seconds})
    with pytest.raises(ConfigError, match=f"{name} is 684, which does not outlast"):
        short.check()


def test_airdrop_above_its_supply_is_refused(town: Deployed, tmp_path: Path) -> None:
    greedy = replace(town.setup, airdrop=AirdropTree([(NOWHERE, DEMO.airdrop_supply + 1)]))
    with pytest.raises(
        ConfigError, match=r"more than the 50,000,000\.00 that are to be given away"
    ):
        deploy(town.web3, town.sender, DEMO, greedy, "test", tmp_path)
    assert Deployment.read(tmp_path) is None


# Another dollar, another treasury


def test_existing_dollar_is_taken(town: Deployed, tmp_path: Path) -> None:
    dollar = town.network.usdc.address
    setup = replace(town.setup, usdc=dollar, treasury=town.sender.address)
    other = deploy(town.web3, town.sender, DEMO, setup, "other", tmp_path)
    adopted = other.contract("USDC")
    assert (adopted.address, adopted.source, adopted.transaction) == (dollar, "", "")
    network = Network(town.web3, other, town.sender)
    assert network.ledger.read("payment_token") == dollar
    assert network.assay.balance_of(town.sender.address) == DEMO.genesis_supply // 2
    assert "mint" not in {entry.get("name") for entry in adopted.abi}


@pytest.mark.parametrize(
    ("token", "reason"),
    [("AssayToken", "has 18 decimals"), ("", "there is no contract at")],
)
def test_dollar_that_is_none(town: Deployed, tmp_path: Path, token: str, reason: str) -> None:
    address = town.deployment.contract(token).address if token else NOWHERE
    with pytest.raises(ConfigError, match=reason):
        deploy(town.web3, town.sender, DEMO, replace(town.setup, usdc=address), "other", tmp_path)


def test_local_setup_gives_to_the_development_accounts() -> None:
    setup: Setup = local_setup(DEMO, dev_account().address)
    assert setup.airdrop.total == DEMO.airdrop_supply
    assert dev_account(9).address in setup.airdrop.amounts
    assert setup.proposers == (dev_account().address,)


def test_taker_where_there_is_a_uniswap_router(town: Deployed, tmp_path: Path) -> None:
    router = UniswapV2.deploy(town.web3, town.sender).router.address
    setup = replace(town.setup, uniswap_router=router)
    other = deploy(town.web3, town.sender, DEMO, setup, "market", tmp_path)
    network = Network(town.web3, other, town.sender)
    assert network.taker is not None
    assert network.taker.read("router") == router
    assert network.taker.read("auction") == network.auction.address
    assert all(check.passes for check in audit(town.web3, other, tmp_path))
    assert not any(power.wrong for power in powers(network))
