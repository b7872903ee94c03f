"""Keystores: what is written opens again, and nothing is overwritten or left readable."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from assay.chain.keys import THROWAWAY_STRENGTH, load_account, new_keystore, open_keystore
from assay.core.errors import ConfigError
from assay.core.settings import ChainSettings


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "provider.json"
    new_keystore(path, "correct horse", THROWAWAY_STRENGTH)
    return path


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    account = new_keystore(path, "correct horse", THROWAWAY_STRENGTH)
    assert open_keystore(path, "correct horse").key == account.key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert account.key.hex() not in path.read_text()


def test_existing_file_is_kept(keystore: Path) -> None:
    before = keystore.read_text()
    with pytest.raises(ConfigError, match="exists"):
        new_keystore(keystore, "other", THROWAWAY_STRENGTH)
    assert keystore.read_text() == before


def test_empty_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="empty password"):
        new_keystore(tmp_path / "key.json", "", THROWAWAY_STRENGTH)


def test_wrong_password(keystore: Path) -> None:
    with pytest.raises(ConfigError, match="check the file and its password"):
        open_keystore(keystore, "wrong")


def test_settings_name_what_is_missing(keystore: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ASSAY_KEYSTORE"):
        load_account(ChainSettings())
    with pytest.raises(ConfigError, match="ASSAY_PASSWORD_FILE"):
        load_account(ChainSettings(keystore=keystore))
    with pytest.raises(ConfigError, match="cannot read the password file"):
        load_account(ChainSettings(keystore=keystore, password_file=tmp_path / "none"))
    password_file = tmp_path / "password"
    password_file.write_text("correct horse\n")
    account = load_account(ChainSettings(keystore=keystore, password_file=password_file))
    assert account.address == open_keystore(keystore, "correct horse").address
