"""`assay provider …`"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import output, provider_reports, provider_setup
from assay.cli.provider_status import bond_fields, status
from assay.core.errors import ConfigError, InputError
from assay.core.settings import ChainSettings, ProviderSettings, load_settings

if TYPE_CHECKING:
    from assay.chain.network import Network
    from assay.chain.transactions import Mined

MAX_URL = 256
"""Characters, as the contract has it."""

app = typer.Typer(help="Serve models for pay, under bond.", no_args_is_help=True)
app.command()(provider_setup.init)
app.command()(provider_setup.price)
app.command()(provider_reports.doctor)
app.command()(provider_reports.earnings)
app.command()(status)
app.command("exit")(provider_reports.leave)


class LogFormat(StrEnum):
    """Of what the service says on stderr."""

    text = "text"
    json = "json"


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (ASSAY_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (ASSAY_PORT).")] = None,
    fleet: Annotated[
        str | None,
        typer.Option(help='A Ray cluster\'s address, or "local": models run there (ASSAY_FLEET).'),
    ] = None,
    log_format: Annotated[
        LogFormat | None, typer.Option(help="text, or json for a line an event.")
    ] = None,
) -> None:
    """Answer jobs, post batches, defend claims (settings: ASSAY_*)."""
    from assay.provider import service

    given = {"host": host, "port": port, "fleet": fleet, "log_format": log_format}
    service.run(load_settings(ProviderSettings, **given))


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
    _show(network, mined, as_json)


@app.command()
def announce(
    url: Annotated[str, typer.Argument(help="Where others reach it; an empty text takes it back.")],
    as_json: output.JsonFlag = False,
) -> None:
    """Say on chain where this account's provider serves, so that gateways find it."""
    from assay.chain.network import Network

    if len(url) > MAX_URL or not url.isascii():
        raise InputError(f"the URL has {len(url)} characters; give at most {MAX_URL}, all ASCII")
    network = Network.connect(load_settings(ChainSettings))
    if network.sender is None:
        raise ConfigError("announcing needs an account; set ASSAY_KEYSTORE")
    _show(network, network.providers.announce(url), as_json)


@app.command()
def withdraw(
    claim: Annotated[str, typer.Argument(help="Its id, or its job's: 0x and 64 hex digits.")],
    as_json: output.JsonFlag = False,
) -> None:
    """Take back a claim that turned out wrong, in the first eighth of its window, for a fee."""
    from assay.chain.network import Network
    from assay.core.wire import parse_bytes
    from assay.provider.home import Home
    from assay.provider.journal import Journal
    from assay.provider.withdrawal import withdraw as take_back

    name = parse_bytes(claim, "CLAIM", 32)
    settings = load_settings(ProviderSettings)
    path = Home(settings.data_dir).journal
    if not path.is_file():
        raise InputError(f"no journal {path}; set ASSAY_DATA_DIR as the service has it")
    network = Network.connect(settings)
    if network.sender is None:
        raise ConfigError("withdrawing needs the provider's account; set ASSAY_KEYSTORE")
    journal = Journal(path)
    try:
        mined = take_back(network, journal, name)
    finally:
        journal.close()
    _show(network, mined, as_json)


def _show(network: Network, mined: Mined, as_json: bool) -> None:
    """The account's bond, and the transaction that changed it."""
    from assay.provider.overview import standing

    assert network.sender is not None, "it has just sent"
    held = standing(network, network.sender.address)
    if as_json:
        output.print_json(output.plain(held) | {"transaction": mined.hash})
    else:
        output.print_fields("provider", bond_fields(held) | {"transaction": mined.hash})


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
