"""`assay market …`: Uniswap V2 on a local chain, for the burn auction to be filled from.

On a public chain there is a Uniswap already: `assay deploy --uniswap-router` names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import output
from assay.core.errors import ConfigError
from assay.core.settings import LOCAL_CHAIN_ID, ChainSettings, load_settings

if TYPE_CHECKING:
    from assay.chain.network import Network

app = typer.Typer(help="A local market for ASSAY: Uniswap V2 and a pool.", no_args_is_help=True)

ETHER = 10**18
DOLLAR = 10**6

RpcUrl = Annotated[str | None, typer.Option(help="Node to use (ASSAY_RPC_URL).")]


@app.command()
def router(rpc_url: RpcUrl = None, as_json: output.JsonFlag = False) -> None:
    """Put Uniswap V2 on a local chain; prints the router's address, for `assay deploy`."""
    from assay.chain.anvil import dev_account
    from assay.chain.node import connect
    from assay.chain.sender import Sender, SendPolicy
    from assay.chain.uniswap import UniswapV2

    settings = load_settings(ChainSettings, rpc_url=rpc_url)
    web3 = connect(settings.rpc_url, settings.rpc_timeout_seconds)
    _require_local(web3.eth.chain_id)
    market = UniswapV2.deploy(web3, Sender(web3, dev_account(), SendPolicy.of(settings)))
    if as_json:
        output.print_json({"router": market.router.address, "factory": market.factory.address})
    else:
        output.stdout.print(market.router.address)


@app.command("open")
def open_pool(
    assay: Annotated[int, typer.Option(min=1, help="ASSAY to put in.")] = 1_000_000,
    usd: Annotated[int, typer.Option(min=1, help="Test dollars to put in.")] = 500_000,
    rpc_url: RpcUrl = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Add liquidity from Anvil's first account; the first sets the price."""
    from assay.chain.anvil import dev_account
    from assay.chain.network import Network
    from assay.chain.uniswap import UniswapV2

    settings = load_settings(ChainSettings, rpc_url=rpc_url)
    network = Network.connect(settings, dev_account())
    _require_local(network.chain_id)
    if network.taker is None:
        raise ConfigError(
            f"the deployment of {network.deployment.network} names no Uniswap router; run "
            "`assay market router`, then `assay deploy --fresh --uniswap-router ADDRESS`"
        )
    _fill_purse(network, settings, assay * ETHER, usd * DOLLAR)
    market = UniswapV2(network.web3, str(network.taker.read("router")), network.sender)
    market.add_liquidity(network.assay, assay * ETHER, network.usdc, usd * DOLLAR)
    pool = market.create_pool(network.assay.address, network.usdc.address)
    reserves = pool.reserves()
    found = {
        "pool": pool.address,
        "ASSAY": reserves.assay / ETHER,
        "dollars": reserves.usd_micro / DOLLAR,
        "ASSAY a dollar": pool.price() / ETHER,
    }
    if as_json:
        output.print_json(found)
    else:
        output.print_fields("market", found)


def _fill_purse(network: Network, settings: ChainSettings, assay: int, usd_micro: int) -> None:
    """The account's part of the airdrop, if it is needed, and minted dollars."""
    from assay.chain.airdrop import AirdropTree
    from assay.chain.deployment import AIRDROP_FILE

    owner = network.sender.address if network.sender else ""
    if network.assay.balance_of(owner) < assay and not network.airdrop.claimed(owner):
        tree = AirdropTree.load(settings.deployment / AIRDROP_FILE)
        if owner in tree.amounts:
            network.airdrop.claim(owner, tree.amounts[owner], tree.proof(owner))
    held = network.assay.balance_of(owner)
    if held < assay:
        raise ConfigError(
            f"{owner} holds {held / ETHER:,.0f} ASSAY, {assay / ETHER:,.0f} were asked for; "
            "give --assay a smaller number"
        )
    missing = usd_micro - network.usdc.balance_of(owner)
    if missing > 0:
        network.usdc.mint(owner, missing)


def _require_local(chain_id: int) -> None:
    if chain_id != LOCAL_CHAIN_ID:
        raise ConfigError(
            f"this is chain {chain_id}; a market is made on a local chain ({LOCAL_CHAIN_ID}) only"
        )
