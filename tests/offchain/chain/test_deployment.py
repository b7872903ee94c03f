"""A deployment's folder: what is written is read again, and nothing half written ever is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from assay.chain.deployment import (
    NETWORK_FILE,
    DeployedContract,
    Deployment,
    DoneCall,
    PendingStep,
    write_json,
)
from assay.core.errors import ConfigError

CONTRACT = DeployedContract(
    address="0x" + "11" * 20,
    abi=[{"type": "function", "name": "x", "inputs": [], "outputs": []}],
    source="Thing",
    transaction="0x" + "22" * 32,
    block=7,
    constructor={"amount": 10**27, "list": [{"a": 1}], "owner": "0x" + "33" * 20},
    creation_hash="0x" + "44" * 32,
    code_hash="0x" + "55" * 32,
)
DEPLOYMENT = Deployment(
    network="test",
    chain_id=5,
    block=7,
    deployer="0x" + "66" * 20,
    sources="abc",
    parameters={"fee_bps": 500},
    setup={"airdrop": "0x00"},
    contracts={"Thing": CONTRACT, "Other": replace(CONTRACT, block=8)},
    calls=[DoneCall("Thing.link", ["0x" + "11" * 20], "0x" + "77" * 32, 9)],
    complete=True,
)


def test_default_behavior(tmp_path: Path) -> None:
    folder = tmp_path / "deployments" / "test"
    DEPLOYMENT.save(folder)
    assert Deployment.load(folder) == DEPLOYMENT
    assert {path.name for path in folder.iterdir()} == {"Thing.json", "Other.json", NETWORK_FILE}
    assert json.loads((folder / "Thing.json").read_text())["block"] == 7


def test_unfinished_is_read_but_not_loaded(tmp_path: Path) -> None:
    pending = PendingStep("Third", "0x" + "88" * 32, 3, ["0x" + "99" * 32])
    begun = replace(DEPLOYMENT, pending=pending, complete=False)
    begun.save(tmp_path)
    assert Deployment.read(tmp_path) == begun
    with pytest.raises(ConfigError, match="is not finished; run `assay deploy --network test`"):
        Deployment.load(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    assert Deployment.read(tmp_path / "none") is None
    with pytest.raises(ConfigError, match=r"there is no .*network\.json; run `assay deploy`"):
        Deployment.load(tmp_path / "none")


def test_file_of_an_earlier_version(tmp_path: Path) -> None:
    path = tmp_path / "anvil.json"
    path.write_text("{}")
    with pytest.raises(ConfigError, match="is a file; a deployment is a folder"):
        Deployment.load(path)


@pytest.mark.parametrize("content", ["", "[]", '{"contracts": {}}', '{"contracts": ["A"]}'])
def test_malformed_network(content: str, tmp_path: Path) -> None:
    (tmp_path / NETWORK_FILE).write_text(content)
    with pytest.raises(ConfigError, match=r"belongs to no deployment|cannot read the deployment"):
        Deployment.load(tmp_path)


def test_malformed_contract(tmp_path: Path) -> None:
    DEPLOYMENT.save(tmp_path)
    (tmp_path / "Other.json").write_text('{"address": 1, "what": 2}')
    with pytest.raises(ConfigError, match=r"Other\.json belongs to no deployment"):
        Deployment.load(tmp_path)
    (tmp_path / "Other.json").unlink()
    with pytest.raises(ConfigError, match=r"cannot read the deployment's .*Other\.json"):
        Deployment.load(tmp_path)


def test_unknown_role() -> None:
    with pytest.raises(ConfigError, match="has no Nothing, only Other, Thing"):
        DEPLOYMENT.contract("Nothing")


def test_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644
