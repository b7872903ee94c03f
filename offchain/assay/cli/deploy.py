"""`assay deploy`"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import output
from assay.core.errors import ConfigError
from assay.core.settings import LOCAL_CHAIN_ID, ChainSettings, load_settings

if TYPE_CHECKING:
    from assay.chain.deploy import Parameters
    from assay.chain.deployment import Deployment


class Preset(StrEnum):
    """Windows, clocks and bonds: `standard` for networks, `demo` to watch on a local chain."""

    standard = "standard"
    demo = "demo"


def deploy(
    network: Annotated[str, typer.Option(help="Name in the deployment file.")] = "anvil",
    preset: Annotated[Preset, typer.Option(help="Windows, clocks, bonds.")] = Preset.standard,
    rpc_url: Annotated[str | None, typer.Option(help="Node to deploy to (ASSAY_RPC_URL).")] = None,
    out: Annotated[Path | None, typer.Option(help="Default: deployments/<network>.json")] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Compile, deploy and wire all contracts; writes the deployment file (settings: ASSAY_*)."""
    from assay.chain.anvil import account_or_dev
    from assay.chain.deploy import DEMO, Parameters
    from assay.chain.deploy import deploy as deploy_contracts
    from assay.chain.node import connect
    from assay.chain.sender import Sender, SendPolicy

    settings = load_settings(ChainSettings, rpc_url=rpc_url)
    web3 = connect(settings.rpc_url, settings.rpc_timeout_seconds)
    chain_id = web3.eth.chain_id
    if preset is Preset.demo and chain_id != LOCAL_CHAIN_ID:
        raise ConfigError(
            f"the demo preset is for a local chain (id {LOCAL_CHAIN_ID}), this one is {chain_id}; "
            "use --preset standard"
        )
    sender = Sender(web3, account_or_dev(settings, chain_id), SendPolicy.of(settings))
    parameters = DEMO if preset is Preset.demo else Parameters()
    deployment = deploy_contracts(web3, sender, parameters, network, output.stderr.print)
    path = out or Path("deployments") / f"{network}.json"
    deployment.save(path)
    _report(path, deployment, parameters, as_json)


def _report(path: Path, deployment: Deployment, parameters: Parameters, as_json: bool) -> None:
    addresses = {role: item.address for role, item in deployment.contracts.items()}
    if as_json:
        fields = {"network": deployment.network, "chain_id": deployment.chain_id}
        place = {"file": path, "block": deployment.block}
        output.print_json({**place, **fields, "contracts": addresses, "parameters": parameters})
        return
    output.print_fields(f"{deployment.network}, chain {deployment.chain_id}", addresses)
    output.stdout.print(f"written to {path}")
