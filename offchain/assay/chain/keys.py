"""eth-account JSON keystores: the only form in which a key is read or written."""

from __future__ import annotations

import json
import os
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import is_hex_address, to_checksum_address

from assay.core.errors import ConfigError
from assay.core.settings import ChainSettings

FULL_STRENGTH = 2**18  # scrypt's n in the Web3 Secret Storage definition
THROWAWAY_STRENGTH = 2**12  # keys of a local chain that dies with the command


def load_account(settings: ChainSettings) -> LocalAccount:
    """The account of `settings.keystore`; ConfigError says what is missing."""
    if settings.keystore is None:
        raise ConfigError("no keystore: set ASSAY_KEYSTORE to an eth-account JSON keystore")
    return open_keystore(settings.keystore, settings.keystore_password())


def address_of(settings: ChainSettings) -> str:
    """Address of the settings' keystore; without its password, where the file tells it."""
    if settings.keystore is not None:
        try:
            stated = json.loads(settings.keystore.read_text()).get("address", "")
        except (OSError, ValueError, AttributeError):
            stated = ""  # open_keystore says what is wrong with it
        if is_hex_address(stated):
            return str(to_checksum_address(stated))
    return str(load_account(settings).address)


def open_keystore(path: Path, password: str) -> LocalAccount:
    """Decrypt one keystore file."""
    try:
        key = Account.decrypt(json.loads(path.read_text()), password)
    except OSError as error:
        raise ConfigError(f"cannot read the keystore {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"cannot open the keystore {path}: {error}; check the file and its password"
        ) from error
    account: LocalAccount = Account.from_key(key)
    return account


def write_keystore(
    account: LocalAccount, path: Path, password: str, strength: int = FULL_STRENGTH
) -> None:
    """Encrypt a key to a new file that only its owner can read; never overwrites."""
    if not password:
        raise ConfigError(f"refusing an empty password for the keystore {path}")
    content = json.dumps(account.encrypt(password, kdf="scrypt", iterations=strength))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConfigError(f"{path} exists; choose another name or move it away") from error
    with os.fdopen(handle, "w") as output:
        output.write(content)


def new_keystore(path: Path, password: str, strength: int = FULL_STRENGTH) -> LocalAccount:
    """A fresh key, written at once."""
    account: LocalAccount = Account.create()
    write_keystore(account, path, password, strength)
    return account
