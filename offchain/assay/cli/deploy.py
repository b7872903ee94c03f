"""`assay deploy`, `assay verify-deployment` and `assay powers`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import output
from assay.core.errors import ConfigError
from assay.core.settings import LOCAL_CHAIN_ID, ChainSettings, load_settings

if TYPE_CHECKING:
    from assay.chain.audit import Check
    from assay.chain.launch import Order
    from assay.chain.powers import Power


class Preset(StrEnum):
    """Delays, bonds and the economy's numbers: chain/parameters.py."""

    standard = "standard"
    testnet = "testnet"
    demo = "demo"


RpcUrl = Annotated[str | None, typer.Option(help="Node to ask (ASSAY_RPC_URL).")]
Folder = Annotated[
    Path | None, typer.Option("--deployment", help="The folder to check (ASSAY_DEPLOYMENT).")
]


def deploy(
    network: Annotated[str, typer.Option(help="anvil, base-sepolia, sepolia, …")] = "anvil",
    preset: Annotated[
        Preset | None, typer.Option(help="Default: demo, testnet or standard, by the chain.")
    ] = None,
    rpc_url: RpcUrl = None,
    out: Annotated[Path | None, typer.Option(help="Default: deployments/<network>")] = None,
    airdrop: Annotated[
        Path | None, typer.Option(help="CSV of address,amount (10**-18 ASSAY).")
    ] = None,
    proposer: Annotated[
        list[str] | None, typer.Option(help="May propose to the timelock; repeatable.")
    ] = None,
    executor: Annotated[
        list[str] | None, typer.Option(help="May execute what is due; default: anybody.")
    ] = None,
    treasury: Annotated[
        str | None, typer.Option(help="Gets the supply less the airdrop; default: the timelock.")
    ] = None,
    usdc: Annotated[
        str | None, typer.Option(help="An existing USDC; default: a test dollar.")
    ] = None,
    uniswap_router: Annotated[
        str | None, typer.Option(help="A Uniswap V2 router, for the burn auction's taker.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew; the earlier files are moved aside.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Deploy, link and hand over all contracts; run it again after an interruption.

    Settings: ASSAY_RPC_URL, ASSAY_KEYSTORE, ASSAY_PASSWORD_FILE.
    """
    from assay.chain.anvil import account_or_dev
    from assay.chain.launch import Launch, prepare
    from assay.chain.node import connect
    from assay.chain.sender import Sender, SendPolicy

    settings = load_settings(ChainSettings, rpc_url=rpc_url)
    web3 = connect(settings.rpc_url, settings.rpc_timeout_seconds)
    sender = Sender(web3, account_or_dev(settings, web3.eth.chain_id), SendPolicy.of(settings))
    launch = Launch(
        network=network,
        folder=out,
        preset=preset.value if preset else None,
        airdrop=airdrop,
        proposers=proposer or (),
        executors=executor or (),
        treasury=treasury,
        usdc=usdc,
        uniswap_router=uniswap_router,
        fresh=fresh,
    )
    order = prepare(web3, launch, sender.address)
    if not yes and order.chain_id != LOCAL_CHAIN_ID:
        confirm(order, as_json)
    deployment = order.carry_out(web3, sender, output.stderr.print)
    _exit(report(order, deployment, web3, as_json))


def verify_deployment(
    folder: Folder = None, rpc_url: RpcUrl = None, as_json: output.JsonFlag = False
) -> None:
    """Reread the chain and compare every field of a deployment; exit code 1 if one differs."""
    from assay.chain.audit import audit
    from assay.chain.deployment import Deployment
    from assay.chain.node import connect

    settings = load_settings(ChainSettings, rpc_url=rpc_url, deployment=folder)
    web3 = connect(settings.rpc_url, settings.rpc_timeout_seconds)
    deployment = Deployment.load(settings.deployment)
    checks = audit(web3, deployment, settings.deployment)
    _exit(show_checks(checks, deployment.network, as_json))


def powers(folder: Folder = None, rpc_url: RpcUrl = None, as_json: output.JsonFlag = False) -> None:
    """Who can do what, read from the chain; exit code 1 unless only the timelock holds powers."""
    from assay.chain.network import Network
    from assay.chain.powers import powers as read_powers

    settings = load_settings(ChainSettings, rpc_url=rpc_url, deployment=folder)
    network = Network.connect(settings.model_copy(update={"keystore": None}))
    _exit(show_powers(read_powers(network), network.deployment.network, as_json))


def _exit(passes: bool) -> None:
    if not passes:
        raise typer.Exit(output.REFUTED)


def confirm(order: Order, as_json: bool) -> None:
    """Show what is about to be paid for, and ask."""
    if as_json:
        raise ConfigError("--json cannot ask before it deploys to a public chain; add --yes")
    output.print_fields("to be deployed", order.summary())
    typer.confirm("Send the transactions?", abort=True)


def report(order: Order, deployment: Any, web3: Any, as_json: bool) -> bool:
    """Where everything is; False if the chain disagrees with what was just written."""
    from assay.chain.audit import audit

    checks = audit(web3, deployment, order.launch.place)
    if not all(check.passes for check in checks):
        return show_checks(checks, deployment.network, as_json)
    addresses = {role: item.address for role, item in deployment.contracts.items()}
    if as_json:
        facts = {name: getattr(deployment, name) for name in ("network", "chain_id", "block")}
        more = {"contracts": addresses, "parameters": deployment.parameters}
        output.print_json({"folder": order.launch.place, **facts, **more})
        return True
    output.print_fields(f"{deployment.network}, chain {deployment.chain_id}", addresses)
    text = f"written to {order.launch.place}; every field read back from the chain"
    output.stdout.print(text, soft_wrap=True)
    return True


def show_checks(checks: list[Check], network: str, as_json: bool) -> bool:
    """All comparisons as JSON, or those that differ and a count; whether all are right."""
    from assay.chain.audit import as_rows

    wrong = [check for check in checks if not check.passes]
    if as_json:
        output.print_json({"network": network, "passes": not wrong, "checks": as_rows(checks)})
    else:
        header = ("contract", "what", "recorded", "found", "verdict")
        rows = [row for row in as_rows(checks) if row["verdict"] != "same"]
        if rows:
            output.print_table("differences", header, [[row[n] for n in header] for row in rows])
        verdict = f"FAIL: {len(wrong)} of" if wrong else "PASS:"
        output.stdout.print(f"{verdict} {len(checks)} comparisons with the chain")
    return not wrong


def show_powers(found: list[Power], network: str, as_json: bool) -> bool:
    """The table and the verdict: whether only the timelock holds powers."""
    wrong = [power for power in found if power.wrong]
    if as_json:
        output.print_json({"network": network, "passes": not wrong, "powers": found})
    else:
        for contract in dict.fromkeys(power.contract for power in found):
            mine = [power for power in found if power.contract == contract]
            output.print_rows(contract, [(_holders(power), _functions(power)) for power in mine])
        output.stdout.print(
            f"FAIL: {len(wrong)} powers are not as they should be"
            if wrong
            else "PASS: only the timelock holds powers; every other function is anybody's, or "
            "another contract's",
            soft_wrap=True,
        )
    return not wrong


def _holders(power: Power) -> str:
    return ", ".join(power.holders) or power.guard


def _functions(power: Power) -> str:
    remark = f"WRONG: {power.wrong}" if power.wrong else power.note
    return ", ".join(power.functions) + (f" ({remark})" if remark else "")
