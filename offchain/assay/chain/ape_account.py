"""Ape's connection and accounts, as the clients and the sender take them.

For the scripts under `ape run`. The node is the one that Ape has connected to; a key never leaves
Ape, which asks for the passphrase and shows each transaction unless it signs automatically.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3 import Web3

from assay.chain.node import connect
from assay.core.errors import ConfigError

ALIASES = {"maxFeePerGas": "max_fee", "maxPriorityFeePerGas": "max_priority_fee", "to": "receiver"}


def ape_web3(timeout_seconds: float = 10.0) -> Web3:
    """A client of the node that Ape is connected to."""
    from ape import networks

    provider = networks.active_provider
    if provider is None:
        raise ConfigError("Ape is connected to no network; give --network")
    for name in ("http_uri", "uri"):
        uri = getattr(provider, name, None)
        if isinstance(uri, str) and uri.startswith("http"):
            return connect(uri, timeout_seconds)
    raise ConfigError(
        f"Ape's provider {provider.name} has no HTTP endpoint; set one in ape-config.yaml "
        "(node: …: uri)"
    )


def json_option(command: Any) -> Any:
    """The option --json of a command; Ape's own messages must not come before the document."""
    import click
    from ape.logging import LogLevel, logger

    def quiet(context: Any, parameter: Any, value: bool) -> bool:
        if value:
            logger.set_level(LogLevel.ERROR)
        return value

    option = click.option(
        "--json", "as_json", is_flag=True, is_eager=True, callback=quiet,
        help="Print one JSON document.",
    )  # fmt: skip
    return option(command)


@dataclass(frozen=True)
class SignedByApe:
    """A signed transaction."""

    raw_transaction: bytes

    @property
    def hash(self) -> bytes:
        return bytes(keccak(self.raw_transaction))


class ApeSigner:
    """An account of Ape's that a `Sender` can send for."""

    def __init__(self, account: Any) -> None:
        self._account = account

    @property
    def address(self) -> str:
        return str(self._account.address)

    def sign_transaction(self, fields: dict[str, Any], /) -> SignedByApe:
        """Have a transaction signed as it is; ConfigError if that is declined."""
        from ape import networks

        given = {ALIASES.get(name, name): value for name, value in fields.items()}
        given["data"] = bytes(HexBytes(given.get("data", b"")))
        provider = networks.active_provider
        assert provider is not None, "ape_web3 comes first"
        unsigned = provider.network.ecosystem.create_transaction(**given)
        signed = self._account.sign_transaction(unsigned)
        if signed is None:
            raise ConfigError(f"{self.address} did not sign; nothing was sent")
        return SignedByApe(bytes(signed.serialize_transaction()))


def ape_signer(account: Any, automatically: bool = False) -> ApeSigner:
    """What a `Sender` takes. `automatically`: the account asks once, not for each signature."""
    if automatically and hasattr(account, "set_autosign"):
        account.set_autosign(True)
    return ApeSigner(account)
