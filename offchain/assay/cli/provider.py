"""`assay provider …`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from assay.cli import output
from assay.core.errors import ConfigError, InputError
from assay.core.settings import ChainSettings, ProviderSettings, load_settings

app = typer.Typer(help="Serve models for pay, under bond.", no_args_is_help=True)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (ASSAY_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (ASSAY_PORT).")] = None,
) -> None:
    """Answer jobs, post batches, defend claims (settings: ASSAY_*)."""
    from assay.provider import service

    service.run(load_settings(ProviderSettings, host=host, port=port))


@app.command()
def register(
    bond: Annotated[str, typer.Argument(help="Bond to add, in whole tokens, such as 5000.")],
    as_json: output.JsonFlag = False,
) -> None:
    """Approve and bond tokens of this account (settings: ASSAY_KEYSTORE, …)."""
    from assay.chain.network import Network

    network = Network.connect(load_settings(ChainSettings))
    if network.sender is None:
        raise ConfigError("registering needs an account; set ASSAY_KEYSTORE")
    amount = token_units(bond, network.bond_token.decimals())
    owner, registry = network.sender.address, network.providers
    network.bond_token.ensure_allowance(owner, registry.address, amount)
    mined = registry.bond(amount)
    _show(standing(network, owner) | {"transaction": mined.hash}, as_json)


@app.command()
def status(
    address: Annotated[
        str | None, typer.Argument(help="A provider; default: the keystore's account.")
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Bond, what open claims lock of it, and what is free."""
    from assay.chain.network import Network

    network = Network.connect(load_settings(ChainSettings))
    if address is None:
        if network.sender is None:
            raise ConfigError("name an address, or set ASSAY_KEYSTORE")
        address = network.sender.address
    _show(standing(network, network.web3.to_checksum_address(address)), as_json)


def standing(network: Any, provider: str) -> dict[str, Any]:
    """A provider's figures, in units of the bond token."""
    registry, settlement = network.providers, network.settlement
    free = registry.free(provider)
    slash = settlement.slash_per_claim()
    return {
        "provider": provider,
        "bonded": registry.bonded(provider),
        "locked": registry.locked(provider),
        "free": free,
        "slash_per_claim": slash,
        "claims_it_can_still_post": free // slash if slash else None,
        "batches_posted": settlement.next_nonce(provider),
        "bond_token": network.bond_token.symbol(),
        "bond_decimals": network.bond_token.decimals(),
    }


def token_units(text: str, decimals: int) -> int:
    """Whole tokens, as people write them, to the token's smallest units."""
    whole, _, fraction = text.replace(",", "").replace("_", "").partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit()) or len(fraction) > decimals:
        raise InputError(
            f"{text!r} is no amount; write a number with at most {decimals} decimals, such as 5000"
        )
    units = int(digits + "0" * (decimals - len(fraction)))
    if units == 0:
        raise InputError("the amount is zero; bond at least the slash of one claim")
    return units


def _show(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(figures)
    else:
        scale = 10 ** figures["bond_decimals"]
        for name in ("bonded", "locked", "free", "slash_per_claim"):
            figures[name] = f"{figures[name] / scale:,.2f} {figures['bond_token']}"
        output.print_fields("provider", figures)
