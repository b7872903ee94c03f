"""`ape run deploy`: deploy, link and hand over all contracts to the network that Ape is on.

    ape run deploy --network ethereum:local:foundry
    ape run deploy --network base:sepolia:node --account NAME --airdrop list.csv --proposer 0x…

Run it again after an interruption. The same as `assay deploy`, with Ape's accounts.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand, account_option

from assay.chain.ape_account import ape_signer, ape_web3, json_option
from assay.chain.launch import Launch, network_name, prepare
from assay.chain.parameters import PRESETS
from assay.chain.sender import Sender, SendPolicy
from assay.cli import deploy, output
from assay.core.errors import AssayError
from assay.core.settings import ChainSettings, load_settings


@click.command(cls=ConnectedProviderCommand)
@account_option()
@click.option("--name", help="Folder in deployments/; default: the name of Ape's network.")
@click.option("--preset", type=click.Choice(list(PRESETS)), help="Default: by the chain.")
@click.option("--out", type=click.Path(path_type=Path), help="Default: deployments/NAME")
@click.option(
    "--airdrop", type=click.Path(path_type=Path), help="CSV of address,amount (10**-18 ASSAY)."
)
@click.option("--proposer", multiple=True, help="May propose to the timelock; repeatable.")
@click.option("--executor", multiple=True, help="May execute what is due; default: anybody.")
@click.option("--treasury", help="Gets the supply less the airdrop; default: the timelock.")
@click.option("--usdc", help="An existing USDC; default: a test dollar.")
@click.option("--uniswap-router", help="A Uniswap V2 router, for the burn auction's taker.")
@click.option("--fresh", is_flag=True, help="Begin anew; the earlier files are moved aside.")
@click.option("--yes", is_flag=True, help="Do not ask, and sign without asking.")
@json_option
def cli(account: Any, **given: Any) -> None:
    """Deploy, link and hand over all contracts; run it again after an interruption."""
    try:
        passes = run(account, **given)
    except AssayError as error:
        sys.exit(output.fail(error, bool(given["as_json"])))
    if not passes:
        sys.exit(output.REFUTED)


def run(
    account: Any,
    name: str | None,
    out: Path | None,
    proposer: tuple[str, ...],
    executor: tuple[str, ...],
    yes: bool,
    as_json: bool,
    **given: Any,
) -> bool:
    web3 = ape_web3()
    policy = SendPolicy.of(load_settings(ChainSettings))
    sender = Sender(web3, ape_signer(account, automatically=yes), policy)
    launch = Launch(
        network=name or network_name(web3.eth.chain_id),
        folder=out,
        proposers=proposer,
        executors=executor,
        **given,
    )
    order = prepare(web3, launch, sender.address)
    if not yes:
        if as_json:
            raise click.UsageError("--json cannot ask; add --yes")
        output.print_fields("to be deployed", order.summary())
        click.confirm("Send the transactions?", abort=True)
    deployment = order.carry_out(web3, sender, output.stderr.print)
    return deploy.report(order, deployment, web3, as_json)
