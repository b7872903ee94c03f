"""`ape run powers`: who can do what on a network, read from the chain.

ape run powers --network base:sepolia:node [--deployment deployments/base-sepolia]
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
from ape.cli import ConnectedProviderCommand

from assay.chain.ape_account import ape_web3, json_option
from assay.chain.deployment import Deployment
from assay.chain.launch import folder_for
from assay.chain.network import Network
from assay.chain.powers import powers
from assay.cli import deploy, output
from assay.core.errors import AssayError


@click.command(cls=ConnectedProviderCommand)
@click.option(
    "--deployment", type=click.Path(path_type=Path), help="Default: deployments/ by the chain."
)
@json_option
def cli(deployment: Path | None, as_json: bool) -> None:
    """Who can do what; exit code 1 unless only the timelock holds powers."""
    try:
        web3 = ape_web3()
        record = Deployment.load(deployment or folder_for(web3.eth.chain_id))
        record.verify(web3)
        passes = deploy.show_powers(powers(Network(web3, record)), record.network, as_json)
    except AssayError as error:
        sys.exit(output.fail(error, as_json))
    if not passes:
        sys.exit(output.REFUTED)
