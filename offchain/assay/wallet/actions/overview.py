"""Everything that an account holds, in one report."""

from __future__ import annotations

from assay.chain.rehearse import balance
from assay.chain.work import work_rewards
from assay.core.errors import ChainError
from assay.wallet.account import NOBODY, TicketOffice, Wallet
from assay.wallet.actions.airdrop import part_of
from assay.wallet.actions.channels import owned_channels
from assay.wallet.amounts import ASSAY, BPS, ETHER, KARAT, PERCENT, USDC, Amount, Unit
from assay.wallet.plan import Fact, Report, Table


def show(wallet: Wallet) -> Report:
    """Balances, stake, tickets, rewards, KARAT, allowance, channels, dollars, earnings, credit."""
    warnings: list[str] = []
    return Report(
        title=f"{wallet.account} on {wallet.network.deployment.network}",
        facts={"chain": wallet.network.chain_id, "as of": wallet.moment(wallet.now)},
        tables=[
            _holdings(wallet, warnings),
            _allowances(wallet),
            _tickets(wallet),
            _channels(wallet, warnings),
        ],
        warnings=warnings,
    )


def _holdings(wallet: Wallet, warnings: list[str]) -> Table:
    network, account = wallet.network, wallet.account
    position = network.minter.position(account)
    rows: list[tuple[Fact, ...]] = [
        ("ether for gas", Amount(balance(network.web3, account), ETHER)),
        ("ASSAY in the wallet", Amount(network.assay.balance_of(account), ASSAY)),
        ("free stake", Amount(network.staking.free_of(account), ASSAY)),
        ("locked stake", Amount(network.staking.locked_of(account), ASSAY)),
        ("rewards waiting", Amount(network.staking.claimable(account), ASSAY)),
        ("KARAT in the wallet", Amount(network.karat.balance_of(account), KARAT)),
        ("staked KARAT", Amount(network.karat.staked_of(account), KARAT)),
        ("KARAT minted and not burned", Amount(position.minted, KARAT)),
        ("USDC in the wallet", Amount(network.usdc.balance_of(account), USDC)),
        ("dollars in the ledger", Amount(network.ledger.balance_of(account), USDC)),
        ("earnings to collect", Amount(network.ledger.earnings_of(account), USDC)),
        *_rewards(wallet, warnings),
    ]
    part = part_of(wallet)
    if part:
        rows.append(("airdrop to claim", Amount(part, ASSAY)))
    return Table("holdings", ("what", "amount"), rows, keyed=True)


def _rewards(wallet: Wallet, warnings: list[str]) -> list[tuple[Fact, ...]]:
    """Emission for credit work, if the node lets its events be read."""
    try:
        total = sum(work_rewards(wallet.network, wallet.account, wallet.day).values())
    except ChainError as error:
        warnings.append(f"emission for credit work is unknown: {error.message}")
        return []
    return [("emission for work to collect", Amount(total, ASSAY))]


def _allowances(wallet: Wallet) -> Table:
    ledger, staking, account = wallet.network.ledger, wallet.network.staking, wallet.account
    karat, capacity = ledger.allowance_of(account)
    promised, bps = ledger.committed_of(account)
    own, total = staking.stake_of(account), staking.total_stake()
    rows: list[tuple[Fact, ...]] = [
        ("allowance of KARAT today", Amount(karat, USDC)),
        ("KARAT's allowance that channels claim", Amount(promised, USDC)),
        ("capacity share today", Amount(capacity, USDC)),
        ("part of the share that channels claim", Amount(bps, PERCENT)),
        ("share of all stake now", Amount(own * BPS // total if total else 0, PERCENT)),
        ("credit collected for today", Amount(ledger.credit_of(account, wallet.day), USDC)),
        ("credit collected for yesterday", Amount(ledger.credit_of(account, wallet.day - 1), USDC)),
    ]
    return Table("allowances", ("what", "amount"), rows, keyed=True)


def _tickets(wallet: Wallet) -> Table:
    network = wallet.network
    offices: list[tuple[TicketOffice, Unit, str]] = [
        (network.staking, ASSAY, "withdraw"),
        (network.karat, KARAT, "withdraw-karat"),
        (network.ledger, USDC, "withdraw-usdc"),
    ]
    rows: list[tuple[Fact, ...]] = [
        (command, ticket.id, Amount(ticket.amount, unit), wallet.moment(ticket.ready_at))
        for office, unit, command in offices
        for ticket in wallet.tickets(office)
    ]
    return Table("tickets", ("command", "ticket", "amount", "ripe"), rows)


def _channels(wallet: Wallet, warnings: list[str]) -> Table:
    rows: list[tuple[Fact, ...]] = []
    try:
        channels = owned_channels(wallet)
    except ChainError as error:
        channels = {}
        warnings.append(f"channels are unknown: {error.message}")
    for payee, channel in channels.items():
        state = wallet.network.ledger.channel_state(wallet.account, payee, wallet.day)
        rows.append(
            (
                payee,
                Amount(channel.karat_micro, USDC),
                Amount(channel.capacity_bps, PERCENT),
                Amount(channel.deposit, USDC),
                Amount(state.left, USDC),
                channel.session_key if channel.session_key != NOBODY else None,
                wallet.moment(channel.expires_at),
            )
        )
    header = ("payee", "KARAT a day", "capacity", "dollars", "left today", "key", "expires")
    return Table("channels", header, rows)
