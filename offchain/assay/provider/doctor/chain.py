"""Looks at the chain: node, clock, contracts, the account's ether, its bond."""

from __future__ import annotations

import time

from assay.chain.fees import GWEI, suggest
from assay.chain.node import node_errors
from assay.core.settings import LOCAL_CHAIN_ID
from assay.provider.doctor.checkup import Finding, Look, Subject, fail, ok, warn

BLOCK_AGE_SECONDS = 120
"""An older newest block means that the node does not keep up."""
AHEAD_SECONDS = 15
"""A block further in our future means that this machine's clock is slow."""
POST_GAS, FINALISE_GAS, GAME_GAS = 130_000, 65_000, 1_750_000
"""A batch; a claim's payment; a whole game, both sides (scripts/bench/dispute)."""
GAMES = 10
"""Fewer games than the account can pay for are worth a warning."""
ETHER = 10**18


def node(subject: Subject) -> Finding:
    web3, wanted = subject.web3, subject.deployment.chain_id
    with node_errors(subject.settings.rpc_url):
        chain_id, head = int(web3.eth.chain_id), int(web3.eth.block_number)
    if chain_id != wanted:
        return fail(
            f"{subject.settings.rpc_url} is chain {chain_id}; the deployment "
            f"{subject.deployment.network} is on chain {wanted}",
            "set ASSAY_RPC_URL to a node of that chain, or ASSAY_DEPLOYMENT to another deployment",
        )
    if subject.network.syncing():
        return fail(f"the node is syncing, at block {head:,}", "wait until it has caught up")
    return ok(f"chain {chain_id} ({subject.deployment.network}), block {head:,}")


def clock(subject: Subject) -> Finding:
    """Deadlines of jobs and games go by the chain's time."""
    behind = int(time.time()) - subject.network.now()
    if subject.deployment.chain_id == LOCAL_CHAIN_ID:
        return ok(
            f"the newest block is {behind} s old; a local chain may stand still, or run ahead"
        )
    if behind < -AHEAD_SECONDS:
        return fail(
            f"the newest block is {-behind} s ahead of this machine's clock",
            "synchronise the clock (NTP)",
        )
    if behind > BLOCK_AGE_SECONDS:
        return fail(
            f"the newest block is {behind} s old, more than {BLOCK_AGE_SECONDS}",
            "wait for the node to catch up, use another one (ASSAY_RPC_URL), or set this "
            "machine's clock (NTP)",
        )
    return ok(f"the newest block is {behind} s old")


def contracts(subject: Subject) -> Finding:
    subject.deployment.verify(subject.web3)
    return ok(f"the code of {len(subject.deployment.contracts)} contracts is the deployment's")


def account(subject: Subject) -> Finding:
    return ok(f"{subject.address}, from {subject.settings.keystore}")


def gas(subject: Subject) -> Finding:
    """What the ether held pays for at the price that a transaction would bid now."""
    with node_errors(subject.settings.rpc_url):
        held = int(subject.web3.eth.get_balance(subject.address))
        price = suggest(subject.web3, int(subject.settings.max_fee_gwei * GWEI)).max_fee
    batches, payments, games = (held // (g * price) for g in (POST_GAS, FINALISE_GAS, GAME_GAS))
    found = (
        f"{held / ETHER:.6f} ether pays for {batches:,} batches, or {payments:,} payments, or "
        f"{games:,} whole games at {price / GWEI:.3g} gwei"
    )
    remedy = f"send ether to {subject.address}"
    if games < 1:
        return fail(found, remedy + ": a game that cannot be played is lost, with its slash")
    return warn(found, remedy) if games < GAMES else ok(found)


def bond(subject: Subject) -> Finding:
    """What is bonded, beside what the load of the last window locks."""
    network, address = subject.network, subject.address
    bonded, free = network.providers.bonded(address), network.providers.free(address)
    slash, window = network.settlement.slash_per_claim(), network.settlement.window_seconds()
    symbol, scale = network.bond_token.symbol(), 10 ** network.bond_token.decimals()
    if bonded < slash:
        return fail(
            f"{bonded / scale:,.2f} {symbol} are bonded; one claim locks {slash / scale:,.2f}",
            "`assay provider register AMOUNT` bonds tokens of this account",
        )
    recent = subject.records.claims(since=time.time() - window)
    room = bonded // slash
    paid = sum(claim.price for claim in recent) / 10**6
    found = (
        f"{bonded / scale:,.2f} {symbol}, {free / scale:,.2f} free: room for {room:,} claims in a "
        f"window of {window:,} s; the last one had {len(recent):,}, of ${paid:,.6f}"
    )
    remedy = "`assay provider register AMOUNT` adds to it, or raise prices to take fewer jobs"
    if free < slash or len(recent) > room:
        return warn(found, remedy)
    return ok(found)


LOOKS = (
    Look("node", (), node),
    Look("clock", ("node",), clock),
    Look("contracts", ("node",), contracts),
    Look("account", (), account),
    Look("gas", ("node", "account"), gas),
    Look("bond", ("contracts", "account"), bond),
)
