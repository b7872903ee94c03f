"""Whose wallet it is, with and without a password."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from assay.chain.keys import THROWAWAY_STRENGTH, address_of, write_keystore
from assay.core.errors import ConfigError
from assay.core.settings import ChainSettings


@pytest.fixture
def account() -> LocalAccount:
    created: LocalAccount = Account.create()
    return created


@pytest.fixture
def keystore(account: LocalAccount, tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    write_keystore(account, path, "secret", THROWAWAY_STRENGTH)
    return path


def test_address_needs_no_password(account: LocalAccount, keystore: Path) -> None:
    assert address_of(ChainSettings(keystore=keystore)) == account.address


def test_keystore_that_keeps_its_address_to_itself(account: LocalAccount, keystore: Path) -> None:
    """The Web3 Secret Storage definition allows it; then the password is needed."""
    content = json.loads(keystore.read_text())
    keystore.write_text(json.dumps({**content, "address": ""}))
    with pytest.raises(ConfigError, match="ASSAY_PASSWORD_FILE"):
        address_of(ChainSettings(keystore=keystore))
    assert address_of(ChainSettings(keystore=keystore, password="secret")) == account.address


def test_no_keystore(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the keystore"):
        address_of(ChainSettings(keystore=tmp_path / "none", password="x"))
