"""`ape run verify`: reread the chain and compare every field of a deployment.

ape run verify --network base:sepolia:node [--deployment deployments/base-sepolia]
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
from ape.cli import ConnectedProviderCommand

from assay.chain.ape_account import ape_web3, json_option
from assay.chain.audit import audit
from assay.chain.deployment import Deployment
from assay.chain.launch import folder_for
from assay.cli import deploy, output
from assay.core.errors import AssayError


@click.command(cls=ConnectedProviderCommand)
@click.option(
    "--deployment", type=click.Path(path_type=Path), help="Default: deployments/ by the chain."
)
@json_option
def cli(deployment: Path | None, as_json: bool) -> None:
    """Compare every field of a deployment with the chain; exit code 1 if one differs."""
    try:
        web3 = ape_web3()
        folder = deployment or folder_for(web3.eth.chain_id)
        record = Deployment.load(folder)
        passes = deploy.show_checks(audit(web3, record, folder), record.network, as_json)
    except AssayError as error:
        sys.exit(output.fail(error, as_json))
    if not passes:
        sys.exit(output.REFUTED)
