"""Rereading the chain: every field that is altered is named, and what governance sets is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.chain import audit as module
from assay.chain.airdrop import AirdropTree
from assay.chain.audit import Check, Verdict, audit
from assay.chain.deployment import AIRDROP_FILE, DeployedContract, Deployment
from assay.chain.parameters import DEMO
from assay.chain.timelock import Operation, OperationState
from tests.offchain.chain.economy import Deployed

OTHER = "0x" + "11" * 20
HASH = "0x" + "22" * 32


def wrong(town: Deployed, deployment: Deployment, folder: Path | None = None) -> list[Check]:
    checks = audit(town.web3, deployment, folder or town.folder)
    return [check for check in checks if check.verdict is not Verdict.same]


def altered(
    deployment: Deployment, role: str, change: Callable[[DeployedContract], DeployedContract]
) -> Deployment:
    contracts = {**deployment.contracts, role: change(deployment.contract(role))}
    return replace(deployment, contracts=contracts)


def test_default_behavior(town: Deployed) -> None:
    checks = audit(town.web3, town.deployment, town.folder)
    assert all(check.verdict is Verdict.same for check in checks)
    assert {check.contract for check in checks} >= {*town.deployment.contracts, "network"}
    assert sum(check.what == "compiled here" for check in checks) == 18


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("chain_id", 5, "chain id"),
        ("block", 3, "first block"),
        ("complete", False, "finished"),
        ("deployer", OTHER, "deployer"),
    ],
)
def test_altered_network(town: Deployed, field: str, value: Any, what: str) -> None:
    found = wrong(town, replace(town.deployment, **{field: value}))
    assert what in {check.what for check in found}


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("code_hash", HASH, "code hash"),
        ("creation_hash", HASH, "creation hash"),
        ("block", 99, "block"),
        ("address", OTHER, "address"),
        ("transaction", HASH, "creation hash"),
    ],
)
def test_altered_contract(town: Deployed, field: str, value: Any, what: str) -> None:
    """The step verifier: nobody refers to it but by its address."""
    changed = altered(town.deployment, "StepVerifier", lambda c: replace(c, **{field: value}))
    found = wrong(town, changed)
    assert ("StepVerifier", what) in {(check.contract, check.what) for check in found}


@pytest.mark.parametrize(
    ("role", "name", "value"),
    [
        ("CreditLedger", "withdrawal_seconds", 5),
        ("CreditLedger", "fee_bps", 5),
        ("CreditLedger", "karat", OTHER),
        ("EmissionController", "daily_capacity_usd_micro", 5),
        ("EmissionController", "stages", [{"start": 1, "rate_per_year": 2}]),
        ("EmissionController", "owner", OTHER),
        ("CreditMinter", "curve", {"base": 1, "power": 2, "target": 3}),
        ("MerkleAirdrop", "root", HASH),
        ("Timelock", "minimum_delay", 5),
        ("Timelock", "proposers", [OTHER]),
        ("ModelRegistry", "verifier", OTHER),
    ],
)
def test_altered_argument(town: Deployed, role: str, name: str, value: Any) -> None:
    """Three times: by its getter, by the transaction, and by the parameters."""
    changed = altered(
        town.deployment,
        role,
        lambda c: replace(c, constructor={**c.constructor, name: value}),
    )
    found = {check.what: check.verdict for check in wrong(town, changed)}
    assert {name, "encoded arguments", "arguments of the parameters"} <= set(found)
    assert found["encoded arguments"] is Verdict.different


def test_altered_parameters(town: Deployed) -> None:
    parameters = {**town.deployment.parameters, "fee_bps": 7}
    (check,) = wrong(town, replace(town.deployment, parameters=parameters))
    assert (check.contract, check.what) == ("CreditLedger", "arguments of the parameters")


def test_altered_airdrop(town: Deployed, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(town.folder, folder)
    AirdropTree([(OTHER, 5)]).save(folder / AIRDROP_FILE)
    found = wrong(town, town.deployment, folder)
    assert {check.what for check in found} == {"airdrop", "arguments of the parameters"}


def test_altered_call(town: Deployed) -> None:
    first, *rest = town.deployment.calls
    changed = replace(first, arguments=[OTHER], block=1)
    found = wrong(town, replace(town.deployment, calls=[changed, *rest]))
    assert {check.what for check in found} == {"arguments", "block"}
    gone = replace(first, transaction=HASH)
    found = wrong(town, replace(town.deployment, calls=[gone, *rest]))
    assert {check.what for check in found} == {"succeeded", "block", "contract", "arguments"}


def test_contract_that_answers_nothing(town: Deployed) -> None:
    """Named with its getters; the comparison goes on."""
    town.anvil.rpc("anvil_setCode", town.network.staking.address, "0x5f5ff3")
    found = {(check.contract, check.what): check for check in wrong(town, town.deployment)}
    assert set(found) == {
        ("Staking", what)
        for what in ("code hash", "token", "emissions", "cooldown_seconds", "minter")
    }
    assert "answered nothing that fits" in str(found["Staking", "minter"].found)


def test_other_sources_are_not_compared(town: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sources_hash", lambda: "other")
    checks = audit(town.web3, town.deployment, town.folder)
    assert not any(check.what == "compiled here" for check in checks)
    assert all(check.passes for check in checks)


def test_what_governance_sets_is_changed_not_wrong(town: Deployed) -> None:
    network = town.network
    data = network.ledger.contract.functions["set_fee"](100)._encode_transaction_data()
    operation = Operation(network.ledger.address, bytes.fromhex(data[2:]))
    network.timelock.schedule(operation, DEMO.timelock_seconds)
    town.pass_time(DEMO.timelock_seconds + 1)
    assert network.timelock.state(network.timelock.operation_id(operation)) is OperationState.READY
    town.as_account(7).timelock.execute(operation)
    assert network.ledger.fee_bps() == 100
    (check,) = wrong(town, town.deployment)
    assert (check.contract, check.what) == ("CreditLedger", "fee_bps")
    assert (check.verdict, check.recorded, check.found) == (Verdict.changed, 500, 100)
    assert check.passes
